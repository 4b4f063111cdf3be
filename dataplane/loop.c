// The main lcore's loop: the API, routes and neighbours of the kernel, signals, and a timer for all
// that sessions need done by time.
#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "dataplane.h"
#include "server.h"

#define TICK_MS		  10
#define PUNTS_TICK_MS	  1 // while control takes punts: a handshake of DTLS waits for it twice
#define NEXT_HOPS_POLL_MS 100

static int watch(const struct dataplane *dataplane, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(dataplane->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int set_tick(struct dataplane *dataplane, unsigned int ms)
{
	const struct itimerspec period = {
		.it_interval.tv_nsec = ms * 1000000L, .it_value.tv_nsec = ms * 1000000L};

	dataplane->tick_ms = ms;
	return timerfd_settime(dataplane->timer, 0, &period, NULL);
}

int loop_open(struct dataplane *dataplane, const sigset_t *signals)
{
	dataplane->epoll = epoll_create1(EPOLL_CLOEXEC);
	dataplane->signals = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	dataplane->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (dataplane->epoll < 0 || dataplane->signals < 0 || dataplane->timer < 0 ||
		set_tick(dataplane, TICK_MS) < 0 || watch(dataplane, dataplane->signals) < 0 ||
		watch(dataplane, dataplane->timer) < 0 ||
		watch(dataplane, server_fd(dataplane->server)) < 0 ||
		(dataplane->shards && watch(dataplane, shards_fd(dataplane->shards)) < 0) ||
		watch(dataplane, next_hops_fd(dataplane->hops)) < 0)
		return dataplane_fail(dataplane, "event loop", errno);
	return 0;
}

static void on_timer(struct dataplane *dataplane)
{
	unsigned int tick_ms = server_takes_punts(dataplane->server) ? PUNTS_TICK_MS : TICK_MS;
	uint64_t now_ns = clock_now_ns();
	uint64_t expirations;

	if (read(dataplane->timer, &expirations, sizeof(expirations)) < 0)
		return;
	if (dataplane->shards)
		shards_tick(dataplane->shards, now_ns);
	sessions_tick(dataplane->sessions, now_ns);
	server_punts(dataplane->server);
	if (tick_ms != dataplane->tick_ms)
		set_tick(dataplane, tick_ms);
	if (now_ns - dataplane->hops_polled_ns < NEXT_HOPS_POLL_MS * 1000000ULL)
		return;
	dataplane->hops_polled_ns = now_ns;
	next_hops_poll(dataplane->hops, now_ns / 1000000);
}

int loop_run(struct dataplane *dataplane)
{
	for (;;) {
		struct epoll_event events[5];
		int n = epoll_wait(dataplane->epoll, events, 5, -1);

		for (int i = 0; i < n; i++) {
			struct signalfd_siginfo info;
			int fd = events[i].data.fd;

			if (fd == dataplane->timer)
				on_timer(dataplane);
			else if (fd == next_hops_fd(dataplane->hops))
				next_hops_poll(dataplane->hops, clock_now_ns() / 1000000);
			else if (dataplane->shards && fd == shards_fd(dataplane->shards))
				shards_poll(dataplane->shards);
			else if (fd == server_fd(dataplane->server))
				server_poll(dataplane->server);
			else if (read(fd, &info, sizeof(info)) == sizeof(info))
				return (int)info.ssi_signo;
		}
	}
}

void loop_close(struct dataplane *dataplane)
{
	close(dataplane->epoll);
	close(dataplane->signals);
	close(dataplane->timer);
}
