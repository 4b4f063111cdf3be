// Runs a fuzz target over the files of its corpus, as an ordinary test. Fails on an empty corpus:
// a test that reads nothing cannot fail.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data;
	size_t size;

	if (!file) {
		perror(path);
		return -1;
	}
	fseek(file, 0, SEEK_END);
	size = (size_t)ftell(file);
	rewind(file);
	data = malloc(size ? size : 1); // exact, so that ASan sees a read past the end
	if (!data || fread(data, 1, size, file) != size) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int n_files = 0;
	struct dirent *entry;
	DIR *corpus;

	if (argc != 2 || !(corpus = opendir(argv[1]))) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER (must exist)\n", argv[0]);
		return EXIT_FAILURE;
	}
	while ((entry = readdir(corpus))) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		if (replay_file(path))
			return EXIT_FAILURE;
		n_files++;
	}
	closedir(corpus);
	printf("%u inputs replayed\n", n_files);
	return n_files ? EXIT_SUCCESS : EXIT_FAILURE;
}
