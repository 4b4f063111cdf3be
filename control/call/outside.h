// What is done outside of calls: who proves to be whom, REGISTER of users and of ours, OPTIONS to
// peers.
#pragma once

#include "call_private.h"
#include "forward.h"

// registration.c: with all trunks that want one. Returns NULL without memory.
struct registrations;
struct registrations *registrations_start(struct calls *calls);
// Another configuration: those that it has as well go on. Returns 0 or -ENOMEM.
int registrations_follow(struct calls *calls);
// Take them back, as far as that can be done; _are_ending: until the answers are there.
void registrations_end(struct registrations *registrations);
bool registrations_are_ending(const struct registrations *registrations);
void registrations_stop(struct registrations *registrations);
void registration_response(struct owner *owner, const struct sip_message *response);
void registration_failed(struct owner *owner);
void registration_closed(struct owner *owner);
const struct trunk *registration_trunk(const struct owner *owner);
// The trunk that was told to send calls to this user of ours, or NULL.
struct trunk *registrations_match(
	const struct registrations *registrations, const struct realm *realm, struct slice user);
// The Service-Route of a trunk, absent without one.
struct slice registrations_route(
	const struct registrations *registrations, const struct trunk *trunk);

// proof.c
// The trunk that a request outside of dialogs belongs to: that of its source, else that of
// registered users. NULL: none.
struct trunk *trunk_of_request(const struct calls *calls, const struct sip_message *request);
// Whether the sender has proved who it is, where its trunk wants that; else the request is
// answered. `user` is who it is, absent where nobody asked.
bool proof_check(struct calls *calls, const struct trunk *trunk, struct transaction *transaction,
	const struct sip_message *request, bool is_proxy, struct slice *user);
// As struct stack_user has them.
// What was no proof counts: who fails too often is not heard.
void proof_failed(struct calls *calls, const struct trunk *trunk, const struct sip_message *request,
	struct slice user);
const struct digest_keys *proof_keys(
	void *calls, struct transaction *transaction, const struct sip_message *response);
uint32_t proof_next_cseq(void *calls, const struct sip_message *response);
// What a request from where nobody is known is answered, whatever it asks for; 0: he is known.
unsigned int stranger_answer(const struct calls *calls, const struct sip_message *request);
bool proof_accepts(
	struct calls *calls, const struct listener *listener, const struct sockaddr *source);
int proof_open(struct calls *calls);
void proof_close(struct calls *calls);

// register.c
void register_take(
	struct calls *calls, struct transaction *transaction, const struct sip_message *request);
int register_open(struct calls *calls);

// register_forward.c: a REGISTER of users whose registrar is behind a trunk.
void register_forward_take(struct calls *calls, const struct trunk *users,
	const struct registrar_rules *rules, struct transaction *transaction);
void register_forward_response(struct owner *owner, const struct sip_message *response);
void register_forward_failed(struct owner *owner, unsigned int status);
void register_forward_closed(struct owner *owner, const struct transaction *transaction);
// Whether a request came by the flow of a user who has registered that way, and of whom.
bool register_forward_knows(struct calls *calls, const struct trunk *users,
	const struct sip_message *request, struct slice *user);
// The Service-Route of the caller. Returns 0 or -ENOMEM.
int register_forward_route_keep(
	struct call *call, const struct trunk *users, const struct sip_message *invite);
// Whether a request from that trunk is for what we have registered with it for a user: then
// `status` is 0, with number and route of the user, or 480.
bool register_forward_callee(const struct calls *calls, const struct trunk *from,
	const struct sip_message *request, struct number *number, struct route_target *route,
	unsigned int *status);
// That user's binding, NULL where it is gone.
const struct binding *register_forward_binding(
	const struct calls *calls, const struct sip_message *request);
void register_keepalive(struct calls *calls);

// probe.c: OPTIONS to the targets of all trunks that want it. Returns NULL without memory.
struct probes *probes_start(struct calls *calls);
void probes_stop(struct probes *probes);
void probe_response(struct owner *owner, const struct sip_message *response);
void probe_failed(struct owner *owner);
void probe_closed(struct owner *owner);
