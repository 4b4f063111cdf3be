// Proofs in the configuration, with files that are there. Cases without files are in
// tests/golden/config.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "users.h"

static char folder[64];
static char text[4096], error[512];

static const char *path(const char *name)
{
	static char paths[4][128];
	static unsigned int n;
	char *out = paths[n++ % 4];

	snprintf(out, 128, "%s/%s", folder, name);
	return out;
}

static void file_write(const char *name, const char *content, mode_t mode)
{
	FILE *file = fopen(path(name), "w");

	assert_non_null(file);
	fputs(content, file);
	fclose(file);
	chmod(path(name), mode);
}

#define MD5_OF_BOB "93d9742ba16f5fd1d2c92dc8c3aeb8b3"
#define SECRET	   "0123456789abcdef0123456789abcdef"

static int make_files(void **)
{
	strcpy(folder, "/tmp/sluice-config-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	file_write("password", "correct horse\nsecond line\n", 0600);
	file_write("unended", "correct horse", 0600);
	file_write("empty", "\n", 0600);
	file_write("open", "correct horse\n", 0644);
	file_write("secret", SECRET, 0600);
	file_write("short", "0123456789abcdef", 0600);
	file_write("users",
		"users:\n  - {user: alice, password: wonderland}\n"
		"  - {user: bob, ha1_md5: " MD5_OF_BOB "}\n",
		0600);
	file_write("twice",
		"users:\n  - {user: alice, password: a}\n  - {user: alice, password: b}\n", 0600);
	file_write("bad-name", "users:\n  - {user: 'a b', password: a}\n", 0600);
	file_write("bad-hash", "users:\n  - {user: bob, ha1_md5: 0123}\n", 0600);
	file_write("unknown", "users:\n  - {user: bob, pasword: hidden-word}\n", 0600);
	return 0;
}

static int remove_files(void **)
{
	static const char *const names[] = {"password", "unended", "empty", "open", "secret",
		"short", "users", "twice", "bad-name", "bad-hash", "unknown"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path(names[i]));
	return rmdir(folder);
}

// `trunk` and `more` are lines of the configuration; %F stands for the folder.
static void fill(char *out, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from; from++) {
		if (from[0] == '%' && from[1] == 'F') {
			n += (size_t)snprintf(out + n, size - n, "%s", folder);
			from++;
		} else {
			out[n++] = *from;
		}
		assert_true(n < size);
	}
	out[n] = '\0';
}

static struct config *load(const char *trunk, const char *more)
{
	char raw[2048];

	snprintf(raw, sizeof(raw),
		"node: gw1\n"
		"realms: [{name: lan, sip: [{address: 10.0.0.1}], media_address: 10.0.0.1}]\n"
		"trunks:\n"
		"  - name: one\n"
		"    realm: lan\n"
		"    codecs: [PCMU]\n"
		"%s\n"
		"routes: [{trunk: one}]\n%s",
		trunk, more);
	fill(text, sizeof(text), raw);
	return config_load_text("case.yaml", text, strlen(text), error, sizeof(error));
}

#define PEERS "    peers: [{address: 10.0.0.2}]\n"

static void password_is_the_first_line_of_its_file(void **)
{
	struct config *config = load(PEERS "    auth: {user: u, password_file: %F/password}", "");
	char *printed;

	if (!config)
		fail_msg("%s", error);
	assert_string_equal(config->trunks.list[0].auth.user, "u");
	assert_string_equal(config->trunks.list[0].auth.password, "correct horse");
	assert_null(config->trunks.list[0].auth.realm);
	printed = config_print(config);
	assert_null(strstr(printed, "correct"));
	free(printed);
	config_free(config);
}

static void password_file_needs_no_line_end(void **)
{
	struct config *config = load(PEERS "    auth: {user: u, password_file: %F/unended}", "");

	if (!config)
		fail_msg("%s", error);
	assert_string_equal(config->trunks.list[0].auth.password, "correct horse");
	config_free(config);
}

static void password_is_there_after_it_was_not_printed(void **)
{
	struct config *config = load(PEERS "    auth: {user: u, password: pass-word}", "");
	char *printed;

	if (!config)
		fail_msg("%s", error);
	printed = config_print(config);
	assert_null(strstr(printed, "pass-word"));
	assert_non_null(strstr(printed, "password: hidden"));
	assert_string_equal(config->trunks.list[0].auth.password, "pass-word");
	free(printed);
	config_free(config);
}

static void users_are_read_with_their_hashes(void **)
{
	struct config *config =
		load("    users: {domain: example.com, file: %F/users, algorithms: [MD5]}",
			"auth: {secret_file: %F/secret}\n");
	const struct trunk_users *users;
	char ha1[DIGEST_HEX_SIZE];
	struct slice found;

	if (!config)
		fail_msg("%s", error);
	users = config->trunks.list[0].users;
	assert_true(users->registers);
	assert_int_equal(users->algorithms, 1 << DIGEST_MD5);
	assert_int_equal(users_n(users->users), 2);
	assert_int_equal(digest_ha1(DIGEST_MD5, SLICE("alice"), SLICE("example.com"),
				 SLICE("wonderland"), ha1),
		32);
	found = users_ha1(users->users, SLICE("alice"), DIGEST_MD5);
	assert_true(slice_equal(found, (struct slice){ha1, 32}));
	found = users_ha1(users->users, SLICE("bob"), DIGEST_MD5);
	assert_true(slice_equal(found, SLICE(MD5_OF_BOB)));
	assert_null(users_ha1(users->users, SLICE("bob"), DIGEST_SHA256).p);
	assert_null(users_ha1(users->users, SLICE("carol"), DIGEST_MD5).p);
	assert_true(config->auth.has_secret);
	assert_memory_not_equal(config->auth.secret, SECRET, sizeof(config->auth.secret));
	config_free(config);
}

static void trunk_with_peers_and_users_takes_no_registrations(void **)
{
	struct config *config = load(
		PEERS "    users: {domain: example.com, file: %F/users, algorithms: [MD5]}", "");

	if (!config)
		fail_msg("%s", error);
	assert_false(config->trunks.list[0].users->registers);
	config_free(config);
}

static const struct refusal {
	const char *trunk, *more, *said; // %F as above
} refusals[] = {
	{PEERS "    auth: {user: u, password_file: %F/empty}", "",
		"case.yaml:8: trunks[1].auth.password_file: '%F/empty': expected a password in its "
		"first line"},
	{PEERS "    auth: {user: u, password_file: %F/open}", "",
		"case.yaml:8: trunks[1].auth.password_file: '%F/open' is open to every user of "
		"this host: take that away (chmod o=)"},
	{PEERS "    auth: {user: u, password_file: %F}", "",
		"case.yaml:8: trunks[1].auth.password_file: '%F' is not a file"},
	{PEERS, "auth: {secret_file: %F/short}\n",
		"case.yaml:10: auth.secret_file: '%F/short': expected 32 random bytes or more"},
	{"    users: {domain: example.com, file: %F/users}", "",
		"case.yaml:7: trunks[1].users.file: %F/users:3: users[2]: expected password, or "
		"ha1_ of each algorithm that is offered"},
	{"    users: {domain: example.com, file: %F/twice}", "",
		"case.yaml:7: trunks[1].users.file: %F/twice:3: users[2]: this user is there "
		"already"},
	{"    users: {domain: example.com, file: %F/bad-name}", "",
		"case.yaml:7: trunks[1].users.file: %F/bad-name:2: users[1]: expected a name as "
		"the user part of a SIP URI"},
	{"    users: {domain: example.com, file: %F/bad-hash}", "",
		"case.yaml:7: trunks[1].users.file: %F/bad-hash:2: users[1]: expected the "
		"hexadecimal digits of a hash of that algorithm"},
};

static void unfit_files_are_refused(void **)
{
	char said[512];

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct config *config = load(refusals[i].trunk, refusals[i].more);

		assert_null(config);
		fill(said, sizeof(said), refusals[i].said);
		assert_string_equal(error, said);
	}
}

static void no_secret_is_in_a_refusal(void **)
{
	assert_null(load("    users: {domain: example.com, file: %F/unknown}", ""));
	assert_null(strstr(error, "hidden-word"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(password_is_the_first_line_of_its_file),
		cmocka_unit_test(password_file_needs_no_line_end),
		cmocka_unit_test(password_is_there_after_it_was_not_printed),
		cmocka_unit_test(users_are_read_with_their_hashes),
		cmocka_unit_test(trunk_with_peers_and_users_takes_no_registrations),
		cmocka_unit_test(unfit_files_are_refused),
		cmocka_unit_test(no_secret_is_in_a_refusal),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
