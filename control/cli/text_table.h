// A table of text for people: columns as wide as their widest cell, numbers to the right.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table;

// Columns are named by `heads`, NULL-terminated; one that begins with '>' is aligned to the right.
// Exits where memory runs out, as all of this header does.
struct table *table_create(const char *const *heads);
void table_destroy(struct table *table);

// Add a cell, from left to right, row by row. Control characters become '?': much of what is shown
// was written by strangers.
void table_put(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

// `none` is printed instead of a table without rows.
void table_print(const struct table *table, FILE *file, const char *none);

// Replace control characters in place, and cut an incomplete character off the end.
void text_clean(char *text);
