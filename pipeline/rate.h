/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket that fills with `rate` tokens a second up to `burst`. Kept as the time at which it will
 * be full again (GCRA), so that there is nothing to refill. Not locked. */
#ifndef PIPELINE_RATE_H
#define PIPELINE_RATE_H

#include <stdint.h>

struct rate {
	double token_ns; /* time of one token */
	double burst;
	double full_at_ns; /* monotonic, since `zero_ns` */
	int64_t zero_ns;
};

#define RATE_TOKEN_NS_MAX 1e17 /* three years: all that is computed from it stays far from 2^63 */

static inline struct rate rate_make(double per_second, unsigned burst, int64_t now_ns)
{
	double token_ns = 1e9 / per_second;

	if (!(token_ns < RATE_TOKEN_NS_MAX))
		token_ns = RATE_TOKEN_NS_MAX;
	return (struct rate){ token_ns, burst, 0, now_ns };
}

/* Takes up to n tokens, returns how many there were. */
static inline uint32_t rate_take(struct rate *r, uint32_t n, int64_t now_ns)
{
	double now = (double)(now_ns - r->zero_ns), missing, there;
	uint32_t got;

	if (r->full_at_ns < now)
		r->full_at_ns = now;
	missing = (r->full_at_ns - now) / r->token_ns;
	there = r->burst - missing + 1e-6; /* rounding must not take a token away for ever */
	got = there < 1 ? 0 : there < n ? (uint32_t)there : n;
	r->full_at_ns += got * r->token_ns;
	return got;
}

/* How long until n tokens (at most the burst) are there. */
static inline int64_t rate_wait_ns(const struct rate *r, uint32_t n, int64_t now_ns)
{
	double now = (double)(now_ns - r->zero_ns);
	double want = n < r->burst ? n : r->burst;
	double at = r->full_at_ns - (r->burst - want) * r->token_ns;

	if (at - now > RATE_TOKEN_NS_MAX)
		return (int64_t)RATE_TOKEN_NS_MAX;
	return at > now ? (int64_t)(at - now) + 1 : 0;
}

#endif
