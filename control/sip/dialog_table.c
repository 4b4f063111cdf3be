// Dialogs by Call-ID and both tags.
#include <errno.h>
#include <stdlib.h>

#include "dialog.h"
#include "siphash.h"
#include "token.h"

struct dialog_table {
	struct hash_table hash;
	struct siphash_key key;
};

static uint64_t hash_of(const struct dialog_table *table, struct slice call_id,
	struct slice local_tag, struct slice remote_tag)
{
	struct slice parts[] = {call_id, local_tag, remote_tag};

	return siphash(&table->key, parts, sizeof(parts) / sizeof(parts[0]));
}

struct dialog_table *dialog_table_create(void)
{
	struct dialog_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	if (hash_table_init(&table->hash, 1024)) {
		free(table);
		return NULL;
	}
	token_random(&table->key, sizeof(table->key));
	return table;
}

void dialog_table_destroy(struct dialog_table *table)
{
	if (!table)
		return;
	hash_table_fini(&table->hash);
	free(table);
}

int dialog_table_add(struct dialog_table *table, struct dialog *dialog)
{
	const struct slice *strings = dialog->strings;

	if (dialog_find_ids(table, strings[DIALOG_CALL_ID], strings[DIALOG_LOCAL_TAG],
		    strings[DIALOG_REMOTE_TAG]))
		return -EEXIST;
	hash_add(&table->hash, &dialog->node,
		hash_of(table, strings[DIALOG_CALL_ID], strings[DIALOG_LOCAL_TAG],
			strings[DIALOG_REMOTE_TAG]));
	dialog->table = table;
	return 0;
}

void dialog_table_remove(struct dialog *dialog)
{
	if (!dialog->table)
		return;
	hash_remove(&dialog->table->hash, &dialog->node);
	dialog->table = NULL;
}

void dialog_move(struct dialog *to, struct dialog *from)
{
	struct dialog_table *table = from->table;
	uint64_t hash = from->node.hash;

	dialog_table_remove(from);
	*to = *from;
	*from = (struct dialog){.state = DIALOG_TERMINATED};
	if (!table)
		return;
	hash_add(&table->hash, &to->node, hash);
	to->table = table;
}

struct dialog *dialog_find_ids(const struct dialog_table *table, struct slice call_id,
	struct slice local_tag, struct slice remote_tag)
{
	struct hash_node *node =
		hash_first(&table->hash, hash_of(table, call_id, local_tag, remote_tag));

	for (; node; node = hash_next(node)) {
		struct dialog *dialog = container_of(node, struct dialog, node);

		if (slice_equal(dialog->strings[DIALOG_CALL_ID], call_id) &&
			slice_equal(dialog->strings[DIALOG_LOCAL_TAG], local_tag) &&
			slice_equal(dialog->strings[DIALOG_REMOTE_TAG], remote_tag))
			return dialog;
	}
	return NULL;
}

struct dialog *dialog_find(const struct dialog_table *table, const struct sip_message *m)
{
	if (message_is_request(m))
		return dialog_find_ids(table, m->call_id, m->to_tag, m->from_tag);
	return dialog_find_ids(table, m->call_id, m->from_tag, m->to_tag);
}
