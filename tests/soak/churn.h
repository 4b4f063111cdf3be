// Sessions that come, change and go: set, moved (re-INVITE), held and resumed, rekeyed, another
// source, a codec put between and taken out, deleted. What is wanted of each is set whole, as
// control does.
#pragma once

#include "sl_client.h"

struct churn_totals {
	uint64_t created;
	uint64_t moved;
	uint64_t held;
	uint64_t rekeyed;
	uint64_t sources;
	uint64_t codecs;
	uint64_t deleted;
	uint64_t refused; // answers that say no: none should
	int refusal;	  // errno of the first
};

extern struct churn_totals churn_totals;

// A session of two legs of PCMU whose far ends are those of kind `end` and the next.
struct sl_session churn_describe(unsigned int id, unsigned int end, unsigned int i, bool moved);

void churn_start(struct sl_client *client, unsigned int n_slots);
void churn_step(void);				     // something happens to one of them
bool churn_answer(const struct sl_message *message); // false: it is for nobody here
bool churn_send(void);				     // one packet of one of them
bool churn_end(void);				     // delete all; call again until it returns true
