/* SPDX-License-Identifier: Apache-2.0 */
/* What the status is made of: labels of series, samples, the log's last warnings, the oldest of what is held. */
#include <unistd.h>

#include "lib/log.h"
#include "lib/metric.h"
#include "pipeline/block.h"
#include "tests/unit/test.h"

static const struct {
	const char *labels, *name, *want;
} label_rows[] = {
	{ "a=\"b\",c=\"d\"", "a", "b" },
	{ "a=\"b\",c=\"d\"", "c", "d" },
	{ "a=\"b\",c=\"d\"", "b", NULL },
	{ "a=\"x\\\",c=\\\"y\",c=\"d\"", "c", "d" },
	{ "a=\"\",c=\"d\"", "a", "" },
	{ "a=\"\\\\\",c=\"d\"", "c", "d" },
	{ "", "a", NULL },
};

static void labels(void)
{
	for (size_t i = 0; i < ARRAY_LEN(label_rows); i++) {
		struct str got = metric_label(str_c(label_rows[i].labels), label_rows[i].name);

		ROW(label_rows[i].labels);
		if (label_rows[i].want)
			EQ_STR(got, label_rows[i].want);
		OK((got.p != NULL) == (label_rows[i].want != NULL));
	}
}

static void samples(void)
{
	struct metric *a = metric_get(METRIC_REDACTED, "pipeline", "p", "detector", "a", NULL);
	struct metric_sample s = { 0 };

	metric_add(a, 5);
	metric_sample_take(&s);
	metric_get(METRIC_REDACTED, "pipeline", "p", "detector", "b", NULL);
	metric_add(a, 5);
	EQ_INT(metric_sample_get(&s, METRIC_REDACTED, 0), 5);
	EQ_INT(metric_sample_get(&s, METRIC_REDACTED, 1), 0); /* was not there */
	metric_sample_fini(&s);
}

static char said[4096];
static void hear(void *ctx, enum log_level level, struct str line)
{
	size_t n = strlen(said);

	(void)ctx;
	snprintf(said + n, sizeof(said) - n, "%d %d ", (int)level,
		 (int)str_find(line, STR("msg=")) < (int)line.n);
}

static void last_warnings(void)
{
	int null = dup(STDERR_FILENO);

	if (!freopen("/dev/null", "w", stderr))
		return;
	log_info("no");
	log_warn("yes");
	log_recent(hear, NULL);
	EQ_STR(str_c(said), "2 1 ");
	for (int i = 0; i < 40; i++)
		log_write(NULL, LOG_LVL_ERROR, "again", NULL);
	said[0] = 0;
	log_recent(hear, NULL);
	EQ_INT(strlen(said), 16 * 4);
	dup2(null, STDERR_FILENO);
	close(null);
}

static struct block *held_block(struct held_blocks *held, int64_t made_ns, bool is_taken)
{
	struct block *b = block_new(1, 0, 8);

	b->held = held;
	b->made_ns = made_ns;
	held->n++;
	if (is_taken)
		block_taken(b);
	return b;
}

/* They end in any order, also one that nobody has taken. */
static void oldest(void)
{
	struct held_blocks held = { 0 };
	struct block *a = held_block(&held, 1, true), *b = held_block(&held, 2, true);
	struct block *c = held_block(&held, 3, true), *d = held_block(&held, 4, false);

	EQ_INT(held.oldest_ns, 1);
	block_end(b, 1);
	EQ_INT(held.oldest_ns, 1);
	block_end(a, 1);
	EQ_INT(held.oldest_ns, 3);
	block_end(d, 1);
	EQ_INT(held.oldest_ns, 3);
	block_end(c, 1);
	EQ_INT(held.oldest_ns, 0);
	EQ_INT(held.n, 0);
	OK(!held.first && !held.last);
	a = held_block(&held, 9, true);
	EQ_INT(held.oldest_ns, 9);
	block_end(a, 1);
}

int main(void)
{
	RUN(labels);
	RUN(samples);
	RUN(last_warnings);
	RUN(oldest);
	return test_end();
}
