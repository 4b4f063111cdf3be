// SRTP to RTP and SRTCP to RTCP (RFC 3711), before anything believes a word of them. All packets of
// the turn, of whatever legs, are one burst for the ciphers. What does not authenticate, or came
// before, is dropped here: it latches nothing and counts as no media. So does plain RTP, which is
// SRTP with a wrong tag.
#include "checksum.h"
#include "stages.h"

static const struct {
	enum drop_reason reason;
	size_t counter; // of struct leg_rx
} verdicts[N_SRTP_STATUSES] = {
#define VERDICT(status, reason, counter) \
	[SRTP_STATUS_##status] = {DROP_##reason, offsetof(struct leg_rx, counter)}
	VERDICT(MALFORMED, srtp_malformed, dropped_auth),
	VERDICT(AUTH, srtp_auth, dropped_auth),
	VERDICT(MKI, srtp_mki, dropped_auth),
	VERDICT(REPLAY, srtp_replay, dropped_replay),
	VERDICT(LATE, srtp_late, dropped_replay),
	VERDICT(SSRC, srtp_ssrcs, dropped_other),
	VERDICT(LIMIT, srtp_limit, dropped_other),
	VERDICT(ROOM, srtp_failed, dropped_other), // does not happen
	VERDICT(FAILED, srtp_failed, dropped_other),
#undef VERDICT
};

static unsigned int add_jobs(
	const struct worker *worker, const struct burst *burst, bool rtcp, struct srtp_job *jobs)
{
	for (unsigned int i = 0; i < burst->n_secure; i++) {
		unsigned int at = burst->secure[i];

		jobs[i] = (struct srtp_job){
			.context = leg_context(
				worker->srtp, burst->legs[at], burst->configs[at], SRTP_RECEIVE),
			.packet = burst->payloads[at],
			.length = burst->lengths[at],
			.rtcp = rtcp,
		};
	}
	return burst->n_secure;
}

static void refuse(struct worker *worker, struct leg *leg, struct rte_mbuf *mbuf, uint8_t status)
{
	uint64_t *counter = (uint64_t *)((char *)&leg->rx + verdicts[status].counter);

	(*counter)++;
	drop(worker, mbuf, verdicts[status].reason);
}

// Returns whether the packet of this job stays.
static bool judge(
	struct worker *worker, struct burst *burst, unsigned int i, const struct srtp_job *job)
{
	struct leg *leg = burst->legs[i];
	enum drop_reason reason;

	if (job->status != SRTP_STATUS_OK) {
		refuse(worker, leg, burst->mbufs[i], job->status);
		return false;
	}
	worker->counters.unprotected++;
	if (unlikely(leg->srtp[SRTP_RECEIVE].overlaps))
		leg_srtp_retire(&leg->srtp[SRTP_RECEIVE]);
	burst->lengths[i] = job->out_length;
	burst->sums[i] = SUM_UNKNOWN;
	if (job->rtcp)
		return true;
	reason = burst_read_rtp(burst, i);
	if (reason != PASS)
		leg_drop(worker, leg, burst->mbufs[i], reason);
	return reason == PASS;
}

static void take_results(struct worker *worker, struct burst *burst, const struct srtp_job *jobs)
{
	unsigned int n = 0, n_judged = 0;

	for (unsigned int i = 0; i < burst->n; i++) {
		if (n_judged < burst->n_secure && burst->secure[n_judged] == i &&
			!judge(worker, burst, i, &jobs[n_judged++]))
			continue;
		burst_keep(burst, n++, i);
	}
	burst->n = n;
}

void unprotect(struct worker *worker)
{
	struct srtp_job jobs[BURST_MAX];
	unsigned int n_media;

	if (likely(worker->burst.n_secure + worker->rtcp.n_secure == 0))
		return;
	n_media = add_jobs(worker, &worker->burst, false, jobs);
	add_jobs(worker, &worker->rtcp, true, jobs + n_media);
	srtp_unprotect_burst(worker->srtp, jobs, n_media + worker->rtcp.n_secure);
	take_results(worker, &worker->burst, jobs);
	take_results(worker, &worker->rtcp, jobs + n_media);
}
