#include "scratch.h"

#include <errno.h>
#include <rte_common.h>
#include <rte_malloc.h>

int scratch_init(struct scratch *scratch, int socket_id)
{
	scratch->memory = rte_malloc_socket("transcode_scratch",
		(size_t)SCRATCH_BUFFERS * SCRATCH_SAMPLES * sizeof(int16_t), RTE_CACHE_LINE_SIZE,
		socket_id);
	if (!scratch->memory)
		return -ENOMEM;
	for (unsigned int i = 0; i < SCRATCH_BUFFERS; i++)
		scratch_return(scratch, scratch->memory + (size_t)i * SCRATCH_SAMPLES);
	return 0;
}

void scratch_fini(struct scratch *scratch)
{
	rte_free(scratch->memory);
}
