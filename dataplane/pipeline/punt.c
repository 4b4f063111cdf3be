// A packet goes to main in its own buffer, with what main has to know about it in the place of its
// headers; the buffer belongs to whoever takes it out of the ring. It names its session and not its
// leg, which may be gone by then.
//
// That it comes from where media may come from police() has seen to. The limit of the dataplane
// (meter.h) is one word that workers share: they write it no more often than packets pass, and only
// read it when too many come.
#include "punt.h"

#include <errno.h>
#include <rte_errno.h>

#include "meter.h"
#include "worker.h"

#define SECOND_NS	1000000000ULL
#define RING		1024
#define LEG_INTERVAL_NS (SECOND_NS / SL_PUNTS_PER_SECOND)
#define LEG_BURST_NS	((SL_PUNTS_BURST - 1) * LEG_INTERVAL_NS)
#define BURST_NS	(SECOND_NS / 10)

// In the buffer, before the payload.
struct punt_head {
	struct sl_id session;
	struct sl_address from;
	uint16_t length;
	uint8_t leg;
	uint8_t rtcp;
};

int punts_init(struct punts *punts, unsigned int per_second)
{
	punts->interval_ns = SECOND_NS / RTE_MAX(per_second, 1u);
	punts->ring = rte_ring_create("punts", RING, SOCKET_ID_ANY, RING_F_SC_DEQ);
	return punts->ring ? 0 : -rte_errno;
}

void punts_fini(struct punts *punts)
{
	void *mbuf;

	while (punts->ring && rte_ring_sc_dequeue(punts->ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_ring_free(punts->ring);
}

static enum drop_reason unwanted(enum rtp_kind kind)
{
	switch (kind) {
	case RTP_KIND_STUN:
		return DROP_stun;
	case RTP_KIND_DTLS:
		return DROP_dtls;
	default:
		return DROP_not_rtp;
	}
}

static bool meter_all(struct punts *punts, uint64_t now_ns)
{
	uint64_t due_ns = __atomic_load_n(&punts->due_ns, __ATOMIC_RELAXED);
	uint64_t burst_ns = BURST_NS > punts->interval_ns ? BURST_NS - punts->interval_ns : 0;
	uint64_t next_ns;

	do {
		next_ns = due_ns;
		if (!meter_take(&next_ns, now_ns, punts->interval_ns, burst_ns))
			return false;
	} while (!__atomic_compare_exchange_n(
		&punts->due_ns, &due_ns, next_ns, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

// What there is to object to.
static enum drop_reason judge(
	struct worker *worker, const struct burst *burst, unsigned int i, enum rtp_kind kind)
{
	struct punts *punts = &worker->shared->punts;
	const struct leg_config *config = burst->configs[i];
	struct leg *leg = burst->legs[i];

	if (!(config->flags & SL_LEG_PUNT) || !__atomic_load_n(&punts->wanted, __ATOMIC_RELAXED))
		return unwanted(kind);
	if (burst->lengths[i] > SL_DATAGRAM_MAX)
		return DROP_punt_length;
	if (!meter_take(&leg->punt_due_ns, worker->now_ns, LEG_INTERVAL_NS, LEG_BURST_NS))
		return DROP_punt_leg_rate;
	return meter_all(punts, worker->now_ns) ? PASS : DROP_punt_rate;
}

// Into the ring, with a head in front of the payload.
static enum drop_reason hand_to_main(
	struct worker *worker, const struct burst *burst, unsigned int i)
{
	struct rte_mbuf *mbuf = burst->mbufs[i];
	const struct leg *leg = burst->legs[i];
	const struct punt_head head = {
		.session = leg->session,
		.from = leg_endpoint_address(&burst->from[i]),
		.length = burst->lengths[i],
		.leg = leg->index,
		.rtcp = burst->on_odd_port[i],
	};
	char *at;

	rte_pktmbuf_adj(mbuf, (uint16_t)(burst->payloads[i] - rte_pktmbuf_mtod(mbuf, uint8_t *)));
	at = rte_pktmbuf_prepend(mbuf, sizeof(head));
	if (!at)
		return DROP_no_buffer;
	memcpy(at, &head, sizeof(head));
	return rte_ring_mp_enqueue(worker->shared->punts.ring, mbuf) ? DROP_punt_full : PASS;
}

void punt(struct worker *worker, const struct burst *burst, unsigned int i, enum rtp_kind kind)
{
	struct leg *leg = burst->legs[i];
	enum drop_reason reason = judge(worker, burst, i, kind);

	if (reason == PASS)
		reason = hand_to_main(worker, burst, i);
	if (reason == PASS) {
		leg->rx.punted++;
		worker->counters.punted++;
	} else {
		leg_drop(worker, leg, burst->mbufs[i], reason);
	}
}

void workers_want_punts(struct worker_shared *shared, bool wanted)
{
	__atomic_store_n(&shared->punts.wanted, wanted, __ATOMIC_RELAXED);
}

bool workers_next_punt(struct worker_shared *shared, struct sl_datagram *datagram)
{
	struct punt_head head;
	void *taken;
	struct rte_mbuf *mbuf;

	if (rte_ring_sc_dequeue(shared->punts.ring, &taken))
		return false;
	mbuf = taken;
	memcpy(&head, rte_pktmbuf_mtod(mbuf, void *), sizeof(head));
	*datagram = (struct sl_datagram){.id = head.session,
		.address = head.from,
		.leg = head.leg,
		.rtcp = head.rtcp,
		.length = head.length};
	memcpy(datagram->bytes, rte_pktmbuf_mtod_offset(mbuf, void *, sizeof(head)), head.length);
	rte_pktmbuf_free(mbuf);
	return true;
}
