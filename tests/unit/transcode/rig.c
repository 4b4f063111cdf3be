#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine.h"
#include "rig.h"

int rig_eal(void **)
{
	char *arguments[] = {(char *)"test", (char *)"--no-huge", (char *)"--no-pci",
		(char *)"--no-shconf", (char *)"--no-telemetry", (char *)"-m", (char *)"128",
		(char *)"-l", (char *)"0", (char *)"--log-level=error"};

	return rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0 ? -1 : 0;
}

void rig_init(struct rig *rig, const struct transcode_config *config)
{
	struct transcode_config one = {.n_workers = 1, .n_transcoders = 1, .streams_max = 64};
	static unsigned int n_pools;
	char name[32];

	if (config)
		one = *config;
	*rig = (struct rig){.now_ns = 5000 * RIG_MS, .jobs_max = 64};
	snprintf(name, sizeof(name), "rig%u", n_pools++);
	rig->pool = rte_pktmbuf_pool_create(name, RIG_POOL, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	rig->out = calloc(RIG_OUT_MAX, sizeof(*rig->out));
	assert_non_null(rig->pool);
	assert_non_null(rig->out);
	one.pool = rig->pool;
	rig->engine = transcode_create(&one);
	assert_non_null(rig->engine);
}

void rig_fini(struct rig *rig)
{
	transcode_destroy(rig->engine);
	assert_int_equal(rte_mempool_avail_count(rig->pool), RIG_POOL);
	rte_mempool_free(rig->pool);
	free(rig->out);
}

static const struct codec *find(const char *name)
{
	bool is_opus = strcmp(name, "opus") == 0, is_wide = strcmp(name, "AMR-WB") == 0;

	return codec_find(name, is_opus ? 48000 : is_wide ? 16000 : 8000, is_opus ? 2 : 1);
}

static uint8_t payload_type(const struct codec *codec)
{
	return codec->static_pt == CODEC_DEFAULT ? 111 : codec->static_pt;
}

struct transcode_spec rig_spec(const char *from, const char *to)
{
	const struct codec *a = find(from), *b = find(to);

	return (struct transcode_spec){
		.from = a,
		.to = b,
		.from_pt = payload_type(a),
		.to_pt = payload_type(b),
		.to_ptime_ms = 20,
		.dtmf_from_pt = 101,
		.dtmf_to_pt = 102,
		.complexity = CODEC_DEFAULT,
	};
}

struct transcode_stream *rig_open(struct rig *rig, struct transcode_spec spec)
{
	rig->stream = transcode_stream_create(rig->engine, &spec, 0, rig);
	assert_non_null(rig->stream);
	return rig->stream;
}

struct rte_mbuf *rig_mbuf(
	struct rig *rig, const struct rtp_view *view, const void *payload, size_t n)
{
	struct rte_mbuf *packet = rte_pktmbuf_alloc(rig->pool);
	uint8_t *data;

	assert_non_null(packet);
	data = (uint8_t *)rte_pktmbuf_append(packet, (uint16_t)(RTP_HEADER_BYTES + n));
	rtp_header_write(data, view);
	if (n)
		memcpy(data + RTP_HEADER_BYTES, payload, n);
	return packet;
}

static void collect(struct rig *rig)
{
	struct rte_mbuf *packets[32];
	void *cookies[32];
	unsigned int n = transcode_collect(rig->engine, 0, packets, cookies, 32);

	for (unsigned int i = 0; i < n; i++) {
		struct rig_packet *out = &rig->out[rig->n_out++];
		const uint8_t *data = rte_pktmbuf_mtod(packets[i], const uint8_t *);

		assert_true(rig->n_out <= RIG_OUT_MAX);
		assert_true(rte_pktmbuf_headroom(packets[i]) >= RTE_PKTMBUF_HEADROOM);
		assert_int_equal(rtp_parse(data, packets[i]->data_len, &out->view), 0);
		assert_int_equal(out->view.payload_offset, RTP_HEADER_BYTES);
		memcpy(out->payload, data + RTP_HEADER_BYTES, out->view.payload_bytes);
		out->cookie = cookies[i];
		rte_pktmbuf_free(packets[i]);
	}
}

static unsigned int turn(const struct rig *rig)
{
	uint64_t hz = rte_get_tsc_hz();

	if (!rig->virtual_time)
		return transcode_turn(rig->engine, 0, rig->jobs_max);
	return transcode_turn_at(rig->engine, 0, rig->jobs_max,
		rig->now_ns / 1000000000 * hz + rig->now_ns % 1000000000 * hz / 1000000000);
}

void rig_pump(struct rig *rig)
{
	while (turn(rig))
		collect(rig);
	collect(rig);
}

void rig_send(struct rig *rig, struct transcode_stream *stream, const struct rtp_view *view,
	const void *payload, size_t n)
{
	assert_true(transcode_submit(
		rig->engine, 0, stream, rig_mbuf(rig, view, payload, n), rig->now_ns));
	rig_pump(rig);
}

struct transcode_stats rig_stats(const struct rig *rig)
{
	struct transcode_stats stats;

	transcode_stream_stats(rig->stream, &stats);
	return stats;
}
