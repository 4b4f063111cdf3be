// See steer.h. Subtle: the driver attaches with a plain netlink attach (no libxdp dispatcher, no
// BPF link), which outlives its process; so a program of ours is known by its name, and whether it
// is stale is not asked here: ports_open() holds the interface's lock before it calls. Addresses of
// shards are steered from the beginning: media for one that is not active is ours to drop and
// count, where the kernel might answer it.
#include "steer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "steer_map.h"

#define MAPS_MAX 8

int steer_object_open(void)
{
	int fd = memfd_create("sluice-steer.bpf.o", MFD_CLOEXEC);
	size_t at = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (at < steer_object_size) {
		n = write(fd, steer_object + at, steer_object_size - at);
		if (n < 0) {
			n = -errno;
			close(fd);
			return (int)n;
		}
		at += (size_t)n;
	}
	return fd;
}

// Program `id`, where it is one of ours: its descriptor, and what the kernel says about it.
static int program_open(__u32 id, struct bpf_prog_info *info, __u32 *map_ids)
{
	__u32 size = sizeof(*info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return fd;
	memset(info, 0, sizeof(*info));
	info->nr_map_ids = MAPS_MAX;
	info->map_ids = (__u64)(uintptr_t)map_ids;
	if (bpf_obj_get_info_by_fd(fd, info, &size)) {
		close(fd);
		return -errno;
	}
	if (strcmp(info->name, STEER_PROGRAM)) {
		close(fd);
		return -EEXIST;
	}
	return fd;
}

static int detach_program(unsigned int ifindex, __u32 id, __u32 mode)
{
	struct bpf_prog_info info;
	__u32 map_ids[MAPS_MAX];
	int fd, ret;
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);

	if (!id)
		return 0;
	fd = program_open(id, &info, map_ids);
	if (fd < 0)
		return fd;
	opts.old_prog_fd = fd; // only this one, should it just have been replaced
	ret = bpf_xdp_detach((int)ifindex, mode | XDP_FLAGS_REPLACE, &opts);
	close(fd);
	return ret ? ret : 1;
}

int steer_detach(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int ret = bpf_xdp_query((int)ifindex, 0, &query);
	int native, generic;

	if (ret)
		return ret;
	native = detach_program(ifindex, query.drv_prog_id, XDP_FLAGS_DRV_MODE);
	if (native < 0)
		return native;
	generic = detach_program(ifindex, query.skb_prog_id, XDP_FLAGS_SKB_MODE);
	return generic < 0 ? generic : native + generic;
}

// The program's map called `name`.
static int map_open(const __u32 *ids, __u32 n_ids, const char *name)
{
	for (__u32 i = 0; i < n_ids && i < MAPS_MAX; i++) {
		struct bpf_map_info info = {0};
		__u32 size = sizeof(info);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) && !strcmp(info.name, name))
			return fd;
		close(fd);
	}
	return -ENOENT;
}

static int add_address(int map, const struct realm *realm, const struct sl_address *address)
{
	struct steer_ports ports = {.min = realm->rtp_port_min, .max = realm->rtp_port_max};
	struct steer_address key = {.family = STEER_FAMILY_IPV4, .vlan = realm->vlan};

	if (address->family == SL_IPV6)
		key.family = STEER_FAMILY_IPV6;
	memcpy(key.bytes, address->bytes, address->family == SL_IPV6 ? 16 : 4);
	return bpf_map_update_elem(map, &key, &ports, BPF_ANY);
}

static int add_realms(int map, const struct realms *realms, unsigned int port)
{
	int ret = 0;

	for (unsigned int i = 0; i < realms->n && !ret; i++) {
		const struct realm *realm = &realms->entries[i];

		if (realm->port != port)
			continue;
		for (unsigned int j = 0; j < realm->n_addresses && !ret; j++)
			ret = add_address(map, realm, &realm->addresses[j]);
	}
	return ret;
}

int steer_configure(unsigned int ifindex, const struct realms *realms, unsigned int port)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_prog_info info;
	__u32 map_ids[MAPS_MAX];
	int fd, map, ret;

	ret = bpf_xdp_query((int)ifindex, 0, &query);
	if (ret)
		return ret;
	if (!query.drv_prog_id && !query.skb_prog_id)
		return -ENOENT;
	fd = program_open(
		query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id, &info, map_ids);
	if (fd < 0)
		return fd;
	map = map_open(map_ids, info.nr_map_ids, STEER_MEDIA_MAP);
	close(fd);
	if (map < 0)
		return map;
	ret = add_realms(map, realms, port);
	close(map);
	return ret;
}
