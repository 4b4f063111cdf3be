// The last word of an SSRC of ours (RFC 3550 6.6): where the leg goes on under another one its
// worker says BYE for the old one with the first packet of the new. Where the leg ends, see
// farewell.c.
#include <errno.h>

#include "reports.h"

int bye_build(const struct leg *leg, uint32_t ssrc, uint8_t *out, size_t room)
{
	int report = rtcp_report_build(out, room, ssrc, NULL, NULL, 0);
	char cname[LEG_CNAME_BYTES];
	int sdes, bye;

	if (report < 0)
		return report;
	out += report;
	room -= (size_t)report;
	sdes = rtcp_sdes_build(out, room, ssrc, leg_cname(leg, cname));
	if (sdes < 0)
		return sdes;
	bye = rtcp_bye_build(out + sdes, room - (size_t)sdes, ssrc);
	return bye < 0 ? bye : report + sdes + bye;
}

bool bye_send(struct worker *worker, struct leg *leg, const struct leg_config *config)
{
	struct rte_mbuf *mbuf;
	int n;

	if (worker->n_byes == BYES_MAX)
		return false;
	worker->n_byes++;
	worker->counters.reports++;
	mbuf = rte_pktmbuf_alloc(worker->shared->config.pool);
	if (!mbuf) {
		worker->counters.drops[DROP_no_buffer]++;
		return true;
	}
	n = bye_build(
		leg, leg->tx.ssrc, rte_pktmbuf_mtod(mbuf, uint8_t *), rte_pktmbuf_tailroom(mbuf));
	rte_pktmbuf_append(mbuf, (uint16_t)n); // it has the room
	report_send(worker, leg, config, mbuf);
	return true;
}
