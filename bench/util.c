/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers shared by the bench programs. */
#include "bench/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

volatile int stop_requested;

static void vdie(const char *fmt, va_list ap, int err)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, fmt, ap);
	if (err)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
}

_Noreturn void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vdie(fmt, ap, 0);
	va_end(ap);
	exit(1);
}

_Noreturn void die_errno(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	vdie(fmt, ap, err);
	va_end(ap);
	exit(1);
}

void *xmalloc(size_t n)
{
	return xrealloc(NULL, n);
}

void *xrealloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		die("out of memory (%zu bytes)", n);
	return p;
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

uint64_t mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t hwm_kib(void)
{
	/* Not ru_maxrss: that one starts with the size of the program that forked us. */
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	unsigned long kib = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "VmHWM: %lu", &kib) == 1)
			break;
	}
	fclose(f);
	return kib;
}

void sleep_until(uint64_t deadline_mono_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline_mono_ns / NS_PER_S),
		.tv_nsec = (long)(deadline_mono_ns % NS_PER_S),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR &&
	       !stop_requested)
		;
}

uint64_t parse_size(const char *what, const char *s)
{
	char *end;
	unsigned shift = 0;

	errno = 0;
	uint64_t v = strtoull(s, &end, 10);
	if (end == s || errno || *s == '-')
		die("%s: not a number: %s", what, s);
	if (*end == 'k' || *end == 'K')
		shift = 10;
	else if (*end == 'm' || *end == 'M')
		shift = 20;
	else if (*end == 'g' || *end == 'G')
		shift = 30;
	if (shift)
		end++;
	if (*end || v > UINT64_MAX >> shift)
		die("%s: not a size: %s", what, s);
	return v << shift;
}

void parse_addr(const char *s, struct sockaddr_in *out)
{
	char host[64];
	const char *colon = strrchr(s, ':');

	if (!colon || (size_t)(colon - s) >= sizeof(host))
		die("not HOST:PORT: %s", s);
	memcpy(host, s, (size_t)(colon - s));
	host[colon - s] = '\0';
	memset(out, 0, sizeof(*out));
	out->sin_family = AF_INET;
	uint64_t port = parse_size("port", colon + 1);
	if (port > 65535 || inet_pton(AF_INET, host, &out->sin_addr) != 1)
		die("not an IPv4 HOST:PORT: %s", s);
	out->sin_port = htons((uint16_t)port);
}

void write_all(int fd, const void *p, size_t n)
{
	const char *c = p;

	while (n) {
		ssize_t r = write(fd, c, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			die_errno("write");
		c += r;
		n -= (size_t)r;
	}
}

static void on_stop(int sig)
{
	(void)sig;
	stop_requested = 1;
}

void stop_on_signal(void)
{
	struct sigaction sa = { .sa_handler = on_stop };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

void report_print(const struct report *r)
{
	printf("{\"program\":\"%s\",\"lines\":%" PRIu64 ",\"line_bytes\":%" PRIu64
	       ",\"raw_bytes\":%" PRIu64 ",\"wire_bytes\":%" PRIu64 ",\"requests\":%" PRIu64
	       ",\"redactions\":%" PRIu64 ",\"cpu_ns\":%" PRIu64 ",\"hwm_kib\":%" PRIu64 "}\n",
	       r->program, r->lines, r->line_bytes, r->raw_bytes, r->wire_bytes, r->requests,
	       r->redactions, cpu_ns(), hwm_kib());
	fflush(stdout);
}
