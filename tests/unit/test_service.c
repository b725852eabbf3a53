/* SPDX-License-Identifier: Apache-2.0 */
/* What the service manager hears, and that a loop which does not turn is not hidden from it. Nothing here waits: the
 * ticks are called, and the other thread's loop is turned by hand. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/service.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "tests/unit/test.h"

static int manager; /* its socket */
static char heard[512];

/* An abstract socket that the kernel names. */
static void listen_as_manager(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(addr);
	char name[128];

	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	OK(bind(manager, (struct sockaddr *)&addr, sizeof(sa_family_t)) == 0);
	OK(getsockname(manager, (struct sockaddr *)&addr, &n) == 0);
	n -= (socklen_t)sizeof(sa_family_t);
	snprintf(name, sizeof(name), "@%.*s", (int)n - 1, addr.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
}

static struct str hear(void)
{
	ssize_t n = recv(manager, heard, sizeof(heard) - 1, 0);

	heard[n > 0 ? n : 0] = 0;
	return str_c(heard);
}

static struct service_counts counts;

static void count(void *ctx, struct service_counts *ret)
{
	(void)ctx;
	*ret = counts;
}

static void tick(struct service *s)
{
	s->tick.expired(&s->tick);
}

static void test_life(void)
{
	struct loop *loop = loop_new("io");
	struct service s;

	listen_as_manager();
	unsetenv("WATCHDOG_USEC");
	service_init(&s, loop);
	service_watch(&s, NULL, 0);
	EQ_STR(hear(), "");
	service_ready(&s, count, NULL);
	EQ_STR(hear(), "READY=1\nSTATUS=running\n");
	tick(&s);
	EQ_STR(hear(),
	       "STATUS=0 records/s in, 0 delivered/s, 0 dropped/s, 0 held\n"); /* no watchdog */
	tick(&s);
	EQ_STR(hear(), ""); /* nothing new */
	counts.held = 7;
	tick(&s);
	EQ_STR(hear(), "STATUS=0 records/s in, 0 delivered/s, 0 dropped/s, 7 held\n");
	counts.in += 1000;
	s.last_ns = clock_mono_ns() - 1000 * NS_PER_S;
	tick(&s);
	EQ_STR(hear(), "STATUS=1 records/s in, 0 delivered/s, 0 dropped/s, 7 held\n");
	service_stopping(&s, 3 * NS_PER_S);
	EQ_STR(hear(),
	       "STOPPING=1\nSTATUS=delivering what was accepted\nEXTEND_TIMEOUT_USEC=13000000\n");
	service_failed(&s, "no such folder");
	EQ_STR(hear(), "STATUS=no such folder\n");
	service_fini(&s);
	close(manager);
	loop_free(loop);
}

static void test_stuck_loop(void)
{
	struct loop *loop = loop_new("io"), *lanes[2] = { loop_new("a"), loop_new("b") };
	struct service s;

	counts = (struct service_counts){ 0 };
	listen_as_manager();
	setenv("WATCHDOG_USEC", "20000000", 1);
	service_init(&s, loop);
	EQ_INT(s.period_ns, 5 * NS_PER_S);
	service_watch(&s, lanes, 2);
	service_ready(&s, count, NULL);
	hear();
	for (int i = 0; i < 3; i++) {
		loop_once(lanes[0], 0);
		loop_once(lanes[1], 0);
		tick(&s);
		OK(str_starts(hear(), STR("WATCHDOG=1\n")));
	}
	for (int i = 0; i < 3; i++) { /* the second hangs */
		loop_once(lanes[0], 0);
		tick(&s);
		EQ_STR(hear(), "");
	}
	loop_once(lanes[1], 0); /* and comes back */
	tick(&s);
	EQ_STR(hear(), "WATCHDOG=1\n");
	service_unwatch(&s); /* their threads are gone; this loop turns */
	tick(&s);
	EQ_STR(hear(), "WATCHDOG=1\n");
	tick(&s);
	EQ_STR(hear(), "WATCHDOG=1\n");
	service_fini(&s);
	close(manager);
	loop_free(lanes[0]);
	loop_free(lanes[1]);
	loop_free(loop);
}

static void test_environment(void)
{
	static const struct {
		const char *socket, *usec, *pid;
		int64_t period_ns, watchdog_ns;
	} rows[] = {
		{ "", "20000000", NULL, 0, 0 },
		{ "relative", "20000000", NULL, 0, 0 },
		{ "vsock:2:9999", "20000000", NULL, 0, 0 },
		{ "/nowhere/to/be/found", "20000000", NULL, 0, 0 },
		{ NULL, "20000000", NULL, 5 * NS_PER_S, 20 * NS_PER_S },
		{ NULL, "80000000", NULL, 10 * NS_PER_S, 80 * NS_PER_S },
		{ NULL, "20000000", "1", 10 * NS_PER_S, 0 }, /* meant for another process */
		{ NULL, "soon", NULL, 10 * NS_PER_S, 0 },
		{ NULL, "99999999999999999999", NULL, 10 * NS_PER_S, 0 },
	};
	struct loop *loop = loop_new("io");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct service s;

		ROW(rows[i].socket ? rows[i].socket : rows[i].usec);
		listen_as_manager();
		if (rows[i].socket)
			setenv("NOTIFY_SOCKET", rows[i].socket, 1);
		setenv("WATCHDOG_USEC", rows[i].usec, 1);
		if (rows[i].pid)
			setenv("WATCHDOG_PID", rows[i].pid, 1);
		else
			unsetenv("WATCHDOG_PID");
		service_init(&s, loop);
		EQ_INT(s.period_ns, rows[i].period_ns);
		EQ_INT(s.watchdog_ns, rows[i].watchdog_ns);
		service_watch(&s, NULL, 0);
		service_ready(&s, count, NULL);
		service_stopping(&s, 0);
		service_fini(&s);
		close(manager);
	}
	unsetenv("WATCHDOG_PID");
	loop_free(loop);
}

int main(void)
{
	RUN(test_life);
	RUN(test_stuck_loop);
	RUN(test_environment);
	return test_end();
}
