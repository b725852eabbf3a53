/* SPDX-License-Identifier: Apache-2.0 */
/* Puts detectors and own patterns together, merges what they found and writes the result. */
#include "pipeline/redact.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/redact_impl.h"

#define NAME_MAX_BYTES 64
#define GROWTH_MAX 4                /* times the text */
#define GROWTH_FREE ((size_t)65536) /* bytes that are fine in any case */

struct rule {
	struct pattern *pattern;
	char name[NAME_MAX_BYTES + 1];
};

struct redact {
	unsigned detectors;
	size_t nrules;
	struct rule rules[REDACT_RULES_MAX];
	struct pattern_group *group;        /* of all rules; NULL when one has no literal */
	struct str texts[REDACT_KINDS_MAX]; /* replacement by kind; owned */
};

static const char *const kind_names[REDACT_KIND_RULES] = {
	"card", "email", "ipv4", "bearer", "basic", "key_value", "cut", "key_value",
};

/* ---- making ---- */

static struct str owned(struct str s)
{
	return str_make(mem_dup(s.n ? s.p : "", s.n + !s.n), s.n);
}

static struct str default_text(const char *name)
{
	struct buf b = BUF_INIT;
	struct str s;

	buf_printf(&b, "<redacted:%s>", name);
	s = owned(buf_as_str(&b));
	buf_fini(&b);
	return s;
}

static int check_replacement(struct str text, struct err *err)
{
	if (text.n > REDACT_REPLACEMENT_MAX)
		return err_set(err, -EINVAL, "a replacement is longer than %d bytes",
			       REDACT_REPLACEMENT_MAX);
	return 0;
}

static int add_rule(struct redact *r, const struct redact_rule *rule, struct str common,
		    struct err *err)
{
	struct str text = rule->replacement.p ? rule->replacement : common;
	struct rule *own = &r->rules[r->nrules];
	struct err why = ERR_NONE;
	int rc;

	if (rule->name.n == 0 || rule->name.n > NAME_MAX_BYTES)
		return err_set(err, -EINVAL, "a pattern needs a name of 1 to %d bytes",
			       NAME_MAX_BYTES);
	memcpy(own->name, rule->name.p, rule->name.n);
	rc = pattern_compile(rule->expression, 0, &own->pattern, &why);
	if (rc)
		return err_set(err, rc, "pattern %s: %s", own->name, why.text);
	rc = check_replacement(text, err);
	if (rc) {
		pattern_free(TAKE(own->pattern));
		return rc;
	}
	r->texts[REDACT_KIND_RULES + r->nrules++] = text.p ? owned(text) : default_text(own->name);
	return 0;
}

static void make_group(struct redact *r)
{
	const struct pattern *patterns[REDACT_RULES_MAX];

	for (size_t i = 0; i < r->nrules; i++)
		patterns[i] = r->rules[i].pattern;
	r->group = pattern_group_new(patterns, r->nrules);
}

int redact_new(const struct redact_options *options, struct redact **ret, struct err *err)
{
	struct redact *r;
	int rc = check_replacement(options->replacement, err);

	*ret = NULL;
	if (!rc && options->nrules > REDACT_RULES_MAX)
		rc = err_set(err, -EINVAL, "more than %d patterns", REDACT_RULES_MAX);
	if (rc)
		return rc;
	r = mem_zalloc(sizeof(*r));
	r->detectors = options->detectors;
	for (unsigned k = 0; k < REDACT_KIND_RULES; k++)
		r->texts[k] = options->replacement.p ? owned(options->replacement)
						     : default_text(kind_names[k]);
	for (size_t i = 0; !rc && i < options->nrules; i++)
		rc = add_rule(r, &options->rules[i], options->replacement, err);
	if (!rc)
		make_group(r);
	if (rc)
		redact_free(r);
	else
		*ret = r;
	return rc;
}

void redact_free(struct redact *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->nrules; i++)
		pattern_free(r->rules[i].pattern);
	pattern_group_free(r->group);
	for (unsigned k = 0; k < REDACT_KINDS_MAX; k++)
		mem_free((char *)r->texts[k].p);
	mem_free(r);
}

void redact_scratch_fini(struct redact_scratch *s)
{
	mem_free(s->splices);
	*s = (struct redact_scratch){ 0 };
}

const char *redact_kind_name(const struct redact *r, unsigned kind)
{
	CHECK(kind < REDACT_KIND_RULES + r->nrules);
	return kind < REDACT_KIND_RULES ? kind_names[kind]
					: r->rules[kind - REDACT_KIND_RULES].name;
}

/* ---- the list ---- */

void redact_add(struct redact_search *s, unsigned kind, size_t start, size_t end, bool is_quoted)
{
	struct redact_scratch *out = s->out;

	if (out->n == out->cap) {
		out->cap = out->cap ? 2 * out->cap : 64;
		out->splices = mem_realloc(out->splices, out->cap * sizeof(*out->splices));
	}
	out->splices[out->n++] =
		(struct redact_splice){ (uint32_t)start, (uint32_t)end, (uint16_t)kind, is_quoted };
}

/* Earlier first; of two that start together the longer one. */
static bool is_before(const struct redact_splice *a, const struct redact_splice *b)
{
	return a->start != b->start ? a->start < b->start : a->end > b->end;
}

static void sift(struct redact_splice *a, size_t root, size_t n)
{
	for (;;) {
		size_t child = 2 * root + 1;
		struct redact_splice t;

		if (child >= n)
			return;
		if (child + 1 < n && is_before(&a[child], &a[child + 1]))
			child++;
		if (!is_before(&a[root], &a[child]))
			return;
		t = a[root];
		a[root] = a[child];
		a[child] = t;
		root = child;
	}
}

/* Heapsort: a hostile line may hold thousands, and nothing is allocated. */
static void sort(struct redact_splice *a, size_t n)
{
	size_t i = 1;

	while (i < n && !is_before(&a[i], &a[i - 1]))
		i++;
	if (i >= n)
		return; /* as it mostly is */
	for (i = n / 2; i-- > 0;)
		sift(a, i, n);
	for (i = n; i-- > 1;) {
		struct redact_splice t = a[0];

		a[0] = a[i];
		a[i] = t;
		sift(a, 0, i);
	}
}

/* Overlapping ones become one, under the kind of the first. */
static void merge(struct redact_scratch *s)
{
	struct redact_splice *a = s->splices;
	uint32_t n = 0;

	sort(a, s->n);
	for (uint32_t i = 0; i < s->n; i++) {
		if (n && a[i].start < a[n - 1].end) {
			if (a[i].end > a[n - 1].end)
				a[n - 1].end = a[i].end;
		} else if (n && a[i].start == a[n - 1].end && a[i].kind == a[n - 1].kind) {
			a[n - 1].end =
				a[i].end; /* \d finds every digit: one replacement is enough */
		} else {
			a[n++] = a[i];
		}
	}
	s->n = n;
}

/* ---- searching ---- */

/* All matches of own pattern i; -1 when it gave up. */
static int find_rule(const struct redact *r, size_t i, struct redact_search *s,
		     struct pattern_scratch *ps, struct str text)
{
	const struct pattern *p = r->rules[i].pattern;
	size_t ov[PATTERN_OVECTOR_MAX];
	struct pattern_find find = { 0 };
	int rc;

	while ((rc = pattern_find_next(p, ps, text, &find, ov)) == PATTERN_MATCH) {
		const size_t *at = pattern_groups(p) && ov[2] != PATTERN_UNSET ? &ov[2] : ov;

		if (at[1] > at[0])
			redact_add(s, (unsigned)(REDACT_KIND_RULES + i), at[0], at[1], false);
	}
	return rc;
}

/* What may be half a secret at the end of a cut text. */
static int find_cut(const struct redact *r, struct redact_search *s, struct pattern_scratch *ps,
		    struct str text)
{
	size_t start = r->detectors ? redact_cut_start(s, r->detectors) : text.n, at;

	for (size_t i = 0; i < r->nrules; i++) {
		int rc = pattern_match_cut(r->rules[i].pattern, ps, text, 0, &at);

		if (rc < 0)
			return rc;
		if (rc == PATTERN_MATCH && at < start)
			start = at;
	}
	if (start < text.n)
		redact_add(s, REDACT_KIND_CUT, start, text.n, false);
	return 0;
}

int redact_find(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		struct str text, bool is_cut)
{
	struct redact_search search = { (const uint8_t *)text.p, text.n, s, 0, 0, 0, 0 };
	int rc = 0;

	s->n = 0;
	if (text.n > UINT32_MAX)
		return -1;
	if (r->detectors)
		redact_scan(&search, r->detectors);
	if (!r->group || pattern_group_may_match(r->group, text))
		for (size_t i = 0; !rc && i < r->nrules; i++)
			rc = find_rule(r, i, &search, ps, text);
	if (!rc && is_cut)
		rc = find_cut(r, &search, ps, text);
	if (rc < 0)
		return -1;
	if (s->n)
		merge(s);
	return (int)s->n;
}

/* ---- writing ---- */

static char *put(char *out, struct str s)
{
	if (s.n)
		memcpy(out, s.p, s.n);
	return out + s.n;
}

static char *put_splice(const struct redact *r, const struct redact_splice *x, char *out)
{
	if (x->is_quoted)
		*out++ = '"';
	out = put(out, r->texts[x->kind]);
	if (x->is_quoted)
		*out++ = '"';
	return out;
}

static struct str failed(struct redact_scratch *s)
{
	s->failed++;
	return STR(REDACT_ERROR_TEXT);
}

/* Splices [first, last) over the bytes [from, to). */
static struct str write_range(const struct redact *r, struct redact_scratch *s, struct str text,
			      size_t from, size_t to, struct redact_splice *first,
			      const struct redact_splice *last, struct arena *arena)
{
	size_t bytes = to - from;
	char *start, *out;

	for (const struct redact_splice *x = first; x < last; x++)
		bytes += r->texts[x->kind].n + (x->is_quoted ? 2 : 0);
	if (bytes > GROWTH_FREE && bytes / GROWTH_MAX > to - from)
		return failed(s);
	start = out = arena_bytes(arena, bytes);
	for (const struct redact_splice *x = first; x < last; x++) {
		if (x->start > from)
			out = put(out, str_sub(text, from, x->start));
		out = put_splice(r, x, out);
		from = x->end;
		s->hits[x->kind]++;
	}
	if (from < to)
		out = put(out, str_sub(text, from, to));
	return str_make(start, (size_t)(out - start));
}

struct str redact_write(const struct redact *r, struct redact_scratch *s, struct str text,
			struct arena *arena)
{
	if (!s->n)
		return text;
	return write_range(r, s, text, 0, text.n, s->splices, s->splices + s->n, arena);
}

struct str redact_write_part(const struct redact *r, struct redact_scratch *s, struct str text,
			     size_t from, size_t to, struct arena *arena, bool *ret_changed)
{
	struct redact_splice *first = s->splices, *last, *end;

	*ret_changed = false;
	if (!s->n)
		return str_sub(text, from, to);
	last = first + s->n;
	while (first < last && first->end <= from)
		first++;
	for (end = first; end < last && end->start < to;)
		end++;
	if (first == end)
		return str_sub(text, from, to);
	*ret_changed = true;
	return write_range(r, s, text, from, to, first, end, arena);
}

int redact_text(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		struct str *text, bool is_cut, struct arena *arena)
{
	uint64_t failures = s->failed;
	int n = redact_find(r, s, ps, *text, is_cut);

	if (n < 0)
		*text = failed(s);
	else if (n > 0)
		*text = redact_write(r, s, *text, arena);
	return s->failed != failures ? -1 : n > 0;
}

bool redact_is_secret_name(const struct redact *r, struct str name)
{
	return r->detectors & REDACT_KEY_VALUE &&
	       redact_is_secret_key((const uint8_t *)name.p, name.n);
}

struct str redact_name_text(const struct redact *r, struct redact_scratch *s)
{
	s->hits[REDACT_KIND_NAME]++;
	return r->texts[REDACT_KIND_NAME];
}
