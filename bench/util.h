/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers shared by the bench programs: errors, clocks, numbers, sockets, the exit report. */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NS_PER_S 1000000000ULL

/* Prints "prog: message" to stderr and exits with 1. Bench programs have no other error path. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same with strerror(errno) at the end. */
_Noreturn void die_errno(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void *xmalloc(size_t n);
void *xrealloc(void *p, size_t n);

uint64_t now_ns(void);  /* CLOCK_REALTIME */
uint64_t mono_ns(void); /* CLOCK_MONOTONIC */
uint64_t cpu_ns(void);  /* user + system of this process so far */
uint64_t hwm_kib(void); /* VmHWM of this process, KiB */
void sleep_until(uint64_t deadline_mono_ns);

/* "100", "64k", "2m", "1g" (powers of 1024). Dies on anything else. */
uint64_t parse_size(const char *what, const char *s);
/* "HOST:PORT", IPv4 only: the bench never leaves loopback. */
struct sockaddr_in;
void parse_addr(const char *s, struct sockaddr_in *out);

void write_all(int fd, const void *p, size_t n);

/* Sets a flag on SIGTERM and SIGINT without SA_RESTART, so that blocking calls return EINTR. */
extern volatile int stop_requested;
void stop_on_signal(void);

/* What every floor prints as one JSON line when it ends. */
struct report {
	const char *program;
	uint64_t lines;
	uint64_t line_bytes;
	uint64_t raw_bytes;  /* protobuf bytes before compression */
	uint64_t wire_bytes; /* request heads and bodies */
	uint64_t requests;
	uint64_t redactions;
};
void report_print(const struct report *r);

#endif
