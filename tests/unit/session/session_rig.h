// EAL without hugepages, devices or files, and a session table on two ports that are only
// descriptions. Shared by the tests of sessions, pipeline and server.
#pragma once

#include "session.h"

#define RIG_EVENTS_MAX 64

struct rig {
	struct port ports[2]; // 192.0.2.1 and 203.0.113.1, UDP 20000 to 20015
	struct rte_rcu_qsbr *rcu;
	struct sessions *sessions;
	struct sl_media_event events[RIG_EVENTS_MAX];
	unsigned int n_events;
};

void rig_eal(void); // once a process

// A table for `n_workers` over `n_ports` ports of `n_udp_ports` UDP ports each.
void rig_open(struct rig *rig, unsigned int n_workers, unsigned int n_udp_ports,
	unsigned int sessions_max, struct transcode *transcode);
void rig_close(struct rig *rig);

void rig_ports(struct port *ports, unsigned int n_udp_ports);
void rig_event(void *rig, const struct sl_media_event *event);

struct sl_address rig_address(const char *text, uint16_t port);
struct sl_id rig_id(unsigned int number);

// Two legs on the two addresses that feed each other PCMU, ports to be chosen.
struct sl_session rig_session(unsigned int number);
