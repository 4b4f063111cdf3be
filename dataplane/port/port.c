// Ports: from a configuration to a started DPDK device. Subtle: the order around the XDP program of
// a kernel interface. Take the interface's lock (only then is a program of ours found there stale),
// detach, let the driver attach and bind a socket to each queue, and open the steering last; so no
// packet is taken from the kernel before we can receive it.
#include "port.h"

#include <errno.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mempool.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "flow.h"
#include "interface.h"
#include "steer.h"

// The kernel gives up the sockets of a process that was killed some time after it is gone, and
// until then its queues are taken. The driver cannot be asked twice: it loses the buffers of an
// attempt.
#define RELEASE_US 300000

#define DESCRIPTORS 1024 // at least

#define RSS_UDP		  (RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)
#define CHECKSUM_OFFLOADS (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)

LOG_MODULE(log_port, "port");

// What opening one port needs besides the port, and where its error goes.
struct opening {
	const struct ports_config *config;
	unsigned int index;
	const char *name;
	char *error;
	size_t error_size;
};

static int fail(const struct opening *opening, int ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(const struct opening *opening, int ret, const char *format, ...)
{
	int at = snprintf(opening->error, opening->error_size, "port %s: ", opening->name);
	va_list args;

	if (at > 0 && (size_t)at < opening->error_size) {
		va_start(args, format);
		vsnprintf(opening->error + at, opening->error_size - (size_t)at, format, args);
		va_end(args);
	}
	return ret;
}

static int check_interface(
	const struct opening *opening, const struct port *port, const struct interface_info *info)
{
	const char *name = port->config.interface;

	if (!info->combined && info->n_rx_queues > 1)
		return fail(opening, -EINVAL,
			"%s has %u rx queues that are not combined with tx queues, and the driver "
			"serves one: ethtool -L %s rx 1 tx 1",
			name, info->n_rx_queues, name);
	if (opening->config->pool->nb_mem_chunks != 1)
		return fail(opening, -EINVAL,
			"the packet pool is in %u pieces of memory, af_xdp needs one",
			opening->config->pool->nb_mem_chunks);
	if (!info->up)
		log_warn(&log_port, "interface_down", "port=%s interface=%s", port->config.name,
			name);
	return 0;
}

// Take the interface: lock, facts, and no XDP program on it.
static int claim_interface(const struct opening *opening, struct port *port)
{
	const char *name = port->config.interface;
	struct interface_info info;
	int ret = interface_query(name, &info);

	if (ret)
		return fail(opening, ret, "interface %s: %s", name, strerror(-ret));
	ret = check_interface(opening, port, &info);
	if (ret)
		return ret;
	port->ifindex = info.ifindex;
	port->mac = info.mac;
	port->mtu = info.mtu;
	port->n_queues = info.n_rx_queues;
	if (port->config.vdev[0])
		return 0;
	port->lock_fd = interface_lock(name);
	if (port->lock_fd < 0)
		return fail(opening, port->lock_fd, "interface %s: %s", name,
			port->lock_fd == -EADDRINUSE ? "another sluice-dataplane has it"
						     : strerror(-port->lock_fd));
	ret = steer_detach(port->ifindex);
	if (ret == -EEXIST)
		return fail(opening, ret,
			"interface %s has an XDP program that is not ours: ip link set dev %s xdp off",
			name, name);
	if (ret < 0)
		return fail(opening, ret, "interface %s: XDP: %s", name, strerror(-ret));
	if (ret) {
		log_info(&log_port, "stale_xdp_detached", "port=%s interface=%s", port->config.name,
			name);
		usleep(RELEASE_US);
	}
	return 0;
}

static int plug(
	const struct opening *opening, struct port *port, const char *name, const char *args)
{
	int ret;

	if (rte_eth_dev_get_port_by_name(name, &port->id) == 0)
		return 0;
	ret = rte_eal_hotplug_add("vdev", name, args);
	if (ret)
		return fail(opening, ret, "device %s,%s: %s", name, args, strerror(-ret));
	port->hotplugged = true;
	if (rte_eth_dev_get_port_by_name(name, &port->id))
		return fail(opening, -ENODEV, "device %s is no network device", name);
	return 0;
}

static int plug_vdev(const struct opening *opening, struct port *port)
{
	char name[sizeof(port->config.vdev)];
	char *args;

	memcpy(name, port->config.vdev, sizeof(name));
	args = strchr(name, ',');
	if (args)
		*args++ = '\0';
	return plug(opening, port, name, args ? args : "");
}

// Devices of memory, whose packets are as their sender made them. Whoever writes into a memif or a
// ring has no device behind it that would finish a checksum.
static bool is_memory(const struct rte_eth_dev_info *info)
{
	return !strcmp(info->driver_name, "net_memif") || !strcmp(info->driver_name, "net_ring");
}

static int configure_device(const struct opening *opening, struct port *port)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	uint16_t n_queues;
	int ret = rte_eth_dev_info_get(port->id, &info);

	if (ret)
		return fail(opening, ret, "device: %s", strerror(-ret));
	n_queues = RTE_MIN(info.max_rx_queues, info.max_tx_queues);
	if (port->config.vdev[0])
		port->n_queues = (uint16_t)RTE_MIN(n_queues, opening->config->n_workers);
	if (port->n_queues == 0 || port->n_queues > n_queues)
		return fail(opening, -EINVAL, "device has %u queue pairs, %u needed", n_queues,
			RTE_MAX(port->n_queues, 1));
	port->tx_checksum = (info.tx_offload_capa & CHECKSUM_OFFLOADS) == CHECKSUM_OFFLOADS;
	port->rx_checksum = is_memory(&info);
	if (port->tx_checksum)
		conf.txmode.offloads = CHECKSUM_OFFLOADS;
	port->rss = port->n_queues > 1 && info.flow_type_rss_offloads & RSS_UDP;
	if (port->rss) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & RSS_UDP;
	}
	ret = rte_eth_dev_configure(port->id, port->n_queues, port->n_queues, &conf);
	if (ret)
		return fail(opening, ret, "configure: %s", strerror(-ret));
	return 0;
}

// As many as the driver proposes, if those are more. net_af_xdp lends the kernel 2,048 buffers: a
// shorter ring could not hold them all, and what finds that ring full is in no counter of the
// driver's, where what finds no buffer is.
static int choose_descriptors(
	const struct opening *opening, const struct port *port, uint16_t *n_rx, uint16_t *n_tx)
{
	struct rte_eth_dev_info info;
	int ret = rte_eth_dev_info_get(port->id, &info);

	if (ret)
		return fail(opening, ret, "device: %s", strerror(-ret));
	*n_rx = RTE_MAX(DESCRIPTORS, info.default_rxportconf.ring_size);
	*n_tx = RTE_MAX(DESCRIPTORS, info.default_txportconf.ring_size);
	ret = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, n_rx, n_tx);
	return ret ? fail(opening, ret, "descriptors: %s", strerror(-ret)) : 0;
}

static int set_up_queues(const struct opening *opening, struct port *port)
{
	int socket = rte_eth_dev_socket_id(port->id);
	uint16_t n_rx, n_tx;
	int ret = choose_descriptors(opening, port, &n_rx, &n_tx);

	if (ret)
		return ret;
	for (uint16_t i = 0; i < port->n_queues; i++) {
		ret = rte_eth_rx_queue_setup(
			port->id, i, n_rx, (unsigned int)socket, NULL, opening->config->pool);
		if (ret)
			return fail(opening, ret,
				"rx queue %u: %s (the driver's log says more; the pool has %u "
				"packets left)",
				i, strerror(-ret), rte_mempool_avail_count(opening->config->pool));
		ret = rte_eth_tx_queue_setup(port->id, i, n_tx, (unsigned int)socket, NULL);
		if (ret)
			return fail(opening, ret, "tx queue %u: %s", i, strerror(-ret));
	}
	return 0;
}

static int start_device(const struct opening *opening, struct port *port)
{
	int ret = configure_device(opening, port);

	if (!ret)
		ret = set_up_queues(opening, port);
	if (ret)
		return ret;
	ret = rte_eth_dev_start(port->id);
	return ret ? fail(opening, ret, "start: %s", strerror(-ret)) : 0;
}

// af_xdp on a kernel interface that claim_interface() has cleared. The driver loads the XDP program
// when the first queue is set up, so its file must live until the device is started.
static int open_af_xdp(const struct opening *opening, struct port *port)
{
	char name[64], args[128];
	int object = steer_object_open();
	int ret;

	if (object < 0)
		return fail(opening, object, "XDP program: %s", strerror(-object));
	snprintf(name, sizeof(name), "net_af_xdp_%s", port->config.name);
	snprintf(args, sizeof(args),
		"iface=%s,start_queue=0,queue_count=%u,xdp_prog=/proc/self/fd/%d",
		port->config.interface, port->n_queues, object);
	ret = plug(opening, port, name, args);
	if (!ret)
		ret = start_device(opening, port);
	close(object);
	if (ret)
		return ret;
	ret = steer_configure(port->ifindex, opening->config->realms, opening->index);
	return ret ? fail(opening, ret, "steering: %s", strerror(-ret)) : 0;
}

static int open_vdev(const struct opening *opening, struct port *port)
{
	int ret = plug_vdev(opening, port);

	if (!ret)
		ret = start_device(opening, port);
	if (ret || port->ifindex)
		return ret;
	if (rte_is_zero_ether_addr(&port->config.mac))
		rte_eth_macaddr_get(port->id, &port->mac);
	else
		port->mac = port->config.mac;
	ret = rte_eth_dev_get_mtu(port->id, &port->mtu);
	return ret ? fail(opening, ret, "mtu: %s", strerror(-ret)) : 0;
}

// How packets find the worker that owns their session. A kernel interface is spread by its driver.
static enum port_steering port_steer(const struct opening *opening, const struct port *port)
{
	const struct ports_config *config = opening->config;

	if (config->n_workers == 1)
		return STEERING_NONE;
	if (port->n_queues >= config->n_workers &&
		flow_install(config, opening->index, port->id) > 0)
		return STEERING_FLOW;
	return port->rss || (port->lock_fd >= 0 && port->n_queues > 1) ? STEERING_RSS
								       : STEERING_HANDOVER;
}

static int port_open(const struct opening *opening, struct port *port)
{
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	int ret;

	if (!port->config.vdev[0] && !port->config.interface[0])
		return fail(opening, -EINVAL, "neither an interface nor a vdev");
	if (port->config.interface[0]) {
		ret = claim_interface(opening, port);
		if (ret)
			return ret;
	}
	ret = port->config.vdev[0] ? open_vdev(opening, port) : open_af_xdp(opening, port);
	if (ret)
		return ret;
	port->steering = port_steer(opening, port);
	rte_ether_format_addr(mac, sizeof(mac), &port->mac);
	log_info(&log_port, "opened",
		"port=%s interface=%s device=%u queues=%u mac=%s mtu=%u steering=%s",
		port->config.name, port->ifindex ? port->config.interface : "-", port->id,
		port->n_queues, mac, port->mtu, port_steering_name(port->steering));
	return 0;
}

static void port_close(struct port *port)
{
	struct rte_eth_dev_info info = {0};

	if (port->id != RTE_MAX_ETHPORTS) {
		rte_eth_dev_info_get(port->id, &info);
		// Its driver fails to detach a program that was given to it, and says so as an
		// error; steer_detach() does it.
		if (port->lock_fd >= 0)
			rte_log_set_level_pattern("pmd.net.af_xdp", RTE_LOG_CRIT);
		rte_eth_dev_stop(port->id);
		if (port->hotplugged)
			rte_dev_remove(info.device); // closes it
		else
			rte_eth_dev_close(port->id);
	}
	if (port->lock_fd >= 0) {
		steer_detach(port->ifindex);
		close(port->lock_fd);
	}
	port->id = RTE_MAX_ETHPORTS;
	port->lock_fd = -1;
}

int ports_open(
	struct port *ports, const struct ports_config *config, char *error, size_t error_size)
{
	struct opening opening = {.config = config, .error = error, .error_size = error_size};
	int ret;

	for (unsigned int i = 0; i < config->n_ports; i++) {
		ports[i] = (struct port){
			.config = config->ports[i], .id = RTE_MAX_ETHPORTS, .lock_fd = -1};
		opening.index = i;
		opening.name = config->ports[i].name;
		ret = port_open(&opening, &ports[i]);
		if (ret) {
			ports_close(ports, i + 1);
			return ret;
		}
	}
	return 0;
}

void ports_close(struct port *ports, unsigned int n_ports)
{
	while (n_ports-- > 0)
		port_close(&ports[n_ports]);
}

int port_counters_get(const struct port *port, struct port_counters *counters)
{
	struct rte_eth_stats stats;
	int ret = rte_eth_stats_get(port->id, &stats);

	if (ret)
		return ret;
	*counters = (struct port_counters){
		.rx_packets = stats.ipackets,
		.rx_bytes = stats.ibytes,
		.rx_missed = stats.imissed,
		.rx_errors = stats.ierrors,
		.rx_no_mbuf = stats.rx_nombuf,
		.tx_packets = stats.opackets,
		.tx_bytes = stats.obytes,
		.tx_errors = stats.oerrors,
	};
	return 0;
}
