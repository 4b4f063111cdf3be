// control/media against the dataplane's own server and sessions: both ends' loops turn in step.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane_rig.h"
#include "media.h"
#include "media_log.h"
#include "media_shard.h"
#include "sl_client.h"

#define TURNS_MAX 20000 // of 0.1 ms

static char socket_path[64];
static struct event_base *base;
static struct media *media;

// What the callbacks saw, of the one session that most tests have.
static struct {
	unsigned int n_ready, n_closed, n_found, n_answers;
	int status;
	bool closed_with_report;
	bool up;
	bool lost;
	char record[32];
	struct media_session *adopter; // NULL: do not adopt
	unsigned int n_shard, n_marks_answers, n_marks, n_shard_events;
	int shard_status, marks_status;
	uint8_t shard_state;
	struct sl_mark marks[8];
	struct sl_shard_event shard_event;
} seen;

static void on_ready(struct media_session *, int status)
{
	seen.n_ready++;
	seen.status = status;
}

static void on_event(struct media_session *, const struct sl_media_event *)
{
}

static size_t on_record(struct media_session *session, void *out, size_t size)
{
	assert_true(size >= 8);
	memcpy(out, "record-", 7);
	((char *)out)[7] = (char)('0' + session->id.bytes[0]);
	return 8;
}

static void on_closed(struct media_session *, const struct sl_session_report *report)
{
	seen.n_closed++;
	seen.closed_with_report = report != NULL;
}

static enum media_found on_found(void *, const struct sl_session_report *report, const void *record)
{
	seen.n_found++;
	memcpy(seen.record, record, report->session.record_length);
	if (!seen.adopter)
		return MEDIA_FOUND_ORPHAN;
	media_session_adopt(media, seen.adopter, report);
	return MEDIA_FOUND_ADOPTED;
}

static void on_state(void *, bool up)
{
	seen.up = up;
}

static void on_shard_event(void *, const struct sl_shard_event *event)
{
	seen.n_shard_events++;
	seen.shard_event = *event;
}

static const struct media_ops ops = {
	.ready = on_ready,
	.event = on_event,
	.record = on_record,
	.closed = on_closed,
	.found = on_found,
	.state = on_state,
	.shard = on_shard_event,
};

static void turn(void)
{
	dataplane_turn();
	event_base_loop(base, EVLOOP_NONBLOCK);
}

#define until(condition)                                       \
	do {                                                   \
		int turns_ = 0;                                \
		while (!(condition) && turns_++ < TURNS_MAX) { \
			turn();                                \
			usleep(100);                           \
		}                                              \
		assert_true(condition);                        \
	} while (0)

static void settle(void)
{
	for (int i = 0; i < 20; i++)
		turn();
}

static void media_begin(void)
{
	media = media_create(base, socket_path, &ops, NULL);
	assert_non_null(media);
}

static int setup(void **)
{
	memset(&seen, 0, sizeof(seen));
	log_media.level = LOG_LEVEL_ERROR;
	snprintf(socket_path, sizeof(socket_path), "/tmp/sluice-test-media-%d.sock", getpid());
	base = event_base_new();
	dataplane_start(socket_path);
	media_begin();
	until(seen.up);
	return 0;
}

static int teardown(void **)
{
	media_destroy(media);
	dataplane_stop(false);
	event_base_free(base);
	return 0;
}

// A session that wants two ports and nothing else.
static struct media_session session_of(uint8_t number)
{
	struct media_session session = {.id.bytes = {number}};

	for (int i = 0; i < MEDIA_LEGS; i++) {
		session.legs[i].local =
			(struct sl_address){.bytes = {192, 0, 2, 1}, .family = SL_IPV4};
		session.legs[i].source = SL_NO_LEG;
		session.legs[i].transport = SL_NO_LEG;
	}
	return session;
}

static void open_and_set(struct media_session *session)
{
	unsigned int n_ready = seen.n_ready;

	media_session_open(media, session);
	media_session_update(session);
	until(seen.n_ready > n_ready);
	assert_int_equal(seen.status, 0);
}

static void close_and_wait(struct media_session *session)
{
	media_session_close(session);
	until(seen.n_closed == 1);
	until(dataplane_n_sessions() == 0);
}

static void ports_are_chosen_and_known(void **)
{
	struct media_session session = session_of(1);

	open_and_set(&session);
	assert_true(session.legs[0].local.port >= 20000);
	assert_int_equal(session.legs[0].local.port % 2, 0);
	assert_int_not_equal(session.legs[0].local.port, session.legs[1].local.port);
	assert_int_not_equal(session.legs[0].ssrc, 0);
	assert_ptr_equal(media_session_find(media, &session.id), &session);
	close_and_wait(&session);
	assert_true(seen.closed_with_report);
	assert_null(media_session_find(media, &session.id));
}

static void updates_of_one_turn_are_one_request(void **)
{
	struct media_session session = session_of(1);

	open_and_set(&session);
	for (int i = 0; i < 5; i++)
		media_session_update(&session);
	settle();
	assert_int_equal(seen.n_ready, 2);
	close_and_wait(&session);
}

// The dataplane alone turns: what was settled is there though our loop never ran again.
static void settled_update_is_sent_before_the_end_of_the_turn(void **)
{
	struct media_session session = session_of(1);

	media_session_open(media, &session);
	media_session_update(&session);
	for (int i = 0; i < 20; i++)
		dataplane_turn();
	assert_int_equal(dataplane_n_sessions(), 0);
	media_session_settle(&session);
	for (int i = 0; i < TURNS_MAX && !dataplane_n_sessions(); i++) {
		dataplane_turn();
		usleep(100);
	}
	assert_int_equal(dataplane_n_sessions(), 1);
	settle();
	assert_int_equal(seen.n_ready, 1); // and not once more at the end
	close_and_wait(&session);
}

static void state_that_contradicts_itself_is_reported(void **)
{
	struct media_session session = session_of(1);

	session.legs[0].local.port = 20001;
	media_session_open(media, &session);
	media_session_update(&session);
	until(seen.n_ready == 1);
	assert_int_equal(seen.status, -EINVAL);
	close_and_wait(&session);
}

static void session_that_was_never_set_closes_without_a_report(void **)
{
	struct media_session session = session_of(1);

	media_session_open(media, &session);
	media_session_close(&session);
	assert_int_equal(seen.n_closed, 0); // never from inside
	close_and_wait(&session);
	assert_false(seen.closed_with_report);
}

static void closed_session_hears_nothing_more(void **)
{
	struct media_session session = session_of(1);

	media_session_open(media, &session);
	media_session_update(&session);
	turn(); // sent, not answered yet
	media_session_close(&session);
	close_and_wait(&session);
	assert_int_equal(seen.n_ready, 0);
}

static void restarted_dataplane_gets_the_sessions_with_their_ports(void **)
{
	struct media_session session = session_of(1);
	uint16_t ports[MEDIA_LEGS];

	open_and_set(&session);
	for (int i = 0; i < MEDIA_LEGS; i++)
		ports[i] = session.legs[i].local.port;
	dataplane_stop(false);
	until(!seen.up);
	dataplane_start(socket_path);
	until(seen.up);
	until(dataplane_n_sessions() == 1);
	settle();
	assert_int_equal(seen.status, 0);
	for (int i = 0; i < MEDIA_LEGS; i++)
		assert_int_equal(session.legs[i].local.port, ports[i]);
	close_and_wait(&session);
	assert_true(seen.closed_with_report);
}

static void secure(struct sl_leg *leg, uint8_t first)
{
	leg->srtp_receive.suite = leg->srtp_send.suite = SL_SRTP_AEAD_AES_128_GCM;
	leg->srtp_receive.key[0] = first;
	leg->srtp_send.key[0] = (uint8_t)(first + 1);
}

// RFC 3711 9.1: no index is used twice under a key, and those of an SSRC are lost.
static void restarted_dataplane_sends_srtp_under_a_new_ssrc(void **)
{
	struct media_session session = session_of(1);
	struct sl_leg before[MEDIA_LEGS];

	secure(&session.legs[0], 1);
	open_and_set(&session);
	memcpy(before, session.legs, sizeof(before));
	dataplane_stop(false);
	until(!seen.up);
	dataplane_start(socket_path);
	until(seen.up);
	until(seen.n_ready == 2);
	assert_int_equal(seen.status, 0);
	assert_int_not_equal(session.legs[0].ssrc, 0);
	assert_int_not_equal(session.legs[0].ssrc, before[0].ssrc);
	assert_int_equal(session.legs[1].ssrc, before[1].ssrc); // plain
	assert_memory_equal(
		&session.legs[0].srtp_send, &before[0].srtp_send, sizeof(before[0].srtp_send));
	close_and_wait(&session);
}

static void broken_connection_alone_keeps_the_ssrc_of_srtp(void **)
{
	struct media_session session = session_of(1);
	uint32_t ssrc;

	secure(&session.legs[0], 1);
	open_and_set(&session);
	ssrc = session.legs[0].ssrc;
	dataplane_stop(true);
	until(!seen.up);
	dataplane_start(socket_path);
	until(seen.up);
	media_session_update(&session);
	until(seen.n_ready == 2);
	assert_int_equal(session.legs[0].ssrc, ssrc);
	close_and_wait(&session);
}

static void indices_of_the_far_end_are_kept_for_a_restart(void **)
{
	struct media_session session = session_of(1);
	struct sl_session_report report = {.session.n_legs = MEDIA_LEGS};
	const struct sl_srtp_indices heard = {.rtp_next = 3 << 16 | 17, .rtcp_next = 5, .ssrc = 9};

	secure(&session.legs[0], 1);
	open_and_set(&session);
	report.stats[0].srtp_received = heard;
	report.stats[1].srtp_received = heard; // means nothing without a key
	media_session_heard(&session, &report);
	report.stats[0].srtp_received = (struct sl_srtp_indices){}; // no packet since
	media_session_heard(&session, &report);
	assert_memory_equal(&session.legs[0].srtp_receive.resume, &heard, sizeof(heard));
	assert_int_equal(session.legs[0].srtp_send.resume.rtp_next, 0);
	assert_int_equal(session.legs[1].srtp_receive.resume.rtp_next, 0);
	media_session_update(&session);
	until(seen.n_ready == 2);
	assert_int_equal(seen.status, 0);
	close_and_wait(&session);
}

static void broken_connection_alone_sets_nothing_again(void **)
{
	struct media_session session = session_of(1);

	open_and_set(&session);
	dataplane_stop(true);
	until(!seen.up);
	dataplane_start(socket_path);
	until(seen.up);
	settle();
	assert_int_equal(seen.n_ready, 1);
	assert_int_equal(dataplane_n_sessions(), 1);
	close_and_wait(&session);
}

static void update_while_away_is_made_good(void **)
{
	struct media_session session = session_of(1), late = session_of(2);

	open_and_set(&session);
	dataplane_stop(true);
	until(!seen.up);
	media_session_update(&session);
	media_session_open(media, &late);
	media_session_update(&late);
	settle();
	assert_int_equal(seen.n_ready, 1);
	dataplane_start(socket_path);
	until(seen.n_ready == 3);
	assert_int_equal(seen.status, 0);
	assert_int_equal(dataplane_n_sessions(), 2);
	media_session_close(&late);
	until(seen.n_closed == 1);
	seen.n_closed = 0;
	close_and_wait(&session);
}

// Its owner need not wait; the dataplane is told when it is back.
static void session_closed_while_away_is_deleted_later(void **)
{
	struct media_session session = session_of(1);

	open_and_set(&session);
	dataplane_stop(true);
	until(!seen.up);
	media_session_close(&session);
	until(seen.n_closed == 1);
	assert_false(seen.closed_with_report);
	assert_int_equal(dataplane_n_sessions(), 1);
	dataplane_start(socket_path);
	until(dataplane_n_sessions() == 0);
	assert_int_equal(seen.n_found, 1); // left over, and nobody wants it
}

static void connection_lost_during_the_last_question_closes_too(void **)
{
	struct media_session session = session_of(1);

	open_and_set(&session);
	media_session_close(&session);
	event_base_loop(base, EVLOOP_NONBLOCK); // asked, but the dataplane's loop does not turn
	dataplane_stop(true);
	until(seen.n_closed == 1);
	dataplane_start(socket_path);
	until(dataplane_n_sessions() == 0);
}

static void earlier_run_leaves(struct media_session *session)
{
	open_and_set(session);
	media_destroy(media);
	memset(&seen, 0, sizeof(seen));
}

static void session_of_an_earlier_run_is_adopted(void **)
{
	struct media_session session = session_of(3), adopter = {};

	earlier_run_leaves(&session);
	seen.adopter = &adopter;
	media_begin();
	assert_false(media_is_recovered(media));
	until(seen.up);
	assert_true(media_is_recovered(media));
	assert_int_equal(seen.n_found, 1);
	assert_string_equal(seen.record, "record-3");
	assert_int_equal(adopter.legs[1].local.port, session.legs[1].local.port);
	assert_ptr_equal(media_session_find(media, &session.id), &adopter);
	media_session_update(&adopter);
	until(seen.n_ready == 1);
	assert_int_equal(dataplane_n_sessions(), 1);
	close_and_wait(&adopter);
	assert_true(seen.closed_with_report);
}

static void session_that_nobody_wants_is_deleted(void **)
{
	struct media_session session = session_of(3);
	struct media_status status;

	earlier_run_leaves(&session);
	media_begin();
	until(seen.up);
	until(dataplane_n_sessions() == 0);
	assert_int_equal(seen.n_found, 1);
	media_status_get(media, &status);
	assert_int_equal(status.n_orphans_deleted, 1);
}

static void on_answer(void *, const struct sl_message *message)
{
	seen.lost = !message;
	seen.n_answers += !message || !message->more;
	seen.status = message ? message->status : 0;
}

static void questions_are_answered_once(void **)
{
	struct media_session session = session_of(1);
	const struct sl_id unknown = {.bytes = {99}};

	open_and_set(&session);
	assert_int_equal(media_get(media, &session.id, on_answer, NULL), 0);
	assert_int_equal(media_list(media, on_answer, NULL), 0);
	assert_int_equal(media_stats(media, on_answer, NULL), 0);
	until(seen.n_answers == 3);
	assert_int_equal(media_get(media, &unknown, on_answer, NULL), 0);
	until(seen.n_answers == 4);
	assert_int_equal(seen.status, -ENOENT);
	assert_int_equal(media_get(media, &session.id, on_answer, NULL), 0);
	dataplane_stop(true);
	until(seen.n_answers == 5);
	assert_true(seen.lost);
	assert_int_equal(media_get(media, &session.id, on_answer, NULL), -ENOTCONN);
	dataplane_start(socket_path);
	until(seen.up);
	close_and_wait(&session);
}

// ---- shards ----

static void on_shard(void *, int status, const struct sl_shard *now)
{
	seen.n_shard++;
	seen.shard_status = status;
	seen.shard_state = now ? now->state : UINT8_MAX;
}

static void on_marks(void *, int status, const struct sl_mark *marks, size_t n_marks, bool more)
{
	seen.n_marks_answers += !more;
	seen.marks_status = status;
	for (size_t i = 0; i < n_marks && seen.n_marks < 8; i++)
		seen.marks[seen.n_marks++] = marks[i];
}

static struct sl_shard shard_of(uint8_t state, uint64_t epoch)
{
	return (struct sl_shard){.name = "s1",
		.epoch = epoch,
		.valid_until_ns = media_now_ns() + 60 * UINT64_C(1000000000),
		.pause_ms = 1000,
		.state = state};
}

static void set_shard(uint8_t state, uint64_t epoch)
{
	struct sl_shard shard = shard_of(state, epoch);
	unsigned int n = seen.n_shard;

	assert_int_equal(media_shard_set(media, &shard, on_shard, NULL), 0);
	until(seen.n_shard > n);
}

// Sessions, their marks, then the shard: else the marks would be refused (-EBUSY, -ENOENT).
static void a_shard_becomes_active_behind_sessions_and_marks(void **)
{
	enum { N = 400 }; // marks, of several messages
	static struct sl_mark marks[N];
	struct media_session session = session_of(1);
	struct sl_shard shard = shard_of(SL_SHARD_ACTIVE, 1);

	for (unsigned int i = 0; i < N; i++)
		marks[i] = (struct sl_mark){.id = session.id, .leg = i % 2};
	media_session_open(media, &session);
	assert_int_equal(media_shard_set(media, &shard, on_shard, NULL), 0);
	assert_int_equal(media_marks_set(media, marks, N, on_marks, NULL), 0);
	media_session_update(&session);
	assert_int_equal(seen.n_shard + seen.n_marks_answers, 0); // not from inside
	until(seen.n_shard == 1);
	assert_int_equal(seen.shard_status, 0);
	assert_int_equal(seen.shard_state, SL_SHARD_ACTIVE);
	assert_int_equal(seen.n_marks_answers, 1);
	assert_int_equal(seen.marks_status, 0);
	assert_int_equal(media_marks_set(media, marks, 1, on_marks, NULL), 0);
	until(seen.n_marks_answers == 2);
	assert_int_equal(seen.marks_status, -EBUSY);
	close_and_wait(&session);
}

static void marks_of_a_shard_are_read(void **)
{
	struct media_session session = session_of(1);

	open_and_set(&session);
	assert_int_equal(media_marks_get(media, "s1", on_marks, NULL), 0);
	until(seen.n_marks_answers == 1);
	assert_int_equal(seen.n_marks, 2);
	assert_memory_equal(&seen.marks[1].id, &session.id, sizeof(session.id));
	assert_int_equal(seen.marks[1].leg, 1);
	assert_int_equal(seen.marks[1].sent.ssrc, session.legs[1].ssrc);
	assert_int_equal(media_marks_get(media, "s2", on_marks, NULL), 0);
	until(seen.n_marks_answers == 2);
	assert_int_equal(seen.marks_status, -ENOENT);
	close_and_wait(&session);
}

static void refusals_of_a_shard_are_told(void **)
{
	struct sl_shard shard = shard_of(SL_SHARD_ACTIVE, 3);

	set_shard(SL_SHARD_ACTIVE, 5);
	assert_int_equal(seen.shard_state, SL_SHARD_ACTIVE);
	assert_int_equal(media_shard_set(media, &shard, on_shard, NULL), 0);
	until(seen.n_shard == 2);
	assert_int_equal(seen.shard_status, -ESTALE);
	set_shard(SL_SHARD_INACTIVE, 6);
	assert_int_equal(seen.shard_state, SL_SHARD_INACTIVE);
	memset(shard.name, 'x', sizeof(shard.name));
	assert_int_equal(media_shard_set(media, &shard, on_shard, NULL), -EINVAL);
}

static void a_restarted_dataplane_gets_its_shards_again(void **)
{
	struct media_session session = session_of(1);

	open_and_set(&session);
	set_shard(SL_SHARD_ACTIVE, 1);
	dataplane_stop(false);
	until(!seen.up);
	dataplane_start(socket_path);
	until(seen.up);
	set_shard(SL_SHARD_FROZEN, 1); // behind what was remembered
	assert_int_equal(seen.shard_status, 0);
	dataplane_stop(true);
	until(!seen.up);
	assert_int_equal(media_marks_get(media, "s1", on_marks, NULL), -ENOTCONN);
	dataplane_start(socket_path);
	until(seen.up);
	close_and_wait(&session);
}

static void a_conflict_is_told(void **)
{
	set_shard(SL_SHARD_ACTIVE, 1);
	dataplane_is_claimed();
	until(seen.n_shard_events == 1);
	assert_int_equal(seen.shard_event.type, SL_SHARD_CONFLICT);
	assert_int_equal(seen.shard_event.state, SL_SHARD_ACTIVE);
	assert_string_equal(seen.shard_event.name, "s1");
	assert_int_equal(seen.shard_event.mac[1], 9);
}

// More than the socket holds at once, while the dataplane does not read: nothing is lost.
static void full_socket_delays_only(void **)
{
	enum { N = 20000 };
	static struct media_session session;
	unsigned int n_asked = 0;

	session = session_of(1);
	open_and_set(&session);
	for (int i = 0; i < 1000; i++) { // a request each turn, none of them read
		media_session_update(&session);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	while (n_asked < N && !media_get(media, &session.id, on_answer, NULL))
		n_asked++;
	assert_true(n_asked < N); // it is full
	until(seen.n_answers == n_asked);
	close_and_wait(&session);
	assert_int_equal(seen.status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(ports_are_chosen_and_known),
		TEST(updates_of_one_turn_are_one_request),
		TEST(state_that_contradicts_itself_is_reported),
		TEST(session_that_was_never_set_closes_without_a_report),
		TEST(closed_session_hears_nothing_more),
		TEST(restarted_dataplane_gets_the_sessions_with_their_ports),
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(ports_are_chosen_and_known),
		TEST(updates_of_one_turn_are_one_request),
		TEST(state_that_contradicts_itself_is_reported),
		TEST(session_that_was_never_set_closes_without_a_report),
		TEST(closed_session_hears_nothing_more),
		TEST(restarted_dataplane_sends_srtp_under_a_new_ssrc),
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(ports_are_chosen_and_known),
		TEST(updates_of_one_turn_are_one_request),
		TEST(state_that_contradicts_itself_is_reported),
		TEST(session_that_was_never_set_closes_without_a_report),
		TEST(closed_session_hears_nothing_more),
		TEST(broken_connection_alone_keeps_the_ssrc_of_srtp),
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(ports_are_chosen_and_known),
		TEST(updates_of_one_turn_are_one_request),
		TEST(state_that_contradicts_itself_is_reported),
		TEST(session_that_was_never_set_closes_without_a_report),
		TEST(closed_session_hears_nothing_more),
		TEST(indices_of_the_far_end_are_kept_for_a_restart),
		TEST(settled_update_is_sent_before_the_end_of_the_turn),
		TEST(broken_connection_alone_sets_nothing_again),
		TEST(update_while_away_is_made_good),
		TEST(session_closed_while_away_is_deleted_later),
		TEST(connection_lost_during_the_last_question_closes_too),
		TEST(session_of_an_earlier_run_is_adopted),
		TEST(session_that_nobody_wants_is_deleted),
		TEST(questions_are_answered_once),
		TEST(full_socket_delays_only),
		TEST(a_shard_becomes_active_behind_sessions_and_marks),
		TEST(marks_of_a_shard_are_read),
		TEST(refusals_of_a_shard_are_told),
		TEST(a_restarted_dataplane_gets_its_shards_again),
		TEST(a_conflict_is_told),
	};

	dataplane_use_shards();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
