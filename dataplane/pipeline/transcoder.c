// The loop of a transcode lcore. Its work is in the transcode folder.
#include "idle.h"
#include "worker.h"

#define JOBS_MAX 32

int transcoder_run(void *argument)
{
	struct transcoder *transcoder = argument;
	const struct worker_shared *shared = transcoder->shared;
	struct idle idle;

	idle_init(&idle, shared->config.idle);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		unsigned int jobs =
			transcode_turn(shared->config.transcode, transcoder->index, JOBS_MAX);

		transcoder->turns++;
		transcoder->busy_turns += jobs > 0;
		idle_turn(&idle, jobs);
	}
	return 0;
}
