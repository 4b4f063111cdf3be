// What the transcoder has finished is one more source of packets to send. Its cookie is the leg
// that it is for, or NULL where that has gone since.
#include "checksum.h"
#include "stages.h"

static void to_output(struct worker *worker, struct rte_mbuf *mbuf, struct leg *leg)
{
	struct output *output = &worker->output;

	if (unlikely(!leg)) {
		drop(worker, mbuf, DROP_stale_transcoded);
		return;
	}
	if (rtp_parse(
		    rte_pktmbuf_mtod(mbuf, uint8_t *), mbuf->data_len, &output->views[output->n])) {
		drop(worker, mbuf, DROP_bad_rtp);
		return;
	}
	output->mbufs[output->n] = mbuf;
	output->sums[output->n] = SUM_UNKNOWN;
	output->legs[output->n++] = leg;
}

void collect(struct worker *worker)
{
	struct transcode *engine = worker->shared->config.transcode;
	unsigned int room = RTE_MIN(OUTPUT_MAX - worker->output.n, (unsigned int)BURST_MAX);
	struct rte_mbuf *mbufs[BURST_MAX];
	void *cookies[BURST_MAX];
	unsigned int n;

	if (!engine)
		return;
	n = transcode_collect(engine, worker->index, mbufs, cookies, room);
	worker->counters.from_codec += n;
	for (unsigned int i = 0; i < n; i++)
		to_output(worker, mbufs[i], cookies[i]);
}
