// The headers around what we send (headers.h). A stage of its own for two reasons: SRTP makes
// packets longer, and a checksum reads in wide words what rewrite() has just written in narrow
// ones, for which a CPU waits until the writes are through. Behind the other packets of the burst
// they are.
#include "checksum.h"
#include "headers.h"
#include "stages.h"

static void push_media(struct worker *worker, const struct output *output, unsigned int i)
{
	struct leg *leg = output->legs[i];
	const struct rtp_view *view = &output->views[i];

	if (!header_push(worker, output->mbufs[i], &leg->tx.header, output->sums[i]))
		return;
	leg->tx.packets++;
	leg->tx.bytes += view->payload_offset + view->payload_bytes;
	leg->tx.octets += view->payload_bytes;
}

void encapsulate(struct worker *worker)
{
	struct output *output = &worker->output;
	struct reports *reports = &worker->reports;

	for (unsigned int i = 0; i < output->n; i++)
		push_media(worker, output, i);
	for (unsigned int i = 0; i < reports->n; i++)
		reports->legs[i]->tx.rtcp +=
			header_push(worker, reports->mbufs[i], &reports->headers[i], SUM_UNKNOWN);
	output->n = 0;
	reports->n = 0;
	worker->n_byes = 0;
}
