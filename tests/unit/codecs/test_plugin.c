// Loading plug-ins. Arguments: the plug-in of another version, the one with a codec that is there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec_plugin.h"

static const char *other_version, *twice;
static char error[512];

static unsigned int count_codecs(void)
{
	unsigned int n = 0;

	while (codecs[n])
		n++;
	return n;
}

static void assert_refused(const char *path, const char *why)
{
	unsigned int n = count_codecs();

	error[0] = '\0';
	assert_null(codec_plugin_load(path, error, sizeof(error)));
	if (!strstr(error, why))
		fail_msg("'%s' does not say '%s'", error, why);
	assert_non_null(strstr(error, path));
	assert_int_equal(count_codecs(), n);
}

static void file_that_is_not_there_is_said_to_be_missing(void **)
{
	assert_refused("/nonexistent/sluice-g729.so", "No such file or directory");
}

static void folder_or_text_is_no_plug_in(void **)
{
	char path[] = "/tmp/sluice-plugin-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_refused("/tmp", "expected a file of root's");
	assert_int_equal(write(fd, "not an object", 13), 13);
	assert_refused(path, "file too short");
	close(fd);
	unlink(path);
}

static void library_without_the_symbol_is_no_plug_in(void **)
{
	Dl_info library; // any will do: that of cmocka

	assert_true(dladdr((void *)_cmocka_run_group_tests, &library));
	assert_refused(library.dli_fname, "is no codec plug-in");
}

static void plug_in_of_another_version_is_refused(void **)
{
	assert_refused(other_version, "was built for another version (plug-in interface 99");
}

static void codec_that_is_there_already_is_refused(void **)
{
	assert_refused(twice, "there is a codec pcmu already");
}

// A file that somebody else could have written is not loaded, whatever is in it.
static void file_that_others_may_write_is_refused(void **)
{
	char path[] = "/tmp/sluice-plugin-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0660), 0);
	assert_refused(path, "nobody else may write");
	assert_int_equal(fchmod(fd, 0606), 0);
	assert_refused(path, "nobody else may write");
	if (geteuid() == 0) {
		assert_int_equal(fchmod(fd, 0600), 0);
		assert_int_equal(fchown(fd, 12345, 0), 0);
		assert_refused(path, "expected a file of root's");
	}
	close(fd);
	unlink(path);
}

static void list_of_codecs_has_an_end(void **)
{
	static struct codec many[CODECS_MAX];
	static char names[CODECS_MAX][8];
	unsigned int n = count_codecs();

	for (unsigned int i = 0; i < CODECS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "x%u", i);
		many[i] = (struct codec){.name = names[i], .clock_hz = 8000, .channels = 1};
		assert_int_equal(codecs_add(&many[i]), n + i < CODECS_MAX ? 0 : -ENOSPC);
	}
	assert_int_equal(codecs_add(&many[0]), -EEXIST);
	assert_ptr_equal(codec_find("X0", 8000, 1), &many[0]);
	assert_null(codecs[CODECS_MAX]);
	codecs[n] = NULL;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_that_is_not_there_is_said_to_be_missing),
		cmocka_unit_test(folder_or_text_is_no_plug_in),
		cmocka_unit_test(library_without_the_symbol_is_no_plug_in),
		cmocka_unit_test(plug_in_of_another_version_is_refused),
		cmocka_unit_test(codec_that_is_there_already_is_refused),
		cmocka_unit_test(file_that_others_may_write_is_refused),
		cmocka_unit_test(list_of_codecs_has_an_end),
	};

	if (argc != 3)
		return 2;
	other_version = argv[1];
	twice = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
