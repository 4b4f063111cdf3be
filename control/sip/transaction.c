// Transactions: the executor of transaction_fsm.c, matching, timers, lifetime.
//
// Subtle: a transaction is destroyed only from the event loop (a timer, or a transport error that
// is told there), never while the TU is in a call of its own into the stack. The TU's callback is
// the last thing that a transition does, so it may start new events on the same transaction.
#include <stdlib.h>

#include "sip_log.h"
#include "transaction_internal.h"

// ---- matching

static bool has_cookie(struct slice branch)
{
	return branch.n > BRANCH_COOKIE_SIZE && slice_starts_nocase(branch, SLICE("z9hG4bK"));
}

uint64_t client_hash(const struct sip_stack *stack, struct slice method, struct slice branch)
{
	struct slice parts[] = {SLICE("client"), method, branch};

	return siphash(&stack->key, parts, sizeof(parts) / sizeof(parts[0]));
}

// RFC 2543 peers have no useful branch: 17.2.3 then compares what makes a request itself.
// To tag and Request-URI are left out, since an ACK must find its INVITE.
uint64_t server_hash(const struct sip_stack *stack, const struct sip_message *m, enum method method)
{
	struct slice name = method == METHOD_OTHER ? m->method_name : method_name(method);
	struct slice port = {(const char *)&m->via.port, sizeof(m->via.port)};
	struct slice cseq = {(const char *)&m->cseq, sizeof(m->cseq)};
	struct slice parts[] = {SLICE("server"), name, m->via.branch, m->via.host, port, m->call_id,
		m->from_tag, cseq};

	return siphash(&stack->key, parts, has_cookie(m->via.branch) ? 5 : 8);
}

static struct transaction *match(const struct sip_stack *stack, uint64_t hash, bool is_client,
	enum method method, struct slice branch)
{
	struct hash_node *node = hash_first(&stack->transactions, hash);

	for (; node; node = hash_next(node)) {
		struct transaction *t = container_of(node, struct transaction, match);

		if (transaction_is_client(t) == is_client && t->method == method &&
			slice_equal(t->branch, branch))
			return t;
	}
	return NULL;
}

struct transaction *client_match(const struct sip_stack *stack, const struct sip_message *m)
{
	return match(stack, client_hash(stack, m->method_name, m->via.branch), true, m->method,
		m->via.branch);
}

struct transaction *server_match(
	const struct sip_stack *stack, const struct sip_message *m, enum method method)
{
	return match(stack, server_hash(stack, m, method), false, method, m->via.branch);
}

// ---- timers

static void timer_set(struct transaction *t, struct event *event, unsigned int ms)
{
	struct timeval storage;

	if (event_add(event, stack_timeout(t->stack, ms, &storage)))
		log_error(&log_sip, "timer-lost", "ms=%u", ms);
}

void transaction_life_set(struct transaction *t, unsigned int ms)
{
	timer_set(t, &t->life, ms);
}

static unsigned int first_interval(const struct sip_stack *stack, enum fsm_repeat repeat)
{
	switch (repeat) {
	case FSM_REPEAT_NONE:
		return 0;
	case FSM_REPEAT_100:
		return stack->trying_ms;
	case FSM_REPEAT_100_LATE:
		return 7 * stack->t1_ms; // T1 + 2*T1 + 4*T1
	case FSM_REPEAT_T2:
		return stack->t2_ms;
	case FSM_REPEAT_DOUBLE:
	case FSM_REPEAT_DOUBLE_T2:
		return stack->t1_ms;
	}
	return 0;
}

static unsigned int next_interval(const struct transaction *t)
{
	switch (fsm_timers[t->machine][t->state].repeat) {
	case FSM_REPEAT_DOUBLE:
		return 2 * t->interval_ms;
	case FSM_REPEAT_DOUBLE_T2:
		return 2 * t->interval_ms < t->stack->t2_ms ? 2 * t->interval_ms : t->stack->t2_ms;
	case FSM_REPEAT_T2:
		return t->stack->t2_ms;
	default:
		return 0;
	}
}

// Only an unreliable transport needs repetition; the 100s are for all.
static void repeat_start(struct transaction *t, enum fsm_repeat repeat)
{
	bool is_100 = repeat == FSM_REPEAT_100 || repeat == FSM_REPEAT_100_LATE;

	t->interval_ms = first_interval(t->stack, repeat);
	if (t->interval_ms && (is_100 || !listener_is_reliable(t->flow.listener)))
		timer_set(t, &t->repeat, t->interval_ms);
	else
		event_del(&t->repeat);
}

static void life_start(struct transaction *t, enum fsm_lifetime life)
{
	const struct sip_stack *stack = t->stack;
	bool reliable = listener_is_reliable(t->flow.listener);

	switch (life) {
	case FSM_LIFE_KEEP:
		return;
	case FSM_LIFE_FOREVER:
		event_del(&t->life);
		return;
	case FSM_LIFE_64T1:
		transaction_life_set(t, 64 * stack->t1_ms);
		return;
	case FSM_LIFE_D:
		transaction_life_set(t, reliable ? 0 : stack->timer_d_ms);
		return;
	case FSM_LIFE_T4:
		transaction_life_set(t, reliable ? 0 : stack->t4_ms);
		return;
	case FSM_LIFE_J:
		transaction_life_set(t, reliable ? 0 : 64 * stack->t1_ms);
		return;
	}
}

static void state_enter(struct transaction *t, enum fsm_state state)
{
	const struct fsm_timers *timers = &fsm_timers[t->machine][state];

	t->state = (uint8_t)state;
	repeat_start(t, timers->repeat);
	life_start(t, timers->life);
}

void transaction_restart(struct transaction *t)
{
	state_enter(t, (enum fsm_state)t->state);
}

static void repeat_fires(evutil_socket_t, short, void *arg)
{
	struct transaction *t = arg;
	unsigned int next = next_interval(t);

	if (next) {
		t->interval_ms = next;
		timer_set(t, &t->repeat, next);
	}
	transaction_event(t, FSM_REPEAT, NULL, (struct slice){0});
}

static void life_fires(evutil_socket_t, short, void *arg)
{
	transaction_event(arg, FSM_EXPIRE, NULL, (struct slice){0});
}

// ---- the machine

static void fail(struct transaction *t, unsigned int status)
{
	if (status == 408)
		t->stack->counters.timeouts++;
	else
		t->stack->counters.transport_errors++;
	if (!t->is_private && t->stack->user->failed)
		t->stack->user->failed(t->stack->arg, t, status);
}

static void tell(struct transaction *t, const struct sip_message *message)
{
	const struct stack_user *user = t->stack->user;

	if (t->machine == FSM_CLIENT_INVITE && message->status < 200)
		client_progress(t);
	if (t->is_private)
		return;
	if (transaction_is_client(t))
		user->response(t->stack->arg, t, message);
	else if (user->ack)
		user->ack(t->stack->arg, message);
}

static void resend(struct transaction *t)
{
	if (!t->sent.n)
		return;
	t->stack->counters.retransmissions_out++;
	transport_send(&t->flow, t->sent);
}

static void act(struct transaction *t, unsigned int does, const struct sip_message *message,
	struct slice response)
{
	if (does & FSM_SEND)
		server_send(t, response);
	if (does & FSM_SEND_100)
		server_send_100(t);
	if (does & FSM_RESEND)
		resend(t);
	if (does & FSM_SEND_ACK)
		client_ack(t, message);
	if (does & FSM_QUIET)
		event_del(&t->repeat);
	if (does & FSM_TELL)
		tell(t, message);
	if (does & FSM_FAIL_408)
		fail(t, 408);
	if (does & FSM_FAIL_503)
		fail(t, 503);
}

void transaction_event(struct transaction *t, enum fsm_event event,
	const struct sip_message *message, struct slice response)
{
	const struct fsm_transition *transition = &fsm_transitions[t->machine][t->state][event];

	if (!transition->is)
		return;
	if (transition->next != t->state && transition->next != FSM_GONE)
		state_enter(t, transition->next);
	act(t, transition->does, message, response);
	if (transition->next == FSM_GONE)
		transaction_destroy(t);
}

void transaction_enter(struct transaction *t, enum fsm_machine machine, uint64_t hash)
{
	t->machine = (uint8_t)machine;
	evtimer_assign(&t->repeat, t->stack->base, repeat_fires, t);
	evtimer_assign(&t->life, t->stack->base, life_fires, t);
	hash_add(&t->stack->transactions, &t->match, hash);
	state_enter(t, machine == FSM_SERVER_INVITE ? FSM_PROCEEDING : FSM_TRYING);
}

void transaction_destroy(struct transaction *t)
{
	struct sip_stack *stack = t->stack;

	if (!t->is_private && stack->user->closed)
		stack->user->closed(stack->arg, t);
	event_del(&t->repeat);
	event_del(&t->life);
	hash_remove(&stack->transactions, &t->match);
	if (t->merge.hash)
		hash_remove(&stack->requests, &t->merge);
	slice_free(t->sent);
	slice_free(t->cancel_extra);
	message_destroy(t->request);
	free(t);
}

enum fsm_event transaction_status_event(unsigned int status)
{
	return status < 200 ? FSM_1XX : status < 300 ? FSM_2XX : FSM_FINAL;
}

// ---- accessors

enum method transaction_method(const struct transaction *t)
{
	return t->method;
}

const struct flow *transaction_flow(const struct transaction *t)
{
	return &t->flow;
}

bool transaction_is_client(const struct transaction *t)
{
	return t->machine == FSM_CLIENT_INVITE || t->machine == FSM_CLIENT;
}

bool transaction_is_final(const struct transaction *t)
{
	return t->state != FSM_TRYING && t->state != FSM_PROCEEDING;
}

struct sip_stack *transaction_stack(const struct transaction *t)
{
	return t->stack;
}

void *transaction_user(const struct transaction *t)
{
	return t->user;
}

void transaction_user_set(struct transaction *t, void *user)
{
	t->user = user;
}
