// Cells are kept as text until all are known. Widths count characters, not bytes.
#include "text_table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct table {
	const char *const *heads;
	size_t n_columns, n_cells, room;
	size_t widths[TABLE_COLUMNS_MAX];
	char **cells;
};

static void *check(void *memory)
{
	if (!memory) {
		fputs("sluicectl: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return memory;
}

static bool is_right(const char *head)
{
	return head[0] == '>';
}

static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((uint8_t)*text & 0xc0) != 0x80;
	return width;
}

static void widen(struct table *table, size_t column, const char *text)
{
	size_t width = width_of(text);

	if (width > table->widths[column])
		table->widths[column] = width;
}

struct table *table_create(const char *const *heads)
{
	struct table *table = check(calloc(1, sizeof(*table)));

	table->heads = heads;
	while (heads[table->n_columns] && table->n_columns < TABLE_COLUMNS_MAX) {
		const char *head = heads[table->n_columns++];

		widen(table, table->n_columns - 1, head + is_right(head));
	}
	return table;
}

void table_destroy(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

// Bytes of the control character at `at`, 0: it is none. C1 has two in UTF-8 (0xc2 0x80 to 0x9f).
static size_t control_length(const char *at)
{
	uint8_t first = (uint8_t)at[0], second = first ? (uint8_t)at[1] : 0;

	if (first < ' ' || first == 0x7f)
		return 1;
	return first == 0xc2 && second >= 0x80 && second < 0xa0 ? 2 : 0;
}

static void drop_incomplete_end(char *text)
{
	size_t length = strlen(text), lead = length;

	while (lead > 0 && ((uint8_t)text[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead > 0 && (uint8_t)text[lead - 1] >= 0xc0) {
		uint8_t first = (uint8_t)text[lead - 1];
		size_t following = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;

		if (length - lead < following)
			text[lead - 1] = '\0';
	}
}

void text_clean(char *text)
{
	char *to = text;

	drop_incomplete_end(text);
	while (*text) {
		size_t length = control_length(text);

		*to++ = length ? '?' : *text;
		text += length ? length : 1;
	}
	*to = '\0';
}

void table_put(struct table *table, const char *format, ...)
{
	char *cell;
	va_list args;
	int n;

	va_start(args, format);
	n = vasprintf(&cell, format, args);
	va_end(args);
	check(n < 0 ? NULL : cell);
	text_clean(cell);
	if (table->n_cells == table->room) {
		table->room = table->room ? table->room * 2 : 64;
		table->cells =
			check(reallocarray(table->cells, table->room, sizeof(*table->cells)));
	}
	widen(table, table->n_cells % table->n_columns, cell);
	table->cells[table->n_cells++] = cell;
}

static void print_cell(
	const struct table *table, size_t column, const char *text, bool right, FILE *file)
{
	size_t padding = table->widths[column] - width_of(text);
	bool last = column + 1 == table->n_columns;

	if (right)
		fprintf(file, "%*s", (int)padding, "");
	fputs(text, file);
	if (last)
		fputc('\n', file);
	else
		fprintf(file, "%*s", (int)(right ? 0 : padding) + 2, "");
}

void table_print(const struct table *table, FILE *file, const char *none)
{
	if (!table->n_cells) {
		fprintf(file, "%s\n", none);
		return;
	}
	for (size_t i = 0; i < table->n_columns; i++)
		print_cell(table, i, table->heads[i] + is_right(table->heads[i]),
			is_right(table->heads[i]), file);
	for (size_t i = 0; i < table->n_cells; i++)
		print_cell(table, i % table->n_columns, table->cells[i],
			is_right(table->heads[i % table->n_columns]), file);
}
