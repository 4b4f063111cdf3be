#include "session_rig.h"

#include <arpa/inet.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "rig: %s failed\n", what);
	abort();
}

void rig_eal(void)
{
	rig_eal_with("128");
}

void rig_eal_with(const char *megabytes)
{
	const char *const arguments[] = {"test", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "--iova-mode=va", "-m", megabytes, "--lcores=0",
		"--log-level=error", "--file-prefix=sluice-test"};
	char *argv[RTE_DIM(arguments)];

	for (size_t i = 0; i < RTE_DIM(arguments); i++)
		argv[i] = (char *)arguments[i];
	must(rte_eal_init(RTE_DIM(arguments), argv) >= 0, "rte_eal_init");
	clock_init();
}

struct sl_address rig_address(const char *text, uint16_t port)
{
	struct sl_address address = {.family = strchr(text, ':') ? SL_IPV6 : SL_IPV4, .port = port};
	int family = address.family == SL_IPV6 ? AF_INET6 : AF_INET;

	must(inet_pton(family, text, address.bytes) == 1, text);
	return address;
}

struct sl_id rig_id(unsigned int number)
{
	struct sl_id id = {};

	memcpy(id.bytes, &number, sizeof(number));
	return id;
}

void rig_realm_add(struct realms *realms, struct realm realm, const char *address)
{
	snprintf(realm.name, sizeof(realm.name), "r%u", realms->n);
	realm.addresses[0] = rig_address(address, 0);
	realm.n_addresses = 1;
	realm.rtp_port_min = 20000;
	realms->entries[realms->n++] = realm;
}

void rig_realms(struct realms *realms, unsigned int n_udp_ports)
{
	uint16_t last = (uint16_t)(20000 + n_udp_ports - 1);

	realms->n = 0;
	rig_realm_add(
		realms, (struct realm){.port = 0, .dscp = 46, .rtp_port_max = last}, "192.0.2.1");
	rig_realm_add(
		realms, (struct realm){.port = 1, .dscp = 46, .rtp_port_max = last}, "203.0.113.1");
}

void rig_event(void *argument, const struct sl_media_event *event)
{
	struct rig *rig = argument;

	must(rig->n_events < RIG_EVENTS_MAX, "room for an event");
	rig->events[rig->n_events++] = *event;
}

void rig_open(struct rig *rig, unsigned int n_workers, unsigned int n_udp_ports,
	unsigned int sessions_max, struct transcode *transcode)
{
	struct sessions_config config = {
		.realms = &rig->realms,
		.n_workers = n_workers,
		.sessions_max = sessions_max,
		.transcode = transcode,
		.event = rig_event,
		.context = rig,
	};

	memset(rig, 0, sizeof(*rig));
	rig_realms(&rig->realms, n_udp_ports);
	rig->rcu = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(n_workers), RTE_CACHE_LINE_SIZE);
	must(rig->rcu && rte_rcu_qsbr_init(rig->rcu, n_workers) == 0, "RCU");
	config.rcu = rig->rcu;
	rig->sessions = sessions_create(&config);
	must(rig->sessions != NULL, "sessions_create");
}

void rig_close(struct rig *rig)
{
	sessions_destroy(rig->sessions);
	rte_free(rig->rcu);
}

static struct sl_leg leg_on(const char *address, uint8_t source)
{
	return (struct sl_leg){
		.local = rig_address(address, 0),
		.flags = SL_LEG_RECEIVE | SL_LEG_SEND,
		.source = source,
		.transport = SL_NO_LEG,
		.n_formats = 1,
		.formats = {{.name = "PCMU", .clock_hz = 8000, .pt = 0, .channels = 1}},
	};
}

struct sl_session rig_session(unsigned int number)
{
	struct sl_session session = {.id = rig_id(number), .n_legs = 2};

	session.legs[0] = leg_on("192.0.2.1", 1);
	session.legs[0].remote = rig_address("198.51.100.1", 4000);
	session.legs[1] = leg_on("203.0.113.1", 0);
	session.legs[1].remote = rig_address("198.51.100.2", 5000);
	return session;
}
