// RTP to SRTP and RTCP to SRTCP (RFC 3711), for the legs that have keys. The index of a packet is
// its sequence number and the ROC that the context keeps; it is used up even where the packet then
// does not get out. A packet whose index was used before (a duplicate that a plain leg relayed) is
// dropped: sent again it could only be refused.
#include "checksum.h"
#include "stages.h"

static const enum drop_reason reasons[N_SRTP_STATUSES] = {
	[SRTP_STATUS_MALFORMED] = DROP_bad_rtp,
	[SRTP_STATUS_ROOM] = DROP_srtp_room,
	[SRTP_STATUS_AUTH] = DROP_srtp_failed, // these two do not happen
	[SRTP_STATUS_MKI] = DROP_srtp_failed,
	[SRTP_STATUS_REPLAY] = DROP_srtp_resent,
	[SRTP_STATUS_LATE] = DROP_srtp_resent,
	[SRTP_STATUS_SSRC] = DROP_srtp_ssrcs,
	[SRTP_STATUS_LIMIT] = DROP_srtp_limit,
	[SRTP_STATUS_FAILED] = DROP_srtp_failed,
};

static struct srtp_job job_of(const struct worker *worker, struct leg *leg,
	const struct leg_config *config, struct rte_mbuf *mbuf, bool rtcp)
{
	return (struct srtp_job){
		.context = leg_context(worker->srtp, leg, config, SRTP_SEND),
		.packet = rte_pktmbuf_mtod(mbuf, uint8_t *),
		.length = mbuf->data_len,
		.room = (uint16_t)(mbuf->data_len + rte_pktmbuf_tailroom(mbuf)),
		.rtcp = rtcp,
	};
}

// Returns whether the packet of this job stays.
static bool judge(
	struct worker *worker, struct leg *leg, struct rte_mbuf *mbuf, const struct srtp_job *job)
{
	if (unlikely(leg->srtp[SRTP_SEND].overlaps))
		leg_srtp_retire(&leg->srtp[SRTP_SEND]);
	if (job->status != SRTP_STATUS_OK) {
		drop(worker, mbuf, reasons[job->status]);
		return false;
	}
	worker->counters.protected ++;
	rte_pktmbuf_append(mbuf, (uint16_t)(job->out_length - job->length));
	return true;
}

static void protect_media(struct worker *worker, struct output *output)
{
	struct srtp_job jobs[OUTPUT_MAX];
	unsigned int n = 0, n_judged = 0;

	for (unsigned int i = 0; i < output->n_secure; i++) {
		unsigned int at = output->secure[i];

		jobs[i] = job_of(worker, output->secure_legs[i], output->secure_configs[i],
			output->mbufs[at], false);
	}
	srtp_protect_burst(worker->srtp, jobs, output->n_secure);
	for (unsigned int i = 0; i < output->n; i++) {
		unsigned int job = n_judged;

		if (job < output->n_secure && output->secure[job] == i) {
			n_judged++;
			if (!judge(worker, output->secure_legs[job], output->mbufs[i], &jobs[job]))
				continue;
			output->sums[i] = SUM_UNKNOWN;
		}
		output_keep(output, n++, i);
	}
	output->n = n;
}

static void protect_reports(struct worker *worker, struct reports *reports)
{
	struct srtp_job jobs[REPORTS_MAX];
	unsigned int n = 0, n_judged = 0;

	for (unsigned int i = 0; i < reports->n; i++)
		if (reports->configs[i]->secure)
			jobs[n++] = job_of(worker, reports->carriers[i], reports->configs[i],
				reports->mbufs[i], true);
	srtp_protect_burst(worker->srtp, jobs, n);
	n = 0;
	for (unsigned int i = 0; i < reports->n; i++) {
		if (reports->configs[i]->secure &&
			!judge(worker, reports->carriers[i], reports->mbufs[i], &jobs[n_judged++]))
			continue;
		reports->mbufs[n] = reports->mbufs[i];
		reports->legs[n] = reports->legs[i];
		reports->carriers[n] = reports->carriers[i];
		reports->configs[n] = reports->configs[i];
		reports->headers[n++] = reports->headers[i];
	}
	reports->n = n;
	reports->n_secure = 0;
}

void protect(struct worker *worker)
{
	if (unlikely(worker->output.n_secure))
		protect_media(worker, &worker->output);
	if (unlikely(worker->reports.n_secure))
		protect_reports(worker, &worker->reports);
}
