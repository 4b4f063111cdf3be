// Proofs in the configuration: what we show to trunks that ask, who must show us one, and how we
// ask. The files are read here; what they hold goes into no message and no print.
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chars.h"
#include "config_check.h"
#include "config_file.h"
#include "config_private.h"
#include "uri.h"
#include "users.h"
#include "yaml_file.h"

#define SECRET_LENGTH_MIN 32
#define SECONDS_MAX	  (7 * 86400)
#define FAILURES_MAX	  10000

static void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

int config_check_secret_file(const struct check *check, const char *where, const char *path)
{
	struct stat status;

	if (check_path(check, where, path))
		return -EINVAL;
	if (stat(path, &status) || access(path, R_OK))
		return check_failed(check, where, "'%s' cannot be read: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return check_failed(check, where, "'%s' is not a file", path);
	if (status.st_mode & S_IRWXO)
		return check_failed(check, where,
			"'%s' is open to every user of this host: take that away (chmod o=)", path);
	return 0;
}

// The bytes of such a file, without a NUL behind them; NULL with the error written.
static char *read_secret_file(
	const struct check *check, const char *where, const char *path, size_t *length)
{
	char error[256], *text;

	if (config_check_secret_file(check, where, path))
		return NULL;
	text = yaml_file_read(path, length, error, sizeof(error));
	if (!text)
		check_failed(check, where, "%s", error);
	return text;
}

int config_read_password(
	const struct check *check, const char *where, const char *path, const char **out)
{
	size_t length, n = 0;
	char *text = read_secret_file(check, where, path, &length), *line;

	if (!text)
		return -EINVAL;
	while (n < length && text[n] && text[n] != '\r' && text[n] != '\n')
		n++;
	line = strndup(text, n);
	explicit_bzero(text, length);
	free(text);
	*out = line;
	if (!line)
		return check_memory(check);
	return n ? 0
		 : check_failed(check, where, "'%s': expected a password in its first line", path);
}

// Quotes and escapes would have to be told from those of the header.
static bool is_quotable(const char *text)
{
	return !strpbrk(text, "\"\\");
}

static int read_keys(const struct check *check, const struct file_keys *from, unsigned int number,
	struct digest_keys *keys)
{
	char where[CHECK_WHERE_SIZE], place[CHECK_WHERE_SIZE];
	char *copy;

	check_where(where, "trunks[%u].auth", number);
	if (!is_quotable(from->user) || (from->realm && !is_quotable(from->realm)))
		return check_failed(check, where, "expected no quotes and backslashes");
	if (!from->password == !from->password_file)
		return check_failed(check, where, "expected password, or password_file");
	keys->realm = from->realm;
	if (from->password_file &&
		config_read_password(check, check_where(place, "%.80s.password_file", where),
			from->password_file, &keys->password))
		return -EINVAL;
	if (from->password) {
		copy = strdup(from->password);
		if (!copy)
			return check_memory(check);
		keys->password = copy;
	}
	keys->user = from->user;
	return 0;
}

static int read_algorithms(const struct check *check, const struct file_users *from,
	unsigned int number, struct trunk_users *users)
{
	char where[CHECK_WHERE_SIZE];

	for (uint32_t i = 0; i < from->algorithms_count; i++) {
		enum digest_algorithm algorithm;

		check_where(where, "trunks[%u].users.algorithms[%u]", number, i + 1);
		if (digest_algorithm_find(slice_of(from->algorithms[i]), &algorithm))
			return check_failed(check, where,
				"expected MD5, SHA-256 or SHA-512-256, not '%s'",
				from->algorithms[i]);
		users->algorithms |= 1u << algorithm;
	}
	return 0;
}

static int read_users_limits(const struct check *check, const struct file_users *from,
	unsigned int number, struct trunk_users *users)
{
	const struct {
		const char *field;
		uint32_t value, least, most;
		uint32_t *to;
	} limits[] = {
		{"expires_min_s", *from->expires_min_s, 1, SECONDS_MAX, &users->expires_min_s},
		{"expires_max_s", *from->expires_max_s, *from->expires_min_s, SECONDS_MAX,
			&users->expires_max_s},
		{"expires_s", *from->expires_s, *from->expires_min_s, *from->expires_max_s,
			&users->expires_s},
		{"contacts", *from->contacts, 1, 100, &users->contacts},
		{"ring_s", *from->ring_s, 0, 3600, &users->ring_s},
		{"keepalive_s", *from->keepalive_s, 0, 3600, &users->keepalive_s},
	};
	char where[CHECK_WHERE_SIZE];
	int rc = 0;

	for (size_t i = 0; !rc && i < sizeof(limits) / sizeof(limits[0]); i++) {
		check_where(where, "trunks[%u].users.%s", number, limits[i].field);
		rc = check_range(check, where, limits[i].value, limits[i].least, limits[i].most);
		*limits[i].to = limits[i].value;
	}
	return rc;
}

static int read_users_file(
	const struct check *check, const char *path, unsigned int number, struct trunk_users *users)
{
	char where[CHECK_WHERE_SIZE], error[256];

	check_where(where, "trunks[%u].users.file", number);
	if (config_check_secret_file(check, where, path))
		return -EINVAL;
	users->users = users_load(path, users->domain, users->algorithms, error, sizeof(error));
	return users->users ? 0 : check_failed(check, where, "%s", error);
}

// Its trunk may come behind this one: config_read_forwards() finds it.
static int read_forward(const struct check *check, const struct file_forward *from,
	unsigned int number, struct trunk_users *users)
{
	char where[CHECK_WHERE_SIZE];
	int rc;

	users->forward = (struct trunk_forward){.path = from->path,
		.expires_s = *from->expires_s,
		.nat_expires_s = *from->nat_expires_s};
	check_where(where, "trunks[%u].users.forward.expires_s", number);
	rc = check_range(check, where, *from->expires_s, users->expires_min_s, SECONDS_MAX);
	check_where(where, "trunks[%u].users.forward.nat_expires_s", number);
	return rc ? rc : check_range(check, where, *from->nat_expires_s, 1, SECONDS_MAX);
}

int config_read_forwards(const struct check *check, struct config *config)
{
	char where[CHECK_WHERE_SIZE];

	for (size_t i = 0; i < config->trunks.n; i++) {
		const struct file_users *file = config->file->trunks[i].users;
		struct trunk *trunk = &config->trunks.list[i], *to;

		if (!file || !file->forward)
			continue;
		check_where(where, "trunks[%zu].users.forward.trunk", i + 1);
		to = trunk_find(&config->trunks, file->forward->trunk);
		if (!to)
			return check_failed(
				check, where, "there is no trunk '%s'", file->forward->trunk);
		if (!to->n_peers || to == trunk)
			return check_failed(check, where,
				"expected a trunk with peers, which '%s' is not",
				file->forward->trunk);
		trunk->users->forward.to = to;
	}
	return 0;
}

static int read_users(const struct check *check, const struct file_trunk *from, unsigned int number,
	struct trunk *trunk)
{
	const struct file_users *file = from->users;
	char where[CHECK_WHERE_SIZE];
	struct trunk_users *users = calloc(1, sizeof(*users));

	if (!users)
		return check_memory(check);
	trunk->users = users;
	users->domain = file->domain;
	users->registers = *file->registers;
	users->redirect = file->redirect;
	check_where(where, "trunks[%u].users.domain", number);
	if (!uri_host_valid(slice_of(file->domain), false) ||
		strpbrk(file->domain, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
		return check_failed(
			check, where, "expected a domain in lower case, not '%s'", file->domain);
	if (!users->registers && !from->peers_count)
		return check_failed(check, check_where(where, "trunks[%u].users.register", number),
			"expected peers, or register: true");
	if (read_algorithms(check, file, number, users) ||
		read_users_limits(check, file, number, users))
		return -EINVAL;
	check_where(where, "trunks[%u].users", number);
	if (!file->file == !file->forward)
		return check_failed(check, where, "expected file, or forward");
	if (file->forward)
		return read_forward(check, file->forward, number, users);
	return read_users_file(check, file->file, number, users);
}

static int read_registration(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk)
{
	const struct file_registration *file = from->registration;
	char where[CHECK_WHERE_SIZE], place[CHECK_WHERE_SIZE];

	check_where(where, "trunks[%u].register", number);
	if (!from->peers_count)
		return check_failed(check, where, "expected peers to register with");
	if (!chars_are(slice_of(file->user), CHAR_USER))
		return check_failed(check, check_where(place, "%.80s.user", where),
			"expected the user part of a SIP URI, not '%s'", file->user);
	if (!uri_host_valid(slice_of(file->domain), false))
		return check_failed(check, check_where(place, "%.80s.domain", where),
			"expected a domain, not '%s'", file->domain);
	trunk->registration = (struct trunk_registration){.user = file->user,
		.domain = file->domain,
		.expires_s = *file->expires_s,
		.bulk = file->bulk};
	return check_range(check, check_where(place, "%.80s.expires_s", where), *file->expires_s,
		30, SECONDS_MAX);
}

int config_read_trunk_auth(const struct check *check, const struct file_trunk *from,
	unsigned int number, struct trunk *trunk)
{
	char where[CHECK_WHERE_SIZE];
	int rc = 0;

	if (!from->peers_count && !from->users)
		return check_failed(check, check_where(where, "trunks[%u]", number),
			"expected peers, or users");
	if (from->auth)
		rc = read_keys(check, from->auth, number, &trunk->auth);
	if (!rc && from->registration)
		rc = read_registration(check, from, number, trunk);
	return rc || !from->users ? rc : read_users(check, from, number, trunk);
}

// The secret is what the file's bytes hash to.
static int read_secret(const struct check *check, const char *path, struct config_auth *auth)
{
	static const char where[] = "auth.secret_file";
	size_t length;
	char *text = read_secret_file(check, where, path, &length);
	bool ok;

	if (!text)
		return -EINVAL;
	ok = length >= SECRET_LENGTH_MIN &&
	     EVP_Digest(text, length, auth->secret, NULL, EVP_sha256(), NULL);
	explicit_bzero(text, length);
	free(text);
	auth->has_secret = ok;
	return ok ? 0
		  : check_failed(check, where, "'%s': expected %d random bytes or more", path,
			    SECRET_LENGTH_MIN);
}

int config_read_auth(const struct check *check, struct config *config)
{
	const struct file_auth *from = config->file->auth;
	struct config_auth *auth = &config->auth;
	int rc = check_range(check, "auth.nonce_s", *from->nonce_s, 10, SECONDS_MAX);

	auth->nonce_s = *from->nonce_s;
	auth->failures = *from->failures;
	auth->failures_s = *from->failures_s;
	auth->ban_s = *from->ban_s;
	if (!rc)
		rc = check_range(check, "auth.failures", auth->failures, 0, FAILURES_MAX);
	if (!rc)
		rc = check_range(check, "auth.failures_s", auth->failures_s, 1, SECONDS_MAX);
	if (!rc)
		rc = check_range(check, "auth.ban_s", auth->ban_s, 1, SECONDS_MAX);
	return rc || !from->secret_file ? rc : read_secret(check, from->secret_file, auth);
}

void config_auth_free(struct config *config)
{
	for (size_t i = 0; i < config->trunks.n; i++) {
		struct trunk *trunk = &config->trunks.list[i];

		secret_free((char *)trunk->auth.password);
		if (trunk->users)
			users_destroy(trunk->users->users);
		free(trunk->users);
	}
	explicit_bzero(config->auth.secret, sizeof(config->auth.secret));
}
