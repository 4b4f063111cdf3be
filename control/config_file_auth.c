// The part of the schema that is about proofs: ours for others, and theirs for us.
#include <stdlib.h>
#include <string.h>

#include "config_schema.h"

#define SECRET_MAX     256
#define ALGORITHMS_MAX 3

const cyaml_schema_field_t file_keys_fields[] = {
	TEXT("user", struct file_keys, user, SECRET_MAX),
	OPTIONAL_TEXT("password", struct file_keys, password, 1, SECRET_MAX),
	OPTIONAL_TEXT("password_file", struct file_keys, password_file, 1, TEXT_MAX_BYTES),
	OPTIONAL_TEXT("realm", struct file_keys, realm, 1, DOMAIN_MAX_BYTES),
	CYAML_FIELD_END,
};

const cyaml_schema_field_t file_registration_fields[] = {
	TEXT("user", struct file_registration, user, DOMAIN_MAX_BYTES),
	TEXT("domain", struct file_registration, domain, DOMAIN_MAX_BYTES),
	OPTIONAL_NUMBER("expires_s", struct file_registration, expires_s),
	CYAML_FIELD_BOOL("bulk", CYAML_FLAG_OPTIONAL, struct file_registration, bulk),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t algorithm_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, NAME_MAX_BYTES)};

static const cyaml_schema_field_t forward_fields[] = {
	TEXT("trunk", struct file_forward, trunk, NAME_MAX_BYTES),
	CYAML_FIELD_BOOL("path", CYAML_FLAG_OPTIONAL, struct file_forward, path),
	OPTIONAL_NUMBER("expires_s", struct file_forward, expires_s),
	OPTIONAL_NUMBER("nat_expires_s", struct file_forward, nat_expires_s),
	CYAML_FIELD_END,
};

const cyaml_schema_field_t file_users_fields[] = {
	TEXT("domain", struct file_users, domain, DOMAIN_MAX_BYTES),
	OPTIONAL_TEXT("file", struct file_users, file, 1, TEXT_MAX_BYTES),
	OPTIONAL_MAPPING("forward", struct file_users, forward, forward_fields),
	CYAML_FIELD_SEQUENCE("algorithms", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
		struct file_users, algorithms, &algorithm_schema, 1, ALGORITHMS_MAX),
	CYAML_FIELD_BOOL_PTR("register", CYAML_FLAG_OPTIONAL, struct file_users, registers),
	CYAML_FIELD_BOOL("redirect", CYAML_FLAG_OPTIONAL, struct file_users, redirect),
	OPTIONAL_NUMBER("expires_s", struct file_users, expires_s),
	OPTIONAL_NUMBER("expires_min_s", struct file_users, expires_min_s),
	OPTIONAL_NUMBER("expires_max_s", struct file_users, expires_max_s),
	OPTIONAL_NUMBER("contacts", struct file_users, contacts),
	OPTIONAL_NUMBER("keepalive_s", struct file_users, keepalive_s),
	OPTIONAL_NUMBER("ring_s", struct file_users, ring_s),
	CYAML_FIELD_END,
};

const cyaml_schema_field_t file_auth_fields[] = {
	OPTIONAL_TEXT("secret_file", struct file_auth, secret_file, 1, TEXT_MAX_BYTES),
	OPTIONAL_NUMBER("nonce_s", struct file_auth, nonce_s),
	OPTIONAL_NUMBER("failures", struct file_auth, failures),
	OPTIONAL_NUMBER("failures_s", struct file_auth, failures_s),
	OPTIONAL_NUMBER("ban_s", struct file_auth, ban_s),
	CYAML_FIELD_END,
};

static bool default_registers(struct file_users *users, bool value)
{
	if (users->registers)
		return true;
	users->registers = malloc(sizeof(*users->registers));
	if (users->registers)
		*users->registers = value;
	return users->registers;
}

bool default_users(struct file_trunk *trunk)
{
	// The strongest first, as they are offered (RFC 8760 2.4).
	static const char *const algorithms[] = {"SHA-256", "MD5"};
	struct file_users *users = trunk->users;

	if (trunk->registration && !default_number(&trunk->registration->expires_s, 3600))
		return false;
	if (users && users->forward &&
		(!default_number(&users->forward->expires_s, 3600) ||
			!default_number(&users->forward->nat_expires_s, 120)))
		return false;
	return !users || (DEFAULT_LIST(users->algorithms, users->algorithms_count, algorithms) &&
				 default_registers(users, !trunk->peers_count) &&
				 default_number(&users->expires_s, 3600) &&
				 default_number(&users->expires_min_s, 60) &&
				 default_number(&users->expires_max_s, 7200) &&
				 default_number(&users->contacts, 10) &&
				 default_number(&users->keepalive_s, 30) &&
				 default_number(&users->ring_s, 30));
}

bool default_auth(struct config_file *file)
{
	return default_mapping(&file->auth, sizeof(*file->auth)) &&
	       default_number(&file->auth->nonce_s, 300) &&
	       default_number(&file->auth->failures, 10) &&
	       default_number(&file->auth->failures_s, 60) &&
	       default_number(&file->auth->ban_s, 300);
}

void config_secrets_swap(struct config_file *file)
{
	static char placeholder[] = "hidden";

	for (uint32_t i = 0; i < file->trunks_count; i++) {
		struct file_keys *keys = file->trunks[i].auth;

		if (keys && keys->password) {
			char *shown = keys->password;

			keys->password = keys->hidden ? keys->hidden : placeholder;
			keys->hidden = keys->hidden ? NULL : shown;
		}
	}
}

void config_secrets_wipe(struct config_file *file)
{
	for (uint32_t i = 0; i < file->trunks_count; i++)
		if (file->trunks[i].auth && file->trunks[i].auth->password)
			explicit_bzero(file->trunks[i].auth->password,
				strlen(file->trunks[i].auth->password));
}
