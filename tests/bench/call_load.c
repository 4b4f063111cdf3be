// Both ends of many calls, cheaply: INVITE-180-200-ACK-BYE-200 through a gateway, message by
// message from templates, with the timers of RFC 3261 where something is lost. A call costs this
// program a tenth of what SIPp takes for its two ends, so that a gateway can be loaded beyond its
// capacity on the same machine.
//
// usage: call_load GATEWAY CALLER GATEWAY CALLEE NUMBER [another way]... -- PHASE...
//
// Each group of five is a way: IPv4 addresses, port 5060 at each, on the caller's side and on the
// callee's, and the first digits of the number that is called, by which the gateway must route the
// call to CALLEE. Phases follow each other:
//   window:W:S    W calls at a time for S seconds: as many a second as the gateway can do
//   rate:R:S      R calls a second begin for S seconds, whatever becomes of them
//   times:F:S     F times as many a second as the last window came to, for S seconds
//   flood:N       N calls begin as fast as they can be sent
//   hold:N:W      calls are set up, W at a time, until N are up, and stay
//   end           those that stay are ended
//   wait          a line on standard input is waited for; calls that stay are answered meanwhile
// After each but "wait" the calls under way come to their end, and one line of JSON says what they
// came to. A call is `completed` with the 200 to its BYE (hold: with the 200 to its INVITE),
// `refused` with 503, `failed` with anything else or after 32 s. `again_in` counts messages that
// the gateway sent twice, `again_out` those that this program did. Times are of set-up, from INVITE
// to 200.
//
// Subtle: the two ends know each other by the number that is called, which ends with the call's.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	WAYS_MAX = 8,
	CALLS_MAX = 1 << 20, // power of two; numbers of calls are reused after so many
	BATCH = 64,
	SLOT = 2048,
	T1_MS = 500,
	GIVEN_UP_MS = 64 * T1_MS,
	SCAN_MS = 50, // between two looks at what to send again
	TAG_SIZE = 48,
	CONTACT_SIZE = 96,
	DIGITS = 7, // of a call's number
};

enum state { FREE, INVITED, PROCEEDING, HELD, ENDING };

struct call {
	uint8_t state;
	uint8_t way;
	bool again_callee; // the callee has had its INVITE
	bool acknowledged; // the callee's 200 was
	bool callee_bye;   // the callee has had its BYE
	uint64_t began_us;
	uint64_t callee_ms; // when the callee's 200 is due again
	uint64_t next_ms;   // when the caller sends again
	uint32_t interval_ms, callee_interval_ms;
	char tag[TAG_SIZE]; // of the gateway, to the caller
	char contact[CONTACT_SIZE];
	char *answer; // the callee's 200, until its ACK
};

struct way {
	const char *gateway_text, *caller_text, *callee_text, *number;
};

struct outbox {
	int fd;
	unsigned int n;
	struct mmsghdr headers[BATCH];
	struct iovec io[BATCH];
	char data[BATCH][SLOT];
};

struct result {
	uint64_t started, completed, refused, retry_after, failed, again_in, again_out;
	uint64_t n_setup_us;
	uint32_t *setup_us;
	double seconds; // in which calls began, and within which `in_time` were completed
	uint64_t in_time;
};

static struct way ways[WAYS_MAX];
static unsigned int n_ways;
static struct call *calls;
static uint32_t next_call, n_active, oldest_call;
static uint64_t run; // tells the calls of one run of this program from those of another
static struct outbox outboxes[2 * WAYS_MAX];
static struct result result;
static bool holds; // calls stay
static bool counts_in_time;
static double capacity; // calls a second, of the last window

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "call_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

// ---- out

static void flush(struct outbox *outbox)
{
	for (unsigned int at = 0; at < outbox->n;) {
		int sent = sendmmsg(outbox->fd, outbox->headers + at, outbox->n - at, 0);

		at += sent > 0 ? (unsigned int)sent : 1; // what is lost is sent again
	}
	outbox->n = 0;
}

static void flush_all(void)
{
	for (unsigned int i = 0; i < 2 * n_ways; i++)
		flush(&outboxes[i]);
}

// Room for a message to the gateway; sent() says how long it is.
static char *room(struct outbox *outbox)
{
	if (outbox->n == BATCH)
		flush(outbox);
	return outbox->data[outbox->n];
}

static void sent(struct outbox *outbox, int length)
{
	outbox->io[outbox->n].iov_len = length > 0 && length < SLOT ? (size_t)length : 0;
	outbox->n++;
}

static struct outbox *of_caller(const struct call *call)
{
	return &outboxes[2 * call->way];
}

static struct outbox *of_callee(const struct call *call)
{
	return &outboxes[2 * call->way + 1];
}

static const char sdp[] =
	"v=0\r\no=load 53655765 2353687637 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
	"m=audio 4000 RTP/AVP 0 8 9 18 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
	"a=rtpmap:9 G722/8000\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 annexb=no\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
	"a=maxptime:150\r\na=sendrecv\r\n";

static uint32_t number_of(const struct call *call)
{
	return (uint32_t)(call - calls);
}

static void invite_send(struct call *call)
{
	const struct way *way = &ways[call->way];
	struct outbox *outbox = of_caller(call);
	const char *us = way->caller_text;
	uint32_t n = number_of(call);
	char body[SLOT / 2];
	int length = snprintf(body, sizeof(body), sdp, us, us);

	sent(outbox,
		snprintf(room(outbox), SLOT,
			"INVITE sip:%s%0*u@%s SIP/2.0\r\n"
			"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bK%" PRIx64 "i%x;rport\r\n"
			"Max-Forwards: 70\r\n"
			"From: \"Caller\" <sip:1001@%s>;tag=%x\r\nTo: <sip:%s%0*u@%s>\r\n"
			"Call-ID: %x-%" PRIx64 "@%s\r\nCSeq: 1 INVITE\r\n"
			"Contact: <sip:1001@%s:5060;transport=udp>\r\n"
			"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, NOTIFY\r\n"
			"Supported: timer, replaces, norefersub, path, gruu, outbound\r\n"
			"Accept: application/sdp, application/dtmf-relay\r\n"
			"User-Agent: call-load/1.0 (a name as long as those of real phones)\r\n"
			"P-Asserted-Identity: \"Caller\" <sip:+441632960001@example.net>\r\n"
			"Date: Fri, 20 Nov 2026 10:00:00 GMT\r\n"
			"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
			way->number, DIGITS, n, way->gateway_text, us, run, n, us, n, way->number,
			DIGITS, n, way->gateway_text, n, run, us, us, length, body));
}

// A request of the caller in the dialog, or the ACK of a refusal (`contact` is the INVITE's URI).
static void inside_send(
	const struct call *call, const char *method, const char *contact, const char *tag, int cseq)
{
	const struct way *way = &ways[call->way];
	struct outbox *outbox = of_caller(call);
	const char *us = way->caller_text;
	uint32_t n = number_of(call);
	char kind = *method == 'B' ? 'b' : call->state < HELD ? 'i' : 'a';

	sent(outbox, snprintf(room(outbox), SLOT,
			     "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:5060;branch=z9hG4bK%" PRIx64
			     "%c%x;rport\r\nMax-Forwards: 70\r\n"
			     "From: \"Caller\" <sip:1001@%s>;tag=%x\r\n"
			     "To: <sip:%s%0*u@%s>;tag=%s\r\nCall-ID: %x-%" PRIx64 "@%s\r\n"
			     "CSeq: %d %s\r\nContent-Length: 0\r\n\r\n",
			     method, contact, us, run, kind, n, us, n, way->number, DIGITS, n,
			     way->gateway_text, tag, n, run, us, cseq, method));
}

// ---- in

struct text {
	const char *p;
	size_t n;
};

// The value of a header field, as the gateway writes its name.
static struct text header(const char *data, const char *name)
{
	const char *at = strstr(data, name), *end;

	if (!at)
		return (struct text){"", 0};
	at += strlen(name);
	end = strstr(at, "\r\n");
	return (struct text){at, end ? (size_t)(end - at) : 0};
}

static void tag_read(const char *data, const char *name, char out[TAG_SIZE])
{
	struct text value = header(data, name);
	const char *at = memmem(value.p, value.n, ";tag=", 5);
	size_t n = 0;

	if (at)
		for (at += 5; at < value.p + value.n && *at != ';' && n < TAG_SIZE - 1; at++)
			out[n++] = *at;
	out[n] = '\0';
}

static bool contact_read(const char *data, char out[CONTACT_SIZE])
{
	struct text value = header(data, "\r\nContact: ");
	const char *at = memchr(value.p, '<', value.n);
	const char *end = memchr(value.p, '>', value.n);

	if (!at || !end || end - at > CONTACT_SIZE)
		return false;
	memcpy(out, at + 1, (size_t)(end - at - 1));
	out[end - at - 1] = '\0';
	return true;
}

static void repeat_in(struct call *call, uint32_t ms)
{
	call->interval_ms = ms;
	call->next_ms = now_us() / 1000 + ms;
}

static void call_over(struct call *call, uint64_t *count)
{
	++*count;
	result.in_time += count == &result.completed && counts_in_time;
	free(call->answer);
	call->answer = NULL;
	call->state = FREE;
	n_active--;
}

static void bye_send(struct call *call)
{
	inside_send(call, "BYE", call->contact, call->tag, 2);
}

static void end(struct call *call)
{
	call->state = ENDING;
	call->began_us = now_us();
	bye_send(call);
	repeat_in(call, T1_MS);
}

static void answered(struct call *call, const char *data)
{
	if (call->state >= HELD) {
		result.again_in++;
		inside_send(call, "ACK", call->contact, call->tag, 1);
		return;
	}
	tag_read(data, "\r\nTo: ", call->tag);
	if (!contact_read(data, call->contact)) {
		call_over(call, &result.failed);
		return;
	}
	if (result.n_setup_us < CALLS_MAX)
		result.setup_us[result.n_setup_us++] = (uint32_t)(now_us() - call->began_us);
	call->state = HELD;
	inside_send(call, "ACK", call->contact, call->tag, 1);
	if (holds) {
		result.completed++;
		n_active--;
		return;
	}
	end(call);
}

static void refused(struct call *call, const char *data, unsigned int status)
{
	const struct way *way = &ways[call->way];
	char uri[CONTACT_SIZE], tag[TAG_SIZE];

	if (call->state >= HELD)
		return;
	snprintf(uri, sizeof(uri), "sip:%s%0*u@%s", way->number, DIGITS, number_of(call),
		way->gateway_text);
	tag_read(data, "\r\nTo: ", tag);
	inside_send(call, "ACK", uri, tag, 1);
	result.retry_after += status == 503 && header(data, "\r\nRetry-After: ").n;
	call_over(call, status == 503 ? &result.refused : &result.failed);
}

// A response to the caller.
static void response_in(const char *data)
{
	struct text call_id = header(data, "\r\nCall-ID: ");
	struct text cseq = header(data, "\r\nCSeq: ");
	unsigned long status = strtoul(data + 8, NULL, 10);
	char *end_of_number;
	unsigned long n = strtoul(call_id.p, &end_of_number, 16);
	struct call *call = &calls[n & (CALLS_MAX - 1)];

	if (*end_of_number != '-' || strtoull(end_of_number + 1, NULL, 16) != run)
		return;
	if (call->state == FREE) {
		result.again_in += status >= 200;
		return;
	}
	if (cseq.p[0] == '1' && status < 200) {
		if (call->state == INVITED)
			call->state = PROCEEDING;
	} else if (cseq.p[0] == '1' && status == 200) {
		answered(call, data);
	} else if (cseq.p[0] == '1') {
		refused(call, data, (unsigned int)status);
	} else if (call->state == ENDING) {
		call_over(call, status == 200 ? &result.completed : &result.failed);
	}
}

static int reply_write(char *out, const char *data, const char *status, const char *more)
{
	static const char *const copied[] = {
		"\r\nVia: ", "\r\nFrom: ", "\r\nTo: ", "\r\nCall-ID: ", "\r\nCSeq: "};
	int n = snprintf(out, SLOT, "SIP/2.0 %s", status);

	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		struct text value = header(data, copied[i]);
		bool tagless = copied[i][2] == 'T' && !memmem(value.p, value.n, ";tag=", 5);

		n += snprintf(out + n, SLOT - (size_t)n, "%s%.*s%s", copied[i], (int)value.n,
			value.p, tagless ? ";tag=callee" : "");
	}
	return n + snprintf(out + n, SLOT - (size_t)n, "\r\n%s", more);
}

static void reply(struct outbox *outbox, const char *data, const char *status)
{
	sent(outbox, reply_write(room(outbox), data, status, "Content-Length: 0\r\n\r\n"));
}

static void answer_send(const struct call *call)
{
	struct outbox *outbox = of_callee(call);

	sent(outbox, snprintf(room(outbox), SLOT, "%s", call->answer));
}

static void callee_invited(struct call *call, const char *data)
{
	const char *us = ways[call->way].callee_text;
	char body[SLOT / 2], more[SLOT];
	int length = snprintf(body, sizeof(body), sdp, us, us);

	if (call->again_callee) {
		result.again_in++;
		return;
	}
	call->again_callee = true;
	reply(of_callee(call), data, "180 Ringing");
	snprintf(more, sizeof(more),
		"Contact: <sip:%s%0*u@%s:5060>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n"
		"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		ways[call->way].number, DIGITS, number_of(call), us, length, body);
	call->answer = malloc(SLOT);
	if (!call->answer)
		die("malloc");
	reply_write(call->answer, data, "200 OK", more);
	answer_send(call);
	call->callee_interval_ms = T1_MS;
	call->callee_ms = now_us() / 1000 + T1_MS;
}

// A request to the callee; its URI has the call's number.
static void request_in(struct outbox *outbox, unsigned int way, const char *data)
{
	const char *at = strchr(data, '@');
	unsigned long n;
	struct call *call;

	if (!at || at - data < DIGITS + 4) {
		reply(outbox, data, "404 Not Found");
		return;
	}
	n = strtoul(at - DIGITS, NULL, 10);
	call = &calls[n & (CALLS_MAX - 1)];
	if (!strncmp(data, "ACK ", 4)) {
		call->acknowledged = true;
		free(call->answer);
		call->answer = NULL;
	} else if (!strncmp(data, "INVITE ", 7) && call->state != FREE && call->way == way) {
		callee_invited(call, data);
	} else if (!strncmp(data, "BYE ", 4)) {
		result.again_in += call->callee_bye;
		call->callee_bye = true;
		reply(outbox, data, "200 OK");
	} else if (!strncmp(data, "CANCEL ", 7) || !strncmp(data, "OPTIONS ", 8)) {
		reply(outbox, data, "200 OK");
	} else {
		reply(outbox, data, "481 Call/Transaction Does Not Exist");
	}
}

// The gateway ends a call: nothing that was asked for.
static void bye_in(struct outbox *outbox, const char *data)
{
	struct text call_id = header(data, "\r\nCall-ID: ");
	unsigned long n = strtoul(call_id.p, NULL, 16);
	struct call *call = &calls[n & (CALLS_MAX - 1)];

	reply(outbox, data, "200 OK");
	if (call->state == HELD && holds)
		n_active++;
	if (!strncmp(data, "BYE ", 4) && call->state != FREE)
		call_over(call, &result.failed);
}

static bool batch_read(unsigned int way, bool is_caller)
{
	static char slots[BATCH][SLOT];
	static struct mmsghdr headers[BATCH];
	static struct iovec io[BATCH];
	struct outbox *outbox = &outboxes[2 * way + !is_caller];
	int n;

	for (unsigned int i = 0; i < BATCH; i++) {
		io[i] = (struct iovec){slots[i], SLOT - 1};
		headers[i].msg_hdr = (struct msghdr){.msg_iov = &io[i], .msg_iovlen = 1};
	}
	n = recvmmsg(outbox->fd, headers, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		slots[i][headers[i].msg_len] = '\0';
		if (is_caller && !strncmp(slots[i], "SIP/2.0 ", 8))
			response_in(slots[i]);
		else if (is_caller)
			bye_in(outbox, slots[i]);
		else if (strncmp(slots[i], "SIP/2.0 ", 8) != 0)
			request_in(outbox, way, slots[i]);
	}
	return n == BATCH;
}

// ---- calls

static bool call_begin(void)
{
	struct call *call = &calls[next_call & (CALLS_MAX - 1)];

	if (call->state != FREE || n_active == CALLS_MAX)
		return false;
	*call = (struct call){.state = INVITED, .way = (uint8_t)(next_call % n_ways)};
	next_call++;
	call->began_us = now_us();
	n_active++;
	result.started++;
	invite_send(call);
	repeat_in(call, T1_MS);
	return true;
}

static void caller_again(struct call *call, uint64_t now_ms)
{
	if ((call->state != INVITED && call->state != ENDING) || now_ms < call->next_ms)
		return;
	result.again_out++;
	if (call->state == INVITED)
		invite_send(call);
	else
		bye_send(call);
	repeat_in(call, call->interval_ms * 2);
}

static void callee_again(struct call *call, uint64_t now_ms)
{
	if (!call->answer || now_ms < call->callee_ms)
		return;
	result.again_out++;
	answer_send(call);
	call->callee_interval_ms *= 2;
	call->callee_ms = now_ms + call->callee_interval_ms;
}

// What is due again, and what will come to nothing.
static void scan(uint64_t now)
{
	while (oldest_call != next_call && calls[oldest_call & (CALLS_MAX - 1)].state == FREE)
		oldest_call++;
	for (uint32_t i = oldest_call; i != next_call; i++) {
		struct call *call = &calls[i & (CALLS_MAX - 1)];

		if (call->state == FREE)
			continue;
		callee_again(call, now / 1000);
		if (call->state == HELD)
			continue;
		caller_again(call, now / 1000);
		if (now - call->began_us > GIVEN_UP_MS * 1000ull)
			call_over(call, &result.failed);
	}
}

static uint64_t scanned_us;

static void turn(int epoll, int timeout_ms)
{
	struct epoll_event events[2 * WAYS_MAX];
	int n = epoll_wait(epoll, events, 2 * WAYS_MAX, timeout_ms);
	uint64_t now;

	for (int i = 0; i < n; i++)
		while (batch_read(events[i].data.u32 / 2, events[i].data.u32 % 2 == 0))
			;
	now = now_us();
	if (now - scanned_us >= SCAN_MS * 1000) {
		scanned_us = now;
		scan(now);
	}
	flush_all();
}

// ---- phases

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double setup_ms(double part)
{
	if (!result.n_setup_us)
		return 0;
	return result.setup_us[(size_t)(part * (double)(result.n_setup_us - 1))] / 1e3;
}

static void result_print(const char *phase)
{
	qsort(result.setup_us, result.n_setup_us, sizeof(*result.setup_us), compare);
	printf("{\"phase\":\"%s\",\"seconds\":%.3f,\"started\":%" PRIu64 ",\"completed\":%" PRIu64
	       ",\"in_time\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"retry_after\":%" PRIu64
	       ",\"failed\":%" PRIu64 ",\"again_in\":%" PRIu64 ",\"again_out\":%" PRIu64
	       ",\"setup_ms_50\":%.2f,\"setup_ms_99\":%.2f}\n",
		phase, result.seconds, result.started, result.completed, result.in_time,
		result.refused, result.retry_after, result.failed, result.again_in,
		result.again_out, setup_ms(0.5), setup_ms(0.99));
	fflush(stdout);
}

static void drain(int epoll)
{
	while (n_active)
		turn(epoll, 20);
}

static void window(int epoll, unsigned long size, double seconds)
{
	uint64_t end_us = now_us() + (uint64_t)(seconds * 1e6);

	while (now_us() < end_us) {
		while (n_active < size && call_begin())
			;
		turn(epoll, 1);
	}
}

static void rate(int epoll, double per_s, double seconds)
{
	uint64_t began = now_us(), now;

	while ((now = now_us()) < began + (uint64_t)(seconds * 1e6)) {
		double due = (double)(now - began) * per_s / 1e6;

		while ((double)result.started < due && call_begin())
			;
		turn(epoll, 1);
	}
}

static void flood(int epoll, unsigned long n)
{
	while (result.started < n) {
		for (int i = 0; i < BATCH && result.started < n; i++)
			call_begin();
		turn(epoll, 0);
	}
}

static void hold(int epoll, unsigned long n, unsigned long size)
{
	holds = true;
	while (result.completed < n) {
		while (n_active < size && result.completed + n_active < n && call_begin())
			;
		turn(epoll, 1);
	}
	holds = false;
}

static void end_held(int epoll)
{
	for (uint32_t i = oldest_call; i != next_call; i++) {
		struct call *call = &calls[i & (CALLS_MAX - 1)];

		if (call->state != HELD)
			continue;
		result.started++;
		n_active++;
		end(call);
		while (n_active >= 200)
			turn(epoll, 1);
	}
}

static void wait_for_line(int epoll)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char line[64];

	while (poll(&input, 1, 0) <= 0)
		turn(epoll, 20);
	if (read(STDIN_FILENO, line, sizeof(line)) < 0)
		die("standard input");
}

static void phase_run(int epoll, const char *phase)
{
	uint32_t *setup_us = result.setup_us;
	uint64_t began = now_us();
	double a = 0, b = 0;
	const char *colon = strchr(phase, ':');

	if (colon && sscanf(colon, ":%lf:%lf", &a, &b) < 1)
		exit(2);
	result = (struct result){.setup_us = setup_us};
	counts_in_time = true;
	if (!strncmp(phase, "window:", 7)) {
		window(epoll, (unsigned long)a, b);
	} else if (!strncmp(phase, "rate:", 5)) {
		rate(epoll, a, b);
	} else if (!strncmp(phase, "times:", 6)) {
		rate(epoll, a * capacity, b);
	} else if (!strncmp(phase, "flood:", 6)) {
		flood(epoll, (unsigned long)a);
	} else if (!strncmp(phase, "hold:", 5)) {
		hold(epoll, (unsigned long)a, (unsigned long)b);
	} else if (!strcmp(phase, "end")) {
		end_held(epoll);
	} else if (!strcmp(phase, "wait")) {
		wait_for_line(epoll);
		return;
	} else {
		fprintf(stderr, "call_load: no phase %s\n", phase);
		exit(2);
	}
	result.seconds = (double)(now_us() - began) / 1e6;
	counts_in_time = false;
	if (!strncmp(phase, "window:", 7))
		capacity = (double)result.in_time / result.seconds;
	drain(epoll);
	result_print(phase);
}

// ---- start

static int socket_open(const char *address, const char *gateway)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(5060)};
	struct sockaddr_in remote = local;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 16 << 20;

	if (inet_pton(AF_INET, address, &local.sin_addr) != 1 ||
		inet_pton(AF_INET, gateway, &remote.sin_addr) != 1)
		exit(2);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&local, sizeof(local)) ||
		connect(fd, (const struct sockaddr *)&remote, sizeof(remote)))
		die(address);
	return fd;
}

static void end_open(int epoll, unsigned int index, const char *address, const char *gateway)
{
	struct outbox *outbox = &outboxes[index];
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};

	outbox->fd = socket_open(address, gateway);
	for (unsigned int i = 0; i < BATCH; i++) {
		outbox->io[i] = (struct iovec){outbox->data[i], 0};
		outbox->headers[i].msg_hdr =
			(struct msghdr){.msg_iov = &outbox->io[i], .msg_iovlen = 1};
	}
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, outbox->fd, &event))
		die("epoll_ctl");
}

static void way_open(int epoll, char **texts)
{
	struct way *way = &ways[n_ways];

	*way = (struct way){.gateway_text = texts[0],
		.caller_text = texts[1],
		.callee_text = texts[3],
		.number = texts[4]};
	end_open(epoll, 2 * n_ways, texts[1], texts[0]);
	end_open(epoll, 2 * n_ways + 1, texts[3], texts[2]);
	n_ways++;
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(0), at = 1;

	run = now_us();
	calls = calloc(CALLS_MAX, sizeof(*calls));
	result.setup_us = calloc(CALLS_MAX, sizeof(*result.setup_us));
	if (epoll < 0 || !calls || !result.setup_us)
		die("start");
	for (; at + 5 <= argc && strcmp(argv[at], "--") && n_ways < WAYS_MAX; at += 5)
		way_open(epoll, argv + at);
	if (!n_ways || at >= argc || strcmp(argv[at], "--")) {
		fputs("usage: call_load GATEWAY CALLER GATEWAY CALLEE NUMBER... -- PHASE...\n",
			stderr);
		return 2;
	}
	while (++at < argc)
		phase_run(epoll, argv[at]);
	return 0;
}
