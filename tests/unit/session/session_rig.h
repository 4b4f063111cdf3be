// EAL without hugepages, devices or files, and a session table on realms that are only
// descriptions. Shared by the tests of sessions, pipeline and server.
#pragma once

#include "session.h"

#define RIG_EVENTS_MAX 64

struct rig {
	struct realms realms;
	struct rte_rcu_qsbr *rcu;
	struct sessions *sessions;
	struct sl_media_event events[RIG_EVENTS_MAX];
	unsigned int n_events;
};

void rig_eal(void);
void rig_eal_with(const char *megabytes); // once a process

// A table for `n_workers` of `n_udp_ports` UDP ports an address.
void rig_open(struct rig *rig, unsigned int n_workers, unsigned int n_udp_ports,
	unsigned int sessions_max, struct transcode *transcode);
void rig_close(struct rig *rig);

// r0 on port 0: 192.0.2.1; r1 on port 1: 203.0.113.1; UDP from 20000 on. And one more like `realm`.
void rig_realms(struct realms *realms, unsigned int n_udp_ports);
void rig_realm_add(struct realms *realms, struct realm realm, const char *address);
void rig_event(void *rig, const struct sl_media_event *event);

struct sl_address rig_address(const char *text, uint16_t port);
struct sl_id rig_id(unsigned int number);

// Two legs on the two addresses that feed each other PCMU, ports to be chosen.
struct sl_session rig_session(unsigned int number);
