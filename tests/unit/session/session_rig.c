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
	static const char *const arguments[] = {"test", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "--iova-mode=va", "-m", "128", "--lcores=0", "--log-level=error",
		"--file-prefix=sluice-test"};
	char *argv[RTE_DIM(arguments)];

	for (size_t i = 0; i < RTE_DIM(arguments); i++)
		argv[i] = (char *)arguments[i];
	must(rte_eal_init(RTE_DIM(arguments), argv) >= 0, "rte_eal_init");
	clock_init();
}

struct sl_address rig_address(const char *text, uint16_t port)
{
	struct sl_address address = {.family = SL_IPV4, .port = port};

	must(inet_pton(AF_INET, text, address.bytes) == 1, text);
	return address;
}

struct sl_id rig_id(unsigned int number)
{
	struct sl_id id = {};

	memcpy(id.bytes, &number, sizeof(number));
	return id;
}

void rig_ports(struct port *ports, unsigned int n_udp_ports)
{
	static const char *const addresses[] = {"192.0.2.1", "203.0.113.1"};

	for (unsigned int i = 0; i < 2; i++) {
		struct port_config *config = &ports[i].config;

		snprintf(config->name, sizeof(config->name), "p%u", i);
		config->addresses[0] = rig_address(addresses[i], 0);
		config->n_addresses = 1;
		config->rtp_port_min = 20000;
		config->rtp_port_max = (uint16_t)(20000 + n_udp_ports - 1);
	}
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
		.ports = rig->ports,
		.n_ports = 2,
		.n_workers = n_workers,
		.sessions_max = sessions_max,
		.transcode = transcode,
		.event = rig_event,
		.context = rig,
	};

	memset(rig, 0, sizeof(*rig));
	rig_ports(rig->ports, n_udp_ports);
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
