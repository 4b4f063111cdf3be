// The users of a domain: a hash table that is filled once.
#include "users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "chars.h"
#include "hash.h"
#include "siphash.h"
#include "token.h"
#include "yaml_file.h"

#define USERS_MAX   1000000
#define SECRET_MAX  256
#define HA1_SIZE    (DIGEST_HEX_SIZE + 1)
#define WHERE_SIZE  64
#define TABLE_START 64

// The file as it is written.
struct file_user {
	char *user, *password;
	char *ha1[DIGEST_ALGORITHMS];
};

struct file_users {
	struct file_user *users;
	uint32_t users_count;
};

#define TEXT(key, field, flags, max) \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), struct file_user, field, 1, max)

static const cyaml_schema_field_t user_fields[] = {
	TEXT("user", user, 0, USER_NAME_MAX),
	TEXT("password", password, CYAML_FLAG_OPTIONAL, SECRET_MAX),
	TEXT("ha1_md5", ha1[DIGEST_MD5], CYAML_FLAG_OPTIONAL, DIGEST_HEX_SIZE),
	TEXT("ha1_sha256", ha1[DIGEST_SHA256], CYAML_FLAG_OPTIONAL, DIGEST_HEX_SIZE),
	TEXT("ha1_sha512_256", ha1[DIGEST_SHA512_256], CYAML_FLAG_OPTIONAL, DIGEST_HEX_SIZE),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t user_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_user, user_fields)};
static const cyaml_schema_field_t file_fields[] = {
	CYAML_FIELD_SEQUENCE(
		"users", CYAML_FLAG_POINTER, struct file_users, users, &user_schema, 0, USERS_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file_users, file_fields)};

struct user {
	struct hash_node node;
	char name[USER_NAME_MAX + 1];
	char ha1[DIGEST_ALGORITHMS][HA1_SIZE]; // "": none
};

struct users {
	struct hash_table table;
	struct siphash_key key;
};

static uint64_t name_hash(const struct users *users, struct slice name)
{
	return siphash(&users->key, &name, 1);
}

static struct user *find(const struct users *users, struct slice name)
{
	struct hash_node *node = hash_first(&users->table, name_hash(users, name));

	for (; node; node = hash_next(node)) {
		struct user *user = container_of(node, struct user, node);

		if (slice_equal(slice_of(user->name), name))
			return user;
	}
	return NULL;
}

// What a file is read with.
struct reading {
	struct users *users;
	const char *name, *text;
	size_t length;
	const char *domain;
	unsigned int algorithms;
	char *error;
	size_t error_size;
};

static int refuse(const struct reading *reading, unsigned int number, const char *why)
{
	char where[WHERE_SIZE];

	snprintf(where, sizeof(where), "users[%u]", number);
	snprintf(reading->error, reading->error_size, "%s:%d: %s: %s", reading->name,
		yaml_text_line(reading->text, reading->length, where), where, why);
	return -EINVAL;
}

static bool name_is_fit(struct slice name)
{
	return chars_are(name, CHAR_USER) && !memchr(name.p, '%', name.n);
}

// Returns what is wrong, or NULL.
static const char *ha1_take(const struct reading *reading, const struct file_user *from,
	enum digest_algorithm algorithm, char out[HA1_SIZE])
{
	const char *given = from->ha1[algorithm];

	if (given) {
		if (strlen(given) != digest_hex_length(algorithm) ||
			!chars_are(slice_of(given), CHAR_HEX))
			return "expected the hexadecimal digits of a hash of that algorithm";
		for (size_t i = 0; given[i]; i++)
			out[i] = (char)(given[i] | 0x20);
		return NULL;
	}
	if (!from->password)
		return reading->algorithms & 1u << algorithm
			       ? "expected password, or ha1_ of each algorithm that is offered"
			       : NULL;
	return digest_ha1(algorithm, slice_of(from->user), slice_of(reading->domain),
		       slice_of(from->password), out) < 0
		       ? "this machine's OpenSSL does not allow an algorithm that is offered"
		       : NULL;
}

static int user_add(
	const struct reading *reading, const struct file_user *from, unsigned int number)
{
	struct slice name = slice_of(from->user);
	const char *wrong = NULL;
	struct user *user;

	if (!name_is_fit(name))
		return refuse(reading, number, "expected a name as the user part of a SIP URI");
	if (find(reading->users, name))
		return refuse(reading, number, "this user is there already");
	user = calloc(1, sizeof(*user));
	if (!user)
		return -ENOMEM;
	memcpy(user->name, name.p, name.n);
	for (unsigned int i = 0; !wrong && i < DIGEST_ALGORITHMS; i++)
		wrong = ha1_take(reading, from, (enum digest_algorithm)i, user->ha1[i]);
	hash_add(&reading->users->table, &user->node, name_hash(reading->users, name));
	return wrong ? refuse(reading, number, wrong) : 0;
}

static void secrets_wipe(struct file_users *file)
{
	for (uint32_t i = 0; i < file->users_count; i++) {
		struct file_user *user = &file->users[i];

		if (user->password)
			explicit_bzero(user->password, strlen(user->password));
		for (int j = 0; j < DIGEST_ALGORITHMS; j++)
			if (user->ha1[j])
				explicit_bzero(user->ha1[j], strlen(user->ha1[j]));
	}
}

static int users_read(const struct reading *reading)
{
	struct file_users *file;
	void *loaded;
	int rc = yaml_text_load(reading->name, reading->text, reading->length, &schema, &loaded,
		reading->error, reading->error_size);

	if (rc)
		return rc;
	file = loaded;
	for (uint32_t i = 0; !rc && i < file->users_count; i++)
		rc = user_add(reading, &file->users[i], i + 1);
	if (rc == -ENOMEM)
		snprintf(reading->error, reading->error_size, "%s: out of memory", reading->name);
	secrets_wipe(file);
	yaml_file_free(&schema, file);
	return rc;
}

struct users *users_load_text(const char *name, const char *text, size_t length, const char *domain,
	unsigned int algorithms, char *error, size_t error_size)
{
	struct users *users = calloc(1, sizeof(*users));
	const struct reading reading = {
		users, name, text, length, domain, algorithms, error, error_size};
	int rc;

	snprintf(error, error_size, "%s: out of memory", name);
	if (!users || hash_table_init(&users->table, TABLE_START)) {
		free(users);
		errno = ENOMEM;
		return NULL;
	}
	token_random(&users->key, sizeof(users->key));
	rc = users_read(&reading);
	if (rc) {
		users_destroy(users);
		errno = -rc;
		return NULL;
	}
	return users;
}

struct users *users_load(const char *path, const char *domain, unsigned int algorithms, char *error,
	size_t error_size)
{
	struct users *users;
	size_t length;
	char *text = yaml_file_read(path, &length, error, error_size);

	if (!text)
		return NULL;
	users = users_load_text(path, text, length, domain, algorithms, error, error_size);
	explicit_bzero(text, length);
	free(text);
	return users;
}

void users_destroy(struct users *users)
{
	struct hash_node *node;

	if (!users)
		return;
	while ((node = hash_any(&users->table))) {
		struct user *user = container_of(node, struct user, node);

		hash_remove(&users->table, node);
		explicit_bzero(user, sizeof(*user));
		free(user);
	}
	hash_table_fini(&users->table);
	free(users);
}

size_t users_n(const struct users *users)
{
	return users->table.n;
}

bool users_has(const struct users *users, struct slice name)
{
	return find(users, name) != NULL;
}

struct slice users_ha1(void *arg, struct slice name, enum digest_algorithm algorithm)
{
	const struct user *user = find(arg, name);

	return user && user->ha1[algorithm][0] ? slice_of(user->ha1[algorithm]) : (struct slice){0};
}
