// What is done outside of calls: who proves to be whom, REGISTER of users and of ours, OPTIONS to
// peers.
#pragma once

#include "call_private.h"

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
void register_keepalive(struct calls *calls);

// probe.c: OPTIONS to the targets of all trunks that want it. Returns NULL without memory.
struct probes *probes_start(struct calls *calls);
void probes_stop(struct probes *probes);
void probe_response(struct owner *owner, const struct sip_message *response);
void probe_failed(struct owner *owner);
void probe_closed(struct owner *owner);
