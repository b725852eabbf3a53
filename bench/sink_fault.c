/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and steps through the script of a misbehaving Loki. */
#include "bench/sink_fault.h"
#include "bench/util.h"

#include <stdlib.h>
#include <string.h>

static struct fault parse_step(char *text)
{
	struct fault f = { .kind = FAULT_OK, .stored = true, .status = 204, .count = 1 };
	char *star = strchr(text, '*'), *at = strchr(text, '@');

	if (star) {
		*star = '\0';
		f.count = parse_size("fault count", star + 1);
	}
	if (at) {
		*at = '\0';
		f.retry_after_s = (unsigned)parse_size("Retry-After", at + 1);
	}
	size_t n = strlen(text);
	bool plus = n && text[n - 1] == '+';
	if (plus)
		text[n - 1] = '\0';
	if (!strcmp(text, "ok"))
		return f;
	if (!strncmp(text, "slow:", 5)) {
		f.kind = FAULT_SLOW;
		f.delay_ms = (unsigned)parse_size("slow", text + 5);
		return f;
	}
	f.stored = plus;
	if (!strcmp(text, "reset")) {
		f.kind = FAULT_RESET;
	} else if (!strcmp(text, "hang")) {
		f.kind = FAULT_HANG;
	} else {
		f.kind = FAULT_STATUS;
		f.status = (unsigned)parse_size("status", text);
		if (f.status < 200 || f.status > 599)
			die("not a status: %s", text);
	}
	return f;
}

void fault_parse(struct fault_script *s, const char *text)
{
	memset(s, 0, sizeof(*s));
	if (!text)
		return;
	char *copy = strdup(text), *save = NULL;
	for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
		if (s->n == FAULTS_MAX)
			die("more than %d fault steps", FAULTS_MAX);
		s->steps[s->n++] = parse_step(t);
	}
	free(copy);
}

struct fault fault_next(struct fault_script *s)
{
	if (s->at == s->n && s->loop)
		s->at = 0;
	if (s->at == s->n)
		return (struct fault){ .kind = FAULT_OK, .stored = true, .status = 204 };
	struct fault f = s->steps[s->at];
	if (++s->done >= f.count) {
		s->done = 0;
		s->at++;
	}
	return f;
}

const char *fault_text(unsigned status)
{
	switch (status) {
	case 260:
		return "ingestion blocked for user 'fake' until '2030-01-01T00:00:00Z' with status "
		       "code '260'\n";
	case 400:
		return "entry with timestamp 2026-11-20 10:00:00 +0000 UTC ignored, reason: 'entry "
		       "too far behind, entry timestamp is: 2026-11-20T10:00:00Z, oldest "
		       "acceptable "
		       "timestamp is: 2026-11-21T10:00:00Z',\nuser 'fake', total ignored: 1 out of "
		       "1 "
		       "for stream: {job=\"bench\"}\n";
	case 401:
		return "no org id\n";
	case 413:
		return "request body too large\n";
	case 429:
		return "Ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec) "
		       "while "
		       "attempting to ingest '1000' lines totaling '200000' bytes, reduce log "
		       "volume "
		       "or contact your Loki administrator to see if the limit can be increased\n";
	case 500:
		return "rpc error: code = Unavailable desc = connection refused\n";
	case 503:
		return "Ingester is shutting down\n";
	default:
		return "scripted answer\n";
	}
}
