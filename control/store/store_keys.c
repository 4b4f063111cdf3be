// Reading, holding and wiping cluster keys.
#include "store_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "store_keys_private.h"

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *parse_key(const char *hex, uint8_t *key)
{
	size_t i;

	for (i = 0; i < STORE_KEY_BYTES; i++) {
		int high = nibble(hex[2 * i]), low = high < 0 ? -1 : nibble(hex[2 * i + 1]);

		if (low < 0)
			return "a key is 64 hexadecimal digits";
		key[i] = (uint8_t)(high << 4 | low);
	}
	return hex[2 * i + strspn(hex + 2 * i, " \t\r\n")] ? "more than a key" : NULL;
}

// NULL, or what is wrong with the line.
static const char *parse_line(struct store_keys *keys, char *line)
{
	char *end, *at = line + strspn(line, " \t\r\n");
	struct cluster_key *key = &keys->keys[keys->n_keys];
	unsigned long id;
	size_t i;

	if (!*at || *at == '#')
		return NULL;
	if (keys->n_keys == STORE_KEYS_MAX)
		return "too many keys (8)";
	errno = 0;
	id = strtoul(at, &end, 10);
	if (end == at || errno || !id || id > UINT32_MAX || (*end != ' ' && *end != '\t'))
		return "expected: number of the key (1 to 4294967295), blank, 64 hexadecimal digits";
	for (i = 0; i < keys->n_keys; i++)
		if (keys->keys[i].id == id)
			return "the number is taken";
	key->id = (uint32_t)id;
	keys->n_keys++;
	return parse_key(end + strspn(end, " \t"), key->bytes);
}

static int read_keys(
	struct store_keys *keys, FILE *file, const char *path, char *error, size_t size)
{
	const char *wrong = NULL;
	struct stat status;
	char line[256];
	int n = 0;

	if (fstat(fileno(file), &status) || status.st_mode & 077) {
		snprintf(error, size, "%s: others may read it; expected: chmod 600", path);
		return -EACCES;
	}
	setvbuf(file, NULL, _IONBF, 0); // no copy in a buffer that nobody wipes
	while (!wrong && fgets(line, sizeof(line), file)) {
		n++;
		wrong = parse_line(keys, line);
	}
	OPENSSL_cleanse(line, sizeof(line));
	if (!wrong && !keys->n_keys)
		wrong = "no key";
	if (!wrong)
		return 0;
	snprintf(error, size, "%s:%d: %s", path, n, wrong);
	return -EINVAL;
}

struct store_keys *store_keys_load(const char *path, char *error, size_t error_size)
{
	struct store_keys *keys = calloc(1, sizeof(*keys));
	FILE *file = keys ? fopen(path, "re") : NULL;
	int result;

	if (!file) {
		result = -errno;
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
	} else {
		result = read_keys(keys, file, path, error, error_size);
		fclose(file);
	}
	if (!result && RAND_bytes(keys->salt, sizeof(keys->salt)) != 1) {
		snprintf(error, error_size, "no random numbers");
		result = -EIO;
	}
	if (!result)
		return keys;
	store_keys_destroy(keys);
	errno = -result;
	return NULL;
}

void store_keys_destroy(struct store_keys *keys)
{
	size_t i;

	if (!keys)
		return;
	EVP_CIPHER_CTX_free(keys->sealing);
	for (i = 0; i < OPENED_MAX; i++)
		EVP_CIPHER_CTX_free(keys->opened[i].cipher);
	OPENSSL_cleanse(keys, sizeof(*keys));
	free(keys);
}

size_t store_keys_count(const struct store_keys *keys)
{
	return keys->n_keys;
}

uint32_t store_keys_sealing_id(const struct store_keys *keys)
{
	return keys->keys[0].id;
}
