// What the files of the registrar share: one REGISTER, understood.
#pragma once

#include "builder.h"
#include "registrar.h"
#include "registrar_log.h"

enum {
	REQUEST_CONTACTS_MAX = 100,
	REQUEST_PATH_SIZE = 1024,
	REGISTRAR_LOG_TEXT_SIZE = 256,
};

struct registrar {
	struct registrar_settings settings;
	struct location *location;
	struct registrar_counters counters;
	struct event *timer;
	uint32_t keepalive_s, turn;
};

// What one REGISTER says. Its slices are of the transaction's request and of `path`.
struct request {
	const struct sip_message *message;
	const struct registrar_rules *rules;
	struct transaction *transaction;
	uint64_t now_ms;
	struct slice aor;
	bool has_outbound, has_gruu;
	bool removes_all;
	struct binding_values wishes[REQUEST_CONTACTS_MAX];
	size_t n;
	char path[REQUEST_PATH_SIZE];
	char aor_text[AOR_SIZE];
};

uint64_t registrar_now_ms(void); // time of day

// `user`: who may speak for himself (10.3 step 4); absent: whom the To names, who has proved
// nothing yet. `status` becomes 0 or the status to refuse with. Free it with free(). NULL: no
// memory, and the request is answered.
struct request *request_open(const struct registrar_rules *rules, struct transaction *transaction,
	struct slice user, unsigned int *status);
// Bind or remove. Returns 0 or a SIP status.
unsigned int request_bind(struct registrar *registrar, const struct request *request);
// 200 with all bindings; `extra` is whole header lines, or absent.
void request_accept(struct registrar *registrar, const struct request *request, struct slice extra);
void request_refuse(
	struct registrar *registrar, const struct request *request, unsigned int status);
