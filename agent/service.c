/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3): datagrams of NAME=value lines. By hand: libsystemd would be 0.8 MiB of memory for one send(). */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/service.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"

#define STATUS_PERIOD_NS (10 * NS_PER_S)
#define FEEDS_PER_WATCHDOG 4          /* a feed that comes late does no harm */
#define STOP_SLACK_NS (10 * NS_PER_S) /* what a stop takes besides the drain */

/* A mail that goes to a loop and comes back by being run there. */
struct service_turn {
	struct mail mail;
	struct loop *loop;
	_Atomic bool is_under_way;
};

static int connect_to(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	int fd;

	if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof(addr.sun_path))
		return -1;
	memcpy(addr.sun_path, name, n);
	if (name[0] == '@') /* an abstract one */
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* As sd_watchdog_enabled(3). */
static int64_t watchdog_asked(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *of = getenv("WATCHDOG_PID");
	uint64_t n = 0, pid = 0;

	if (!usec || !str_u64(str_c(usec), &n) || n > INT64_MAX / 1000)
		return 0;
	if (of && (!str_u64(str_c(of), &pid) || pid != (uint64_t)getpid()))
		return 0;
	return (int64_t)n * 1000;
}

static void say(struct service *s, const char *text, int flags)
{
	if (s->fd >= 0 && send(s->fd, text, strlen(text), MSG_NOSIGNAL | flags) < 0)
		log_warn("cannot tell the service manager", KV_ERRNO(errno));
}

void service_init(struct service *s, struct loop *loop)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*s = (struct service){ .loop = loop, .fd = -1 };
	if (!name || !name[0])
		return;
	s->fd = connect_to(name);
	if (s->fd < 0) {
		log_warn("cannot reach the service manager at NOTIFY_SOCKET", KV_S("path", name),
			 KV_ERRNO(errno));
		return;
	}
	s->watchdog_ns = watchdog_asked();
	s->period_ns = STATUS_PERIOD_NS;
	if (s->watchdog_ns && s->watchdog_ns / FEEDS_PER_WATCHDOG < s->period_ns)
		s->period_ns = s->watchdog_ns / FEEDS_PER_WATCHDOG;
}

void service_watch(struct service *s, struct loop *const *loops, unsigned nloops)
{
	s->turns = mem_array(nloops ? nloops : 1, sizeof(*s->turns));
	s->nturns = nloops;
	for (unsigned i = 0; i < nloops; i++)
		s->turns[i].loop = loops[i];
}

static void on_turn(struct mail *m)
{
	struct service_turn *turn = container_of(m, struct service_turn, mail);

	atomic_store(&turn->is_under_way, false);
}

/* Have all of them turned since they were asked last? Those that have are asked again. */
static bool all_turn(struct service *s)
{
	bool all = true;

	for (unsigned i = 0; i < s->nturns; i++)
		all = all && !atomic_load(&s->turns[i].is_under_way);
	for (unsigned i = 0; all && i < s->nturns; i++) {
		atomic_store(&s->turns[i].is_under_way, true);
		loop_post(s->turns[i].loop, &s->turns[i].mail, on_turn);
	}
	return all;
}

static double rate(int64_t now, int64_t before, int64_t ns)
{
	return ns > 0 && now > before ? (double)(now - before) * 1e9 / (double)ns : 0;
}

/* True when there is something new to say. */
static bool renew_status(struct service *s)
{
	int64_t now_ns = clock_mono_ns(), ns = now_ns - s->last_ns;
	struct service_counts now = { 0 };
	char text[sizeof(s->status)];

	s->count(s->ctx, &now);
	snprintf(text, sizeof(text),
		 "%.0f records/s in, %.0f delivered/s, %.0f dropped/s, %lld held",
		 rate(now.in, s->last.in, ns), rate(now.delivered, s->last.delivered, ns),
		 rate(now.dropped, s->last.dropped, ns), (long long)now.held);
	s->last = now;
	s->last_ns = now_ns;
	if (!strcmp(text, s->status))
		return false;
	memcpy(s->status, text, sizeof(text));
	return true;
}

static void on_tick(struct timer *t)
{
	struct service *s = container_of(t, struct service, tick);
	bool is_new = s->count && renew_status(s), feed = all_turn(s) && s->watchdog_ns;
	char text[sizeof(s->status) + 32];

	snprintf(text, sizeof(text), "%s%s%s%s", feed ? "WATCHDOG=1\n" : "",
		 is_new ? "STATUS=" : "", is_new ? s->status : "", is_new ? "\n" : "");
	if (text[0])
		say(s, text, MSG_DONTWAIT);
	loop_timer_in(s->loop, t, s->period_ns, on_tick);
}

void service_ready(struct service *s, void (*count)(void *ctx, struct service_counts *ret),
		   void *ctx)
{
	if (s->fd < 0)
		return;
	s->count = count;
	s->ctx = ctx;
	s->last_ns = clock_mono_ns();
	say(s, "READY=1\nSTATUS=running\n", 0);
	all_turn(s);
	loop_timer_in(s->loop, &s->tick, s->period_ns, on_tick);
}

void service_reloading(struct service *s)
{
	char text[64];

	/* Type=notify-reload wants the time, so that it cannot take an earlier one's READY for this one's. */
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld\n",
		 (long long)(clock_mono_ns() / 1000));
	say(s, text, 0);
}

void service_reloaded(struct service *s)
{
	say(s, "READY=1\n", 0);
}

void service_stopping(struct service *s, int64_t timeout_ns)
{
	char text[128];

	s->count = NULL;
	snprintf(text, sizeof(text),
		 "STOPPING=1\nSTATUS=delivering what was accepted\nEXTEND_TIMEOUT_USEC=%lld\n",
		 (long long)((timeout_ns + STOP_SLACK_NS) / 1000));
	say(s, text, 0);
}

void service_unwatch(struct service *s)
{
	s->nturns = 0;
}

void service_failed(struct service *s, const char *text)
{
	struct buf line = BUF_INIT;

	buf_printf(&line, "STATUS=%s\n", text); /* an error is one line */
	say(s, buf_cstr(&line), 0);
	buf_fini(&line);
}

void service_fini(struct service *s)
{
	if (s->loop)
		loop_timer_del(s->loop, &s->tick);
	if (s->fd >= 0)
		close(s->fd);
	mem_free(s->turns);
	*s = (struct service){ .fd = -1 };
}
