/* SPDX-License-Identifier: Apache-2.0 */
/* `tailrace dead-letters`: what an output refused for good, to be looked at or sent again. */
#include <errno.h>

#include "agent/cli.h"
#include "agent/cli_common.h"
#include "lib/log.h"
#include "lib/rfc3339.h"
#include "outputs/loki/deadletter.h"
#include "outputs/loki/letter.h"
#include "outputs/output.h"

/* A terminal must not be driven by a log. */
static void put_plain(struct buf *out, struct str s, size_t max)
{
	for (size_t i = 0; i < s.n && i < max; i++)
		buf_ch(out, (uint8_t)s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : s.p[i]);
	if (s.n > max)
		buf_c(out, "...");
}

static void put_letter(struct buf *out, const struct letter *l)
{
	char time[RFC3339_MAX];

	buf_put(out, time, rfc3339_utc(l->time_ns, 3, time));
	if (l->tenant.n) {
		buf_ch(out, ' ');
		put_plain(out, l->tenant, 150);
	}
	buf_ch(out, ' ');
	put_plain(out, l->labels, 500);
	buf_printf(out, "\n  %lld ", (long long)l->status);
	put_plain(out, l->reason, 300);
	buf_c(out, "\n  ");
	put_plain(out, l->line, 500);
	buf_ch(out, '\n');
}

struct listing {
	const char *path;
	bool as_json;
	uint64_t count;
};

static void list_one(void *arg, struct str line)
{
	struct listing *listing = arg;
	struct arena arena = ARENA_INIT;
	struct buf out = BUF_INIT;
	struct letter letter;

	listing->count++;
	if (!letter_read(line, &arena, &letter)) {
		buf_printf(&out, "%s: a line that is no dead letter\n", listing->path);
	} else if (listing->as_json) {
		buf_str(&out, line);
		buf_ch(&out, '\n');
	} else {
		put_letter(&out, &letter);
	}
	cli_print(stdout, &out);
	arena_fini(&arena);
}

static int list(const struct plan *plan, const struct plan_output *out, bool as_json,
		struct err *err)
{
	static const char *const first[] = { ".replaying", ".unreadable" };
	struct buf path = BUF_INIT;
	struct listing listing = { .as_json = as_json };
	int rc = 0;

	for (int i = -2; rc == 0 && i < DEADLETTER_FILES_MAX; i++) {
		int age = DEADLETTER_FILES_MAX - 1 - i;

		buf_clear(&path);
		buf_printf(&path, "%s/dead-letters/%s.jsonl", plan->state_dir, out->name);
		if (i < 0)
			buf_c(&path, first[i + 2]);
		else if (age)
			buf_printf(&path, ".%d", age);
		*err = ERR_NONE;
		err_where(err, "%s", buf_cstr(&path));
		listing.path = buf_cstr(&path);
		rc = deadletter_read(listing.path, list_one, &listing, err);
	}
	fflush(stdout);
	if (rc == 0 && !as_json)
		fprintf(stderr, "%s: %llu dead letter%s\n", out->name,
			(unsigned long long)listing.count, listing.count == 1 ? "" : "s");
	buf_fini(&path);
	return rc;
}

static int replay(const struct plan *plan, const struct plan_output *out, struct err *err)
{
	struct replay_sum sum;
	int rc = out->ops->replay(out->name, out->conf, plan->state_dir, &sum, err);

	printf("%s: %llu delivered, %llu refused again, %llu unreadable\n", out->name,
	       (unsigned long long)sum.delivered, (unsigned long long)sum.refused,
	       (unsigned long long)sum.unreadable);
	return rc;
}

static int each_output(const struct cli_args *args, const struct plan *plan, bool is_replay)
{
	const char *only = args->nrest > 1 ? args->rest[1] : NULL;
	bool as_json = args->format && !strcmp(args->format, "json"), is_known = !only;
	struct err err = ERR_NONE;
	int rc = 0;

	for (size_t i = 0; i < plan->noutputs; i++) {
		const struct plan_output *out = &plan->outputs[i];

		if (!out->ops->replay || (only && strcmp(only, out->name)))
			continue;
		is_known = true;
		err = ERR_NONE;
		if ((is_replay ? replay(plan, out, &err) : list(plan, out, as_json, &err)) < 0)
			rc = cli_fail(&err);
	}
	if (!is_known) {
		err_set(&err, -ENOENT, "no output '%s' has dead letters", only);
		return cli_wrong(&err);
	}
	return rc;
}

int cli_dead_letters(const struct cli_args *args)
{
	const char *action = args->nrest ? args->rest[0] : "list";
	bool is_replay = !strcmp(action, "replay");
	struct err err = ERR_NONE;
	struct config *c;
	int rc;

	if (!is_replay && strcmp(action, "list"))
		err_set(&err, -EINVAL, "dead-letters can list and replay, not '%s'", action);
	else if (args->format && strcmp(args->format, "text") && strcmp(args->format, "json"))
		err_set(&err, -EINVAL, "--format is text or json, not '%s'", args->format);
	if (err.code)
		return cli_wrong(&err);
	c = cli_load(args->config, false);
	if (!c)
		return EXIT_WRONG;
	log_setup(LOG_LVL_WARN, c->agent.log.format);
	rc = each_output(args, &c->plan, is_replay);
	config_free(c);
	return rc;
}
