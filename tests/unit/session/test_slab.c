// Objects from pieces: whole, zeroed, apart from each other, used again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_memory.h>

#include "session_rig.h"
#include "slab.h"
#include "spares.h"

#define BYTES 700
#define MANY  1000

static int eal(void **)
{
	rig_eal();
	return 0;
}

static void objects_are_zeroed_at_a_cache_line_and_apart(void **)
{
	static unsigned char *objects[MANY];
	struct slab slab;

	slab_init(&slab, BYTES, SOCKET_ID_ANY);
	for (unsigned int i = 0; i < MANY; i++) {
		objects[i] = slab_take(&slab);
		assert_non_null(objects[i]);
		assert_int_equal((uintptr_t)objects[i] % 64, 0);
		for (unsigned int j = 0; j < BYTES; j++)
			assert_int_equal(objects[i][j], 0);
		memset(objects[i], (int)i, BYTES);
	}
	for (unsigned int i = 0; i < MANY; i++) {
		for (unsigned int j = 0; j < BYTES; j++)
			assert_int_equal(objects[i][j], (unsigned char)i);
		slab_return(objects[i]);
	}
	assert_int_equal(slab.n_taken, 0);
	slab_fini(&slab);
}

static void what_is_given_back_is_taken_again_and_zeroed(void **)
{
	struct slab slab;
	unsigned char *first, *again;
	unsigned int n_objects;

	slab_init(&slab, BYTES, SOCKET_ID_ANY);
	first = slab_take(&slab);
	n_objects = slab.n_objects;
	for (unsigned int i = 0; i < MANY; i++) {
		memset(first, 0xff, BYTES);
		slab_return(first);
		again = slab_take(&slab);
		assert_ptr_equal(again, first);
		assert_int_equal(again[0] | again[8] | again[BYTES - 1], 0);
	}
	assert_int_equal(slab.n_objects, n_objects);
	slab_return(first);
	slab_return(NULL);
	slab_fini(&slab);
}

static void an_object_goes_back_to_its_own_slab(void **)
{
	struct slab a, b;
	void *of_a, *of_b;

	slab_init(&a, BYTES, SOCKET_ID_ANY);
	slab_init(&b, BYTES, SOCKET_ID_ANY);
	of_a = slab_take(&a);
	of_b = slab_take(&b);
	assert_int_equal(a.n_taken, 1);
	assert_int_equal(b.n_taken, 1);
	slab_return(of_b);
	assert_int_equal(a.n_taken, 1);
	assert_int_equal(b.n_taken, 0);
	slab_return(of_a);
	assert_int_equal(a.n_taken, 0);
	slab_fini(&a);
	slab_fini(&b);
}

static void an_object_costs_its_size(void **)
{
	struct slab slab;

	slab_init(&slab, BYTES, SOCKET_ID_ANY);
	assert_int_equal(slab.object_bytes, 704);
	slab_return(slab_take(&slab));
	assert_in_range(slab.n_objects, 65536 / 704 - 1, 65536 / 704);
	slab_fini(&slab);
}

// What a worker takes is there without the slab being asked, until main has not come by for long.
static void spares_are_bounded_and_come_back(void **)
{
	unsigned int n = 0, ready;
	struct spares spares;
	struct slab slab;
	void *taken[256];

	slab_init(&slab, 64, SOCKET_ID_ANY);
	assert_int_equal(spares_init(&spares, &slab, "test", 0), 0);
	assert_null(spares_take(&spares));
	spares_refill(&spares);
	ready = slab.n_taken;
	assert_in_range(ready, 32, 128);
	spares_refill(&spares);
	assert_int_equal(slab.n_taken, ready);
	while ((taken[n] = spares_take(&spares)))
		n++;
	assert_int_equal(n, ready);
	spares_refill(&spares);
	assert_int_equal(slab.n_taken, 2 * ready);
	assert_non_null(taken[n] = spares_take(&spares));
	for (unsigned int i = 0; i <= n; i++)
		slab_return(taken[i]);
	spares_fini(&spares);
	assert_int_equal(slab.n_taken, 0);
	slab_fini(&slab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_are_zeroed_at_a_cache_line_and_apart),
		cmocka_unit_test(what_is_given_back_is_taken_again_and_zeroed),
		cmocka_unit_test(an_object_goes_back_to_its_own_slab),
		cmocka_unit_test(an_object_costs_its_size),
		cmocka_unit_test(spares_are_bounded_and_come_back),
	};

	return cmocka_run_group_tests(tests, eal, NULL);
}
