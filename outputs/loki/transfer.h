/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi interface on our loop: transfers that are under way together over kept connections. */
#ifndef OUTPUTS_LOKI_TRANSFER_H
#define OUTPUTS_LOKI_TRANSFER_H

#include <curl/curl.h>

struct loop;
struct transfers;

/* One at a time per handle. */
struct transfer {
	CURL *easy; /* the caller's, CURLOPT_PRIVATE is ours */
	/* On the loop's thread, never from inside transfers_add(); the handle is free again. */
	void (*done)(struct transfer *t, CURLcode result);
};

struct transfers *transfers_new(struct loop *loop, long max_idle_connections);
void transfers_free(struct transfers *ts); /* none is under way */
void transfers_add(struct transfers *ts, struct transfer *t);
/* Gives up one that is under way: done() is not called. */
void transfers_remove(struct transfers *ts, struct transfer *t);

#endif
