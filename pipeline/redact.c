/* SPDX-License-Identifier: Apache-2.0 */
/* Puts detectors and own patterns together, merges what they found and writes the result. */
#include "pipeline/redact.h"

#include <errno.h>

#include "lib/buf.h"
#include "lib/check.h"
#include "lib/mem.h"
#include "lib/secret.h"
#include "pipeline/pattern.h"
#include "pipeline/redact_impl.h"
#include "pipeline/redact_known.h"

static const char *const scanned_names[REDACT_KIND_KNOWN] = {
	"card", "email", "ipv4", "bearer", "basic", "key_value",
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

static int add_rule(struct redact *r, const struct redact_rule *first,
		    const struct redact_rule *rule, struct str common, struct err *err)
{
	struct str text = rule->replacement.p ? rule->replacement : common;
	struct redact_pattern *own = &r->rules[r->nrules];
	uint16_t kind = (uint16_t)(REDACT_KIND_RULES + (rule - first));
	struct err why = ERR_NONE;
	int rc;

	if (rule->name.n == 0 || rule->name.n > REDACT_NAME_MAX)
		return err_set(err, -EINVAL, "a pattern needs a name of 1 to %d bytes",
			       REDACT_NAME_MAX);
	memcpy(own->name, rule->name.p, rule->name.n);
	rc = pattern_compile(rule->expression, 0, &own->pattern, &why);
	if (rc)
		return err_set(err, rc, "pattern %s: %s", own->name, why.text);
	rc = check_replacement(text, err);
	if (rc) {
		pattern_free(TAKE(own->pattern));
		return rc;
	}
	own->kind = kind;
	r->names[kind] = own->name;
	r->texts[kind] = text.p ? owned(text) : default_text(own->name);
	r->nrules++;
	return 0;
}

static void add_known(struct redact *r, const struct redact_options *options)
{
	for (size_t i = 0; i < REDACT_KNOWN; i++) {
		const struct redact_known *known = &redact_known[i];
		struct redact_pattern *rule = &r->rules[r->nrules];
		struct err err = ERR_NONE;

		r->names[REDACT_KIND_KNOWN + i] = known->name;
		if (!(options->detectors & known->detector) &&
		    !(options->national & known->national))
			continue;
		CHECK(pattern_compile(str_c(known->expression), 0, &rule->pattern, &err) == 0);
		rule->known = known;
		rule->kind = (uint16_t)(REDACT_KIND_KNOWN + i);
		r->needs_counts |=
			known->least.digits || known->least.of_ipv6 || known->least.of_mac;
		r->nrules++;
	}
}

/* The literals of as many rules as fit are looked for together, those of the next in the next group. */
static void make_groups(struct redact *r)
{
	const struct pattern *patterns[REDACT_KNOWN + REDACT_RULES_MAX];
	size_t n = 0, grouped = 0;

	for (size_t i = 0; i < r->nrules; i++) {
		struct pattern_group *more;

		if (!pattern_has_prefilter(r->rules[i].pattern))
			continue;
		patterns[n] = r->rules[i].pattern;
		more = n ? pattern_group_new(patterns, n + 1) : NULL;
		if (!more && r->ngroups < REDACT_GROUPS_MAX) {
			patterns[0] = r->rules[i].pattern;
			n = 0;
			more = pattern_group_new(patterns, 1);
			r->ngroups += more != NULL;
		}
		if (!more)
			continue;
		pattern_group_free(r->groups[r->ngroups - 1]);
		r->groups[r->ngroups - 1] = more;
		r->rules[i].group = (uint8_t)r->ngroups;
		grouped++;
		n++;
	}
	r->is_all_grouped = grouped && grouped == r->nrules;
}

static int set_action(struct redact *r, const struct redact_options *options, struct err *err)
{
	r->action = options->action;
	r->keep_first = options->keep_first;
	r->keep_last = options->keep_last;
	if (r->action == REDACT_HASH && options->hash_key.n < REDACT_HASH_KEY_MIN)
		return err_set(err, -EINVAL, "hash_key: needs at least %d bytes, this one has %zu",
			       REDACT_HASH_KEY_MIN, options->hash_key.n);
	buf_str(&r->hash_key, options->hash_key);
	return 0;
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
	r->detectors = options->detectors & REDACT_SCANNED;
	for (unsigned k = 0; k < REDACT_KIND_KNOWN; k++)
		r->names[k] = scanned_names[k];
	add_known(r, options);
	r->names[REDACT_KIND_CUT] = "cut";
	r->names[REDACT_KIND_NAME] = "key_value";
	for (unsigned k = 0; k < REDACT_KIND_RULES; k++)
		r->texts[k] = options->replacement.p ? owned(options->replacement)
						     : default_text(r->names[k]);
	rc = set_action(r, options, err);
	for (size_t i = 0; !rc && i < options->nrules; i++)
		rc = add_rule(r, options->rules, &options->rules[i], options->replacement, err);
	if (!rc)
		make_groups(r);
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
	for (unsigned i = 0; i < r->ngroups; i++)
		pattern_group_free(r->groups[i]);
	for (unsigned k = 0; k < REDACT_KINDS_MAX; k++)
		mem_free((char *)r->texts[k].p);
	secret_wipe(&r->hash_key);
	mem_free(r);
}

void redact_scratch_fini(struct redact_scratch *s)
{
	mem_free(s->splices);
	*s = (struct redact_scratch){ 0 };
}

const char *redact_kind_name(const struct redact *r, unsigned kind)
{
	CHECK(kind < REDACT_KINDS_MAX && r->names[kind]);
	return r->names[kind];
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

/* What of a match is secret: the first group that took part, else all of it. */
static void secret_of(const struct pattern *p, const size_t *ov, size_t *ret_start, size_t *ret_end)
{
	unsigned g = pattern_groups(p);

	while (g > 0 && ov[2 * g] == PATTERN_UNSET)
		g--;
	*ret_start = ov[2 * g];
	*ret_end = ov[2 * g + 1];
}

/* All matches of a rule; -1 when it gave up. */
static int find_rule(const struct redact_pattern *rule, struct redact_search *s,
		     struct pattern_scratch *ps, struct str text)
{
	size_t ov[PATTERN_OVECTOR_MAX], start, end;
	struct pattern_find find = { 0 };
	int rc;

	while ((rc = pattern_find_next(rule->pattern, ps, text, &find, ov)) == PATTERN_MATCH) {
		secret_of(rule->pattern, ov, &start, &end);
		if (rule->known && rule->known->check)
			end = rule->known->check(text, start, end);
		if (end > start)
			redact_add(s, rule->kind, start, end, false);
		else if (rule->known &&
			 ov[1] > ov[0]) /* another may begin inside of what is none */
			find = (struct pattern_find){ .pos = ov[0] + 1 };
	}
	return rc;
}

static int find_rules(const struct redact *r, struct redact_search *s, struct pattern_scratch *ps,
		      struct str text)
{
	bool may_match[REDACT_GROUPS_MAX + 1] = { true }, any = !r->is_all_grouped;
	struct redact_counts counts = { 0 };
	int rc = 0;

	for (unsigned i = 0; i < r->ngroups; i++)
		any |= may_match[i + 1] = pattern_group_may_match(r->groups[i], text);
	if (!any)
		return 0;
	if (r->needs_counts)
		counts = redact_count(text);
	for (size_t i = 0; !rc && i < r->nrules; i++) {
		const struct redact_pattern *rule = &r->rules[i];

		if (may_match[rule->group] &&
		    (!rule->known || redact_has_enough(&counts, &rule->known->least)))
			rc = find_rule(rule, s, ps, text);
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

/* ---- private keys over several lines ---- */

#define END_MARK STR("-----END ")

size_t redact_end_of_block(struct str text)
{
	size_t at = str_find(text, END_MARK);

	return at < text.n ? at + END_MARK.n : text.n + 1;
}

#define BODY_RUN 32  /* base64 in a row: of a key wherever it stands, a line of one has 64 */
#define BODY_WORD 16 /* the same for the last word of a line with a prefix */

static bool is_base64(char c)
{
	return ((c | 32) >= 'a' && (c | 32) <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
	       c == '/' || c == '=';
}

static bool has_run(struct str text)
{
	size_t run = 0;

	for (size_t i = 0; i < text.n && run < BODY_RUN; i++)
		run = is_base64(text.p[i]) ? run + 1 : 0;
	return run >= BODY_RUN;
}

/* A last line may be short: alone, or behind a prefix; in quotes, with what stands behind those. */
static bool ends_in_base64(struct str text)
{
	static const char fence[] = "\"',;\\[](){}";
	size_t end, start;

	text = str_trim(text);
	for (end = text.n; end && memchr(fence, text.p[end - 1], sizeof(fence) - 1);)
		end--;
	/* A written \n or \r. */
	if (end > 1 && text.p[end - 2] == '\\')
		end -= 2;
	for (start = end; start && is_base64(text.p[start - 1]);)
		start--;
	if (start == end)
		return false;
	if (end - start >= BODY_WORD || text.p[end - 1] == '=')
		return true;
	while (start && memchr(fence, text.p[start - 1], sizeof(fence) - 1))
		start--;
	return start == 0;
}

bool redact_is_in_block(struct str text)
{
	return redact_end_of_block(text) <= text.n || has_run(text) || ends_in_base64(text);
}

/* Asked before splices are merged: another detector may have found the same text, as in
 * PRIVATE_KEY="-----BEGIN. */
static bool has_open_end(const struct redact_scratch *s, struct str text)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct redact_splice *x = &s->splices[i];

		if (x->kind == REDACT_KIND_PRIVATE_KEY && x->end == text.n &&
		    redact_end_of_block(str_skip(text, x->start)) > text.n - x->start)
			return true;
	}
	return false;
}

int redact_find(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		struct str text, bool is_cut)
{
	struct redact_search search = { (const uint8_t *)text.p, text.n, s, 0, 0, 0, 0 };
	int rc = 0;

	s->n = 0;
	s->opens_block = false;
	if (text.n > UINT32_MAX)
		return -1;
	if (r->detectors)
		redact_scan(&search, r->detectors);
	if (r->nrules)
		rc = find_rules(r, &search, ps, text);
	if (!rc && is_cut)
		rc = find_cut(r, &search, ps, text);
	s->opens_block = has_open_end(s, text);
	if (rc < 0)
		return -1;
	if (s->n)
		merge(s);
	return (int)s->n;
}

void redact_cover(struct redact_scratch *s, unsigned kind, struct str text)
{
	struct redact_search search = { .out = s };

	s->n = 0;
	if (text.n)
		redact_add(&search, kind, 0, text.n, false);
}
