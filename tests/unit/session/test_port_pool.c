#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "port_pool.h"

static void every_pair_is_given_once_and_in_order(void **)
{
	struct port_pool *pool = port_pool_create(20000, 3);

	assert_int_equal(port_pool_free(pool), 3);
	assert_int_equal(port_pool_take(pool), 20000);
	assert_int_equal(port_pool_take(pool), 20002);
	assert_int_equal(port_pool_take(pool), 20004);
	assert_int_equal(port_pool_take(pool), 0);
	assert_int_equal(port_pool_free(pool), 0);
	port_pool_destroy(pool);
}

static void a_returned_pair_comes_back_last(void **)
{
	struct port_pool *pool = port_pool_create(20000, 3);

	assert_int_equal(port_pool_take(pool), 20000);
	port_pool_return(pool, 20000);
	assert_int_equal(port_pool_take(pool), 20002);
	assert_int_equal(port_pool_take(pool), 20004);
	assert_int_equal(port_pool_take(pool), 20000);
	port_pool_return(pool, 20004);
	port_pool_return(pool, 20000);
	assert_int_equal(port_pool_take(pool), 20004);
	port_pool_destroy(pool);
}

static void exact_pairs_are_taken_from_the_middle(void **)
{
	struct port_pool *pool = port_pool_create(20000, 4);

	assert_int_equal(port_pool_take_exact(pool, 20004), 0);
	assert_int_equal(port_pool_take_exact(pool, 20004), -EADDRINUSE);
	assert_int_equal(port_pool_take_exact(pool, 20005), -EADDRNOTAVAIL);
	assert_int_equal(port_pool_take_exact(pool, 20008), -EADDRNOTAVAIL);
	assert_int_equal(port_pool_take_exact(pool, 19998), -EADDRNOTAVAIL);
	assert_int_equal(port_pool_take(pool), 20000);
	assert_int_equal(port_pool_take(pool), 20002);
	assert_int_equal(port_pool_take(pool), 20006);
	assert_int_equal(port_pool_take(pool), 0);
	port_pool_return(pool, 20004);
	assert_int_equal(port_pool_take_exact(pool, 20004), 0);
	port_pool_destroy(pool);
}

static void the_highest_range_ends_at_65535(void **)
{
	struct port_pool *pool = port_pool_create(65534, 1);

	assert_int_equal(port_pool_take(pool), 65534);
	assert_null(port_pool_create(65534, 2));
	assert_null(port_pool_create(20001, 2));
	port_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_is_given_once_and_in_order),
		cmocka_unit_test(a_returned_pair_comes_back_last),
		cmocka_unit_test(exact_pairs_are_taken_from_the_middle),
		cmocka_unit_test(the_highest_range_ends_at_65535),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
