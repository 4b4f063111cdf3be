// A golden runner renders each case file of a folder from what it says and what came out of the
// code; a case passes where that is the file itself, byte for byte.
#pragma once

#include <stddef.h>

#define GOLDEN_TEXT_MAX 65536

struct golden_text {
	char data[GOLDEN_TEXT_MAX];
	size_t length;
};

void golden_put(struct golden_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

// The case itself is at fault: say so and exit.
void golden_die(const char *what, const char *detail) __attribute__((noreturn));

// The next line of *at without its line end, which becomes a NUL; NULL at the end.
char *golden_line(char **at);

// argv: [--update] FOLDER. Every file of the folder that ends in `suffix` goes through `render`,
// which may write to `text`. Reports in TAP, one line a case. With --update the files are rewritten
// with what came out: read the difference before committing it.
int golden_main(int argc, char **argv, const char *suffix,
	void (*render)(char *text, struct golden_text *out));
