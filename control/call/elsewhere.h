// Any node of a cluster takes any message, and the one whose shard it is about deals with it.
//
// Tags and branches of ours bear the shard that they are of (token.h). A request with such a To
// tag, and a response with such a branch, that comes to an address of ours and is of another node's
// shard goes to that node in one hop, with where it came from. There it is as if it had come to the
// same listener, which every node has and only one has bound; what is sent by it goes back the same
// way. So connections stay where they are, and far ends behind NAT hear from whom they spoke to.
//
// A CANCEL has neither tag nor branch of ours, and the INVITE that it is for was taken by whichever
// node it came to. So where the INVITE is not here all nodes that are heard are asked, once; who
// does not have it is silent. (To hash the Call-ID would save that, and cost a hop for most
// INVITEs.)
//
// What came from another node never leaves for a third.
#pragma once

#include "call_private.h"
#include "location.h"

struct exchange;

// As struct stack_user has them.
bool elsewhere_take(void *calls, const struct sip_message *message, bool is_lost);
void elsewhere_failed(void *calls, const struct sip_message *message, int error);
void elsewhere_send(void *calls, const struct flow *flow, struct slice message);

// The shards that are ours, or listeners, have changed.
void elsewhere_marks_set(struct calls *calls);
// shared_bindings.c: what a binding is to other nodes, and what theirs are here.
struct exchange_message;
void shared_binding_changed(
	void *calls, struct slice aor, const struct binding *binding, bool is_gone);
void shared_binding_take(struct calls *calls, const struct exchange_message *message);
// Anything may be in `payload`, which the values point into. 0 or -EBADMSG.
int shared_binding_read(struct slice payload, struct slice *aor, struct binding_values *values);
int shared_bindings_open(struct calls *calls);
void shared_bindings_close(struct calls *calls);

// A tag for a dialog of the call.
void call_token_make(const struct call *call, char out[TOKEN_SIZE]);
