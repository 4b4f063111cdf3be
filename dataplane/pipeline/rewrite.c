// Make each packet of the output the leg's own: one continuous stream under our SSRC, whatever it
// is made from. The headers around it come later (encapsulate.c).
#include <endian.h>

#include "bundle.h"
#include "checksum.h"
#include "headers.h"
#include "reports.h"
#include "stages.h"

// All of the fixed header but its first byte, a word at a time: what is written in narrow pieces
// and read in wider ones makes a CPU wait. Its sum goes along, where it is known.
static inline void write_rtp(uint8_t *rtp, const struct rtp_view *view, uint64_t *sum)
{
	uint32_t old = sum_word(rtp);
	uint64_t before = (uint64_t)old + sum_word(rtp + 4) + sum_word(rtp + 8);
	const rte_be32_t words[] = {
		(old & htobe32(0xff000000)) | htobe32((uint32_t)view->marker << 23 |
						      (uint32_t)view->pt << 16 | view->sequence),
		htobe32(view->timestamp),
		htobe32(view->ssrc),
	};

	memcpy(rtp, &words[0], sizeof(words[0]));
	memcpy(rtp + 4, &words[1], sizeof(words[1]));
	memcpy(rtp + 8, &words[2], sizeof(words[2]));
	if (*sum != SUM_UNKNOWN)
		*sum += SUM_ZERO - before + words[0] + words[1] + words[2];
}

static inline void continue_stream(
	struct leg *leg, const struct leg_config *config, struct rtp_view *view, uint64_t now_ns)
{
	if (unlikely(rtp_continuity_map(&leg->tx.continuity, view, now_ns, config->clock_hz,
		    &view->sequence, &view->timestamp))) {
		view->marker = true;
		leg->tx.source_packets = (uint32_t)leg->tx.packets;
		leg->tx.source_sequence = view->sequence;
	}
	view->ssrc = config->ssrc;
}

// The first packet of a configuration: it may have another SSRC than those before. Returns false
// where the last word of the old one has to wait for the next turn.
static bool take_ssrc(struct worker *worker, struct leg *leg, const struct leg_config *config)
{
	if (config->flags & (SL_LEG_TRANSPARENT_SSRC | SL_LEG_OPAQUE))
		return true;
	if (leg->tx.ssrc && leg->tx.ssrc != config->ssrc && !bye_send(worker, leg, config))
		return false;
	leg->tx.ssrc = config->ssrc;
	return true;
}

// Whether the headers of the packet before do for this one, too: made by the same configuration,
// for the same address, with the next hop as it is now. (Nearly all packets; what is not so simple
// is looked at by find_way().)
static inline bool header_holds(const struct leg *leg, const struct leg_config *config)
{
	const struct leg_header *header = &leg->tx.header;
	bool latched = leg_latch_holds(&leg->latch, config);
	const struct next_hop *hop;

	if (header->generation != config->generation || header->to_latched != latched ||
		config->carried)
		return false;
	if (likely(!latched) || leg_endpoint_same_host(&leg->latch.from, &config->remote))
		hop = __atomic_load_n(&config->hop, __ATOMIC_ACQUIRE);
	else
		hop = __atomic_load_n(&config->hop_latched, __ATOMIC_ACQUIRE);
	return hop && header->hop_word == next_hop_word(hop);
}

// By which transport a packet leaves: the leg's own, or that of the leg which has it.
struct way {
	struct leg *leg;
	const struct leg_config *config;
	const struct leg_endpoint *to;
	const struct next_hop *hop;
};

// The headers of packets to a leg, made anew where something has changed. (A latch that moves voids
// them itself.) False: the next hop is not usable.
static bool refresh_header(struct worker *worker, struct leg *leg, const struct way *way)
{
	struct leg_header *header = &leg->tx.header;
	const struct leg_config *config = way->config;
	uint64_t hop_word = next_hop_word(way->hop);
	bool to_latched = way->to == &way->leg->latch.from;
	struct header_path path;

	if (likely(header->hop_word == hop_word && header->generation == config->generation &&
		    header->to_latched == to_latched))
		return true;
	header->generation = 0; // no configuration's, should it fail
	path = (struct header_path){
		&config->local, way->to, hop_word, way->leg->flow_label, config->dscp};
	if (!header_make(header, worker->shared->config.ports, &path))
		return false;
	header->to_latched = to_latched;
	if (take_ssrc(worker, leg, leg_config(leg)))
		header->generation = config->generation;
	return true;
}

// Which way a packet to a leg goes, with the headers for that. PASS, or why there is none.
static enum drop_reason find_way(struct worker *worker, struct leg *leg, struct way *way)
{
	enum drop_reason reason;

	if (way->config->carried) {
		way->leg = way->config->shared->carrier;
		way->config = leg_config(way->leg);
	}
	way->hop = leg_rtp_destination(way->leg, way->config, &way->to, &reason);
	if (!way->hop)
		return reason;
	return refresh_header(worker, leg, way) ? PASS : DROP_no_next_hop;
}

// Packet n, which stays, goes out as SRTP under the keys of `leg`.
static void note_secure(
	struct output *output, unsigned int n, struct leg *leg, const struct leg_config *config)
{
	rte_prefetch0(&config->contexts);
	output->secure_legs[output->n_secure] = leg;
	output->secure_configs[output->n_secure] = config;
	output->secure[output->n_secure++] = (uint16_t)n;
}

// False: no room for a MID.
static inline bool rewrite_media(struct worker *worker, struct output *output, unsigned int i,
	const struct leg_config *config)
{
	struct rtp_view *view = &output->views[i];

	if (unlikely(!view->payload_offset)) // opaque
		return true;
	if (!(config->flags & SL_LEG_TRANSPARENT_SSRC))
		continue_stream(output->legs[i], config, view, worker->now_ns);
	write_rtp(rte_pktmbuf_mtod(output->mbufs[i], uint8_t *), view, &output->sums[i]);
	if (likely(!config->tags))
		return true;
	output->sums[i] = SUM_UNKNOWN;
	return bundle_write_mid(output->mbufs[i], view, config);
}

// Packet i, which becomes packet n, where the way to its leg has to be found. PASS, or why it is
// dropped.
static __rte_noinline enum drop_reason rewrite_first(
	struct worker *worker, struct output *output, unsigned int i, unsigned int n)
{
	struct leg *leg = output->legs[i];
	const struct leg_config *config = leg_config(leg);
	struct way way = {leg, config, NULL, NULL};
	enum drop_reason reason = find_way(worker, leg, &way);

	if (reason != PASS)
		return reason;
	if (!rewrite_media(worker, output, i, config))
		return DROP_no_buffer;
	report_when_due(worker, leg, config);
	if (way.config->secure)
		note_secure(output, n, way.leg, way.config);
	return PASS;
}

// The RTP header of packet i, which becomes packet n. PASS, or why it is dropped.
static inline enum drop_reason rewrite_packet(
	struct worker *worker, struct output *output, unsigned int i, unsigned int n)
{
	struct leg *leg = output->legs[i];
	const struct leg_config *config = leg_config(leg);

	if (unlikely(!(config->flags & SL_LEG_SEND)))
		return DROP_not_sending;
	if (unlikely(!worker_passes(worker, config->shard)))
		return DROP_shard_inactive; // before sequences and indices are used up
	if (unlikely(!header_holds(leg, config)))
		return rewrite_first(worker, output, i, n);
	if (leg->tx.header.ipv6)
		rte_prefetch0(&leg->tx.header); // its other line, for encapsulate()
	if (unlikely(!rewrite_media(worker, output, i, config)))
		return DROP_no_buffer;
	report_when_due(worker, leg, config);
	if (unlikely(config->secure))
		note_secure(output, n, leg, config);
	return PASS;
}

void rewrite(struct worker *worker)
{
	struct output *output = &worker->output;
	unsigned int n = 0;

	output->n_secure = 0;
	for (unsigned int i = 0; i < output->n; i++) {
		enum drop_reason reason = rewrite_packet(worker, output, i, n);

		if (unlikely(reason != PASS)) {
			drop(worker, output->mbufs[i], reason);
			continue;
		}
		output_keep(output, n++, i);
	}
	output->n = n;
}
