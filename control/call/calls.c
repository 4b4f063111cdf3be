// All calls, and the life of one. The subtle thing: a call is freed by call_release() only, which
// the state machine asks after each event and the session after its last word, so an action may
// end its call and still look at it.
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call_private.h"
#include "guard.h"
#include "sdp.h"

LOG_MODULE(log_call, "call");

#define SETUP_S		 5 // for the dataplane to name ports
#define RECOVERY_GRACE_S 2 // for the dataplane to be there after our start
#define STOP_TURN_MS	 20
#define STOP_TURNS_MAX	 100

uint64_t now_realtime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t now_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

const struct realm *calls_realm(const struct calls *calls, const struct listener *listener)
{
	for (size_t i = 0; i < calls->n_listeners; i++) {
		if (calls->listeners[i].listener == listener)
			return calls->listeners[i].realm;
	}
	return NULL;
}

enum transport_protocol calls_protocol(enum realm_transport transport)
{
	static const enum transport_protocol protocols[] = {[REALM_UDP] = TRANSPORT_UDP,
		[REALM_TCP] = TRANSPORT_TCP,
		[REALM_TLS] = TRANSPORT_TLS};

	return protocols[transport];
}

struct listener *calls_listener(const struct calls *calls, const struct realm *realm,
	enum transport_protocol protocol, const struct sockaddr *peer)
{
	for (size_t i = 0; i < calls->n_listeners; i++) {
		struct listener *listener = calls->listeners[i].listener;

		if (calls->listeners[i].realm == realm && listener_protocol(listener) == protocol &&
			listener_address(listener)->any.sa_family == peer->sa_family)
			return listener;
	}
	return NULL;
}

// One call.

static void on_call_timer(evutil_socket_t, short, void *arg)
{
	struct call_event event = {.type = EVENT_TIMER};

	call_event(arg, &event);
}

void call_trace(const struct call *call, struct slice call_id)
{
	if (call->calls->trace)
		trace_assign(call->calls->trace, call_id, call->id.bytes);
}

void call_timer_set(struct call *call, const struct timeval *after)
{
	evtimer_del(&call->timer);
	if (after)
		evtimer_add(&call->timer, after);
}

struct call *call_create(struct calls *calls, const struct ulid *id)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		return NULL;
	call->calls = calls;
	call->id = *id;
	ulid_format(id, call->id_text);
	memcpy(call->session.id.bytes, id->bytes, sizeof(id->bytes));
	leg_init(&call->legs[LEG_A], call, LEG_A);
	leg_init(&call->legs[LEG_B], call, LEG_B);
	evtimer_assign(&call->timer, calls->settings.base, on_call_timer, call);
	TAILQ_INSERT_TAIL(&calls->list, call, in_calls);
	calls->counters.active_now++;
	return call;
}

static void call_destroy(struct call *call)
{
	TAILQ_REMOVE(&call->calls->list, call, in_calls);
	evtimer_del(&call->timer);
	for (int i = 0; i < LEGS; i++)
		leg_fini(&call->legs[i]);
	hunt_fini(call);
	message_destroy(call->refer);
	if (call->before)
		negotiation_wipe(call->before);
	free(call->before);
	if (call->first_offer)
		explicit_bzero(call->first_offer, sizeof(*call->first_offer));
	free(call->first_offer);
	description_wipe(call);
	free(call);
}

void call_forget(struct call *call)
{
	call->calls->counters.active_now--;
	call_destroy(call);
}

void call_release(struct call *call)
{
	bool bye_due = call->legs[LEG_A].bye_due || call->legs[LEG_B].bye_due;

	if (call->state == CALL_OVER && call->session_closed && !bye_due)
		call_destroy(call);
}

void call_over(struct call *call, enum call_ender by, unsigned int status, const char *why,
	const struct sip_message *cause)
{
	static const char *const enders[] = {"a", "b", "sluice"};
	struct calls *calls = call->calls;

	transfer_call_over(call, status);
	call->ended_by = by;
	call->end_status = status;
	call->end_why = why;
	call->times.end_ms = now_realtime_ms();
	call_timer_set(call, NULL);
	for (int i = 0; i < LEGS; i++) {
		leg_end(&call->legs[i], status, cause);
		leg_leave(&call->legs[i]);
	}
	calls->counters.active_now--;
	if (!call->times.answer_ms)
		calls->counters.refused++;
	log_info(&log_call, "ended", "call=%s by=%s status=%u why=%s duration_ms=%llu",
		call->id_text, enders[by], status, why, (unsigned long long)call_duration_ms(call));
	media_session_close(&call->session);
}

// All calls.

// Timers of one length share a queue: O(1) however many calls there are.
static const struct timeval *timeout_of(struct calls *calls, uint32_t seconds)
{
	struct timeval length = {.tv_sec = seconds};

	return seconds ? event_base_init_common_timeout(calls->settings.base, &length) : NULL;
}

static void on_grace_over(evutil_socket_t, short, void *arg)
{
	struct calls *calls = arg;

	if (!calls->ready)
		log_warn(&log_call, "nothing_recovered", "reason=dataplane_away");
	calls->ready = true;
}

int trunk_admit(const struct calls *calls, const struct trunk *trunk)
{
	int err = 0;

	for (size_t i = 0; i < trunk->n_peers; i++)
		for (size_t j = 0; !err && j < trunk->peers[i].n_targets; j++)
			err = guard_allow(
				calls->settings.guard, (const struct sockaddr *)&trunk->peers[i]
							       .targets[j]
							       .target->address);
	return err;
}

// Their hosts may talk to us.
static int trunks_open(struct calls *calls)
{
	const struct trunks *trunks = calls->settings.trunks;
	int err = 0;

	for (size_t i = 0; !err && i < trunks->n; i++) {
		err = trunk_open(&trunks->list[i], NULL);
		if (!err)
			err = trunk_admit(calls, &trunks->list[i]);
	}
	return err;
}

static int parts_create(struct calls *calls, char *error, size_t error_size)
{
	const struct calls_settings *settings = &calls->settings;
	const struct stack_config stack = {
		.base = settings->base, .user = &signalling, .arg = calls};
	struct timeval grace = {.tv_sec = RECOVERY_GRACE_S};

	calls->cdr = cdr_open(settings->cdr_file);
	if (!calls->cdr) {
		snprintf(error, error_size, "CDR file %s: %s", settings->cdr_file, strerror(errno));
		return -errno;
	}
	snprintf(error, error_size, "out of memory");
	if (trunks_open(calls))
		return -ENOMEM;
	calls->sdp = malloc(sizeof(*calls->sdp));
	if (settings->trace_bytes)
		calls->trace = trace_create(settings->trace_bytes);
	calls->dialogs = dialog_table_create();
	calls->stack = stack_create(&stack);
	calls->media = media_create(settings->base, settings->dataplane, &session_ops, calls);
	calls->grace_timer = evtimer_new(settings->base, on_grace_over, calls);
	if (settings->trace_bytes && !calls->trace)
		return -ENOMEM;
	if (proof_open(calls))
		return -errno;
	if (!calls->sdp || !calls->dialogs || !calls->stack || !calls->media || !calls->grace_timer)
		return -ENOMEM;
	evtimer_add(calls->grace_timer, &grace);
	return 0;
}

struct calls *calls_create(const struct calls_settings *settings, char *error, size_t error_size)
{
	struct calls *calls = calloc(1, sizeof(*calls));
	int err = -ENOMEM;

	if (calls) {
		calls->settings = *settings;
		TAILQ_INIT(&calls->list);
		calls->setup_timeout = timeout_of(calls, SETUP_S);
		calls->no_answer_timeout = timeout_of(calls, settings->no_answer_s);
		calls->max_duration = timeout_of(calls, settings->max_duration_s);
		err = parts_create(calls, error, error_size);
	}
	if (err) {
		calls_destroy(calls);
		errno = -err;
		return NULL;
	}
	return calls;
}

// "192.0.2.1:5060" of what the realm wants to be known as; absent: the bound address.
static struct slice advertised_write(
	const struct realm *realm, const struct sip_address *bound, char *out)
{
	char host[SIP_ADDRESS_TEXT_SIZE];
	struct sip_address address;

	if (realm->advertised.family != (bound->any.sa_family == AF_INET6 ? 6 : 4))
		return (struct slice){};
	sdp_address_text(&realm->advertised, host, sizeof(host));
	if (sip_address_parse(slice_of(host), sip_address_port(bound), &address))
		return (struct slice){};
	return sip_address_format(&address, out);
}

static int listener_add(
	struct calls *calls, const struct realm *realm, const struct realm_listener *wanted)
{
	struct calls_listener *own = &calls->listeners[calls->n_listeners];
	char advertised[SIP_ADDRESS_TEXT_SIZE];
	struct sip_address address;
	int err = sip_address_from(
		(const struct sockaddr *)&wanted->address, sizeof(wanted->address), &address);

	if (err)
		return err;
	own->realm = realm;
	own->listener =
		listener_open(stack_transport(calls->stack), calls_protocol(wanted->transport),
			&address, advertised_write(realm, &address, advertised));
	if (!own->listener)
		return -errno;
	calls->n_listeners++;
	return 0;
}

static int realm_listen(
	struct calls *calls, const struct realm *realm, char *error, size_t error_size)
{
	static const char *const names[] = {
		[REALM_UDP] = "udp", [REALM_TCP] = "tcp", [REALM_TLS] = "tls"};

	for (size_t i = 0; i < realm->n_listeners; i++) {
		int err = listener_add(calls, realm, &realm->listeners[i]);
		char text[SIP_ADDRESS_TEXT_SIZE];

		address_text(
			(const struct sockaddr *)&realm->listeners[i].address, text, sizeof(text));
		if (err) {
			snprintf(error, error_size, "realm %s: cannot listen on %s: %s",
				realm->name, text, strerror(-err));
			return err;
		}
		log_info(&log_call, "listening", "realm=%s %s=%s", realm->name,
			names[realm->listeners[i].transport], text);
	}
	return 0;
}

int calls_listen(struct calls *calls, char *error, size_t error_size)
{
	const struct calls_settings *settings = &calls->settings;
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; i < settings->n_realms; i++)
		n += settings->realms[i].n_listeners;
	calls->listeners = calloc(n ? n : 1, sizeof(*calls->listeners));
	if (!calls->listeners)
		return -ENOMEM;
	for (size_t i = 0; !err && i < settings->n_realms; i++)
		err = realm_listen(calls, &settings->realms[i], error, error_size);
	if (!err)
		err = tls_ends_open(calls, error, error_size);
	if (err)
		return err;
	calls->probes = probes_start(calls);
	return calls->probes ? peers_start(calls) : -ENOMEM;
}

// Stopping: what is not answered ends, what is stays in the dataplane.

static bool call_may_stay(const struct call *call)
{
	return call->state >= CALL_ANSWERED && call->state <= CALL_MODIFIED;
}

static void on_stop_turn(evutil_socket_t, short, void *arg)
{
	struct timeval turn = {.tv_usec = STOP_TURN_MS * 1000};
	struct calls *calls = arg;
	unsigned int n_ending = 0;
	struct call *call;

	TAILQ_FOREACH (call, &calls->list, in_calls)
		n_ending += !call_may_stay(call);
	if (n_ending && calls->stop_turns++ < STOP_TURNS_MAX)
		evtimer_add(calls->stop_timer, &turn);
	else
		calls->stopped(calls->stopped_arg);
}

void calls_stop(struct calls *calls, void (*stopped)(void *arg), void *arg)
{
	struct call_event event = {.type = EVENT_HANGUP, .status = 503, .why = "stopping"};
	struct call *call, *next;

	if (calls->stopped)
		return;
	calls->stopped = stopped;
	calls->stopped_arg = arg;
	for (call = TAILQ_FIRST(&calls->list); call; call = next) {
		next = TAILQ_NEXT(call, in_calls);
		if (!call_may_stay(call) && call->state != CALL_OVER)
			call_event(call, &event);
	}
	log_info(&log_call, "stopping", "calls_left_in_dataplane=%u", calls->counters.active_now);
	calls->stop_timer = evtimer_new(calls->settings.base, on_stop_turn, calls);
	if (calls->stop_timer)
		event_active(calls->stop_timer, EV_TIMEOUT, 0);
	else
		stopped(arg);
}

bool calls_are_stopping(const struct calls *calls)
{
	return calls->stopped;
}

void calls_destroy(struct calls *calls)
{
	struct call *call;

	if (!calls)
		return;
	media_destroy(calls->media);
	probes_stop(calls->probes);
	peers_stop(calls);
	while ((call = TAILQ_FIRST(&calls->list)))
		call_destroy(call);
	if (calls->stack)
		stack_destroy(calls->stack); // closes attempts, so the dialogs go after it
	tls_ends_close(calls);
	if (calls->dialogs)
		dialog_table_destroy(calls->dialogs);
	if (calls->grace_timer)
		event_free(calls->grace_timer);
	if (calls->stop_timer)
		event_free(calls->stop_timer);
	proof_close(calls);
	cdr_close(calls->cdr);
	for (size_t i = 0; calls->settings.trunks && i < calls->settings.trunks->n; i++)
		trunk_close(&calls->settings.trunks->list[i]);
	trace_destroy(calls->trace);
	free(calls->listeners);
	free(calls->sdp);
	free(calls);
}

const struct trace *calls_trace(const struct calls *calls)
{
	return calls->trace;
}

struct sip_stack *calls_stack(const struct calls *calls)
{
	return calls->stack;
}

struct media *calls_media(const struct calls *calls)
{
	return calls->media;
}

const struct calls_counters *calls_counters(const struct calls *calls)
{
	return &calls->counters;
}

struct call *call_find(struct calls *calls, const char *text)
{
	struct media_session *session;
	struct sl_id id;
	struct ulid ulid;

	if (ulid_parse(text, strlen(text), &ulid))
		return NULL;
	memcpy(id.bytes, ulid.bytes, sizeof(id.bytes));
	session = media_session_find(calls->media, &id);
	return session ? call_of_session(session) : NULL;
}

const struct sl_id *call_session_id(const struct call *call)
{
	return &call->session.id;
}

void call_hangup(struct call *call)
{
	struct call_event event = {.type = EVENT_HANGUP, .status = 480, .why = "hangup"};

	call_event(call, &event);
}
