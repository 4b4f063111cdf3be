// What is known of a leg for its CDR when its INVITE comes or goes; facts.c.
#pragma once

#include "dialog.h"

// Members of a JSON object, malloced; NULL: no memory, or too long for anybody.
char *facts_of_invite(const struct sip_message *invite);
// `message` is what was written; `uri` its Request-URI, `host` that of its To.
char *facts_of_sent(const struct flow *flow, struct slice host,
	const struct dialog_request *request, struct slice uri, struct slice message);
