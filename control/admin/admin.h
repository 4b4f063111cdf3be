// The admin socket of sluice-control: what sluicectl talks to.
//
// A unix stream socket (mode 0600; the peer's uid must be ours or root's). A request is one line, a
// JSON object with "command" and its arguments; the answer is one line too, and comes before the
// next request of that connection is looked at:
//
//   {"command":"call","id":"01JD..."}          {"ok":true,"result":{...}}
//   {"command":"hangup","id":"x"}              {"ok":false,"error":"there is no call x"}
//
//   command    arguments       result
//   status                     node, version, uptime, the dataplane's connection, call counters
//   calls                      array of calls, as call_describe()'s summary
//   call       id              the call in detail, with "session" from the dataplane or null
//   sessions                   array of the dataplane's sessions, with counters of each leg
//   session    id              one of them
//   counters                   object: name to value, the dataplane's and ours ("call.")
//   ports                      those of the NICs ("port.")
//   drops                      those that say why packets were dropped ("drop.")
//   registrations              array of ours with trunks
//   bindings                   array of registered users' contacts
//   cluster                    nodes, shards, store: cluster_show.h
//   trunks                     array of trunks with their load
//   trace      id              array of SIP messages of a call, which may be over, or of a Call-ID;
//   messages   id              the same
//   reload                     object: "needs_restart", what waits for one; refused with what is
//                              wrong
//   drain      leave,          {}: no new calls are taken; booleans, may be absent: the process
//              hand_over       ends once it is empty; its calls go to other nodes
//   undrain                    {}: they are taken again
//   hangup     id              {}: the call is being ended
//   log        module, level   {}: "*" is all modules
//
// Everything runs on the event loop of the rest and never blocks it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "log.h"
#include "trunk.h"

#define ADMIN_RELOAD_SIZE 512

struct admin;
struct calls;
struct cluster;
struct event_base;
struct guard;
struct sockaddr;

extern struct log_module log_admin;

struct admin_drain {
	bool on;
	bool leave;	// the process ends once nothing is left
	bool hand_over; // calls go to other nodes of the cluster
};

// All of it outlives the admin socket.
struct admin_settings {
	struct event_base *base;
	const char *path; // of the socket; a stale one is replaced
	const char *node;
	const struct sockaddr *http; // to listen on for monitoring (http.c); NULL: nowhere
	struct calls *calls;
	const struct exchange *exchange; // NULL: this node is alone
	const struct cluster *cluster;	 // NULL: none
	const struct guard *guard;
	// Read the configuration again; both texts have ADMIN_RELOAD_SIZE bytes. Returns 0, or a
	// negative errno with `error`. NULL: not to be had.
	int (*reload)(void *arg, char *restart, char *error);
	void *reload_arg;
	// Take no new calls, or take them again. Returns 0, or a negative errno with `error` of
	// ADMIN_RELOAD_SIZE bytes. NULL: not to be had.
	int (*drain)(void *arg, const struct admin_drain *how, char *error);
	void *drain_arg;
	struct log_module *const *log_modules; // NULL-terminated
};

// Returns NULL with errno set; `error` says what could not be done.
struct admin *admin_create(const struct admin_settings *settings, char *error, size_t error_size);
// Before calls_destroy().
void admin_destroy(struct admin *admin);
