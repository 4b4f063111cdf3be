// A piece is aligned to its size and begins with whose it is, so an object finds its slab from its
// address. It leaves some lines for the allocator, which else would need another 64 kB of every
// piece to put its own header before the next. Under AddressSanitizer an object that is not taken
// is poisoned: memory that is never given back hides no use after free.
#include "slab.h"

#include <assert.h>
#include <rte_common.h>
#include <rte_malloc.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, bytes)   ((void)(at), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

#define PIECE_ALIGN (64u << 10)
#define PIECE_BYTES (PIECE_ALIGN - 4 * RTE_CACHE_LINE_SIZE)

struct slab_piece {
	struct slab_piece *next;
	struct slab *slab;
} __rte_cache_aligned;

struct slab_object {
	struct slab_object *next;
};

void slab_init(struct slab *slab, size_t object_bytes, int socket_id)
{
	*slab = (struct slab){
		.object_bytes = RTE_ALIGN_CEIL(object_bytes, (size_t)RTE_CACHE_LINE_SIZE),
		.socket_id = socket_id,
	};
}

// Poison all but the link that lists it.
static void put(struct slab *slab, struct slab_object *object)
{
	object->next = slab->free;
	slab->free = object;
	ASAN_POISON_MEMORY_REGION(object + 1, slab->object_bytes - sizeof(*object));
}

static unsigned int objects_of_piece(size_t object_bytes)
{
	return (unsigned int)((PIECE_BYTES - sizeof(struct slab_piece)) / object_bytes);
}

size_t slab_bytes(size_t object_bytes, size_t n_objects)
{
	unsigned int n =
		objects_of_piece(RTE_ALIGN_CEIL(object_bytes, (size_t)RTE_CACHE_LINE_SIZE));

	return (n_objects + n - 1) / n * PIECE_ALIGN;
}

static int grow(struct slab *slab)
{
	unsigned int n = objects_of_piece(slab->object_bytes);
	struct slab_piece *piece =
		rte_malloc_socket("slab", PIECE_BYTES, PIECE_ALIGN, slab->socket_id);
	char *first;

	if (!piece)
		return -1;
	first = (char *)(piece + 1);
	*piece = (struct slab_piece){.next = slab->pieces, .slab = slab};
	slab->pieces = piece;
	slab->n_objects += n;
	while (n-- > 0) // the lowest is taken first
		put(slab, (struct slab_object *)(first + n * slab->object_bytes));
	return 0;
}

void *slab_take(struct slab *slab)
{
	struct slab_object *object;

	if (!slab->free && grow(slab))
		return NULL;
	object = slab->free;
	slab->free = object->next;
	slab->n_taken++;
	ASAN_UNPOISON_MEMORY_REGION(object, slab->object_bytes);
	return memset(object, 0, slab->object_bytes);
}

void slab_return(void *object)
{
	const struct slab_piece *piece =
		(const struct slab_piece *)((uintptr_t)object & ~(uintptr_t)(PIECE_ALIGN - 1));
	struct slab *slab;

	if (!object)
		return;
	slab = piece->slab;
	assert(slab->n_taken > 0);
	slab->n_taken--;
	put(slab, object);
}

void slab_fini(struct slab *slab)
{
	struct slab_piece *piece;

	while ((piece = slab->pieces)) {
		slab->pieces = piece->next;
		ASAN_UNPOISON_MEMORY_REGION(piece, PIECE_BYTES);
		rte_free(piece);
	}
	slab->free = NULL;
}
