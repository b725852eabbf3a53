/* SPDX-License-Identifier: Apache-2.0 */
/* Searching: one pass over many texts, then the patterns of those that have a candidate, and one sorted
 * list of what was found. */
#include "lib/mem.h"
#include "pipeline/pattern.h"
#include "pipeline/redact_impl.h"
#include "pipeline/redact_known.h"

/* ---- the list ---- */

void redact_add(struct redact_search *s, unsigned kind, size_t start, size_t end, bool is_quoted)
{
	struct redact_splices *out = s->out;

	if (out->n == out->cap) {
		out->cap = out->cap ? 2 * out->cap : 64;
		out->items = mem_realloc(out->items, out->cap * sizeof(*out->items));
	}
	out->items[out->n++] =
		(struct redact_splice){ (uint32_t)start, (uint32_t)end, (uint16_t)kind, is_quoted };
}

/* Earlier first; of two that start together the longer one. Of the same text the detector that comes
 * first: in which order they found it depends on where the text stands. */
static bool is_before(const struct redact_splice *a, const struct redact_splice *b)
{
	if (a->start != b->start)
		return a->start < b->start;
	return a->end != b->end ? a->end > b->end : a->kind < b->kind;
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
static void merge(struct redact_splices *s)
{
	struct redact_splice *a = s->items;
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
		if (end > start) {
			redact_add(s, rule->kind, start, end, false);
			/* What a check took beyond the match is not searched again: a line full of
			 * beginnings costs no more than another. */
			find.pos = end > find.pos ? end : find.pos;
		} else if (rule->known &&
			   ov[1] > ov[0]) /* another may begin inside of what is none */
			find = (struct pattern_find){ .pos = ov[0] + 1 };
	}
	return rc;
}

static int find_rules(const struct redact *r, struct redact_search *s, struct pattern_scratch *ps,
		      const struct redact_ahead *a, uint32_t text_index, struct str text)
{
	struct redact_counts counts = { 0 };
	int rc = 0;

	if (r->needs_counts)
		counts = redact_count(text);
	for (size_t i = 0; !rc && i < r->nrules; i++) {
		const struct redact_pattern *rule = &r->rules[i];

		if (a->may_match[rule->group] >> text_index & 1 &&
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
static bool has_open_end(const struct redact_splices *list, struct str text)
{
	for (uint32_t i = 0; i < list->n; i++) {
		const struct redact_splice *x = &list->items[i];

		if (x->kind == REDACT_KIND_PRIVATE_KEY && x->end == text.n &&
		    redact_end_of_block(str_skip(text, x->start)) > text.n - x->start)
			return true;
	}
	return false;
}

/* ---- all together ---- */

void redact_look_ahead(const struct redact *r, struct redact_ahead *a, const struct str *texts,
		       uint32_t n)
{
	CHECK(n && n <= TEXT_RUN_MAX);
	a->found.n = 0;
	for (uint32_t i = 0, run; i < n; i += run) {
		run = text_run(texts + i, n - i);
		redact_scan(texts + i, run, r->detectors, &a->found, a->first + i);
	}
	a->first[n] = a->found.n;
	a->candidates = 0;
	for (uint32_t i = 0; i < n; i++)
		a->candidates |= (uint64_t)(a->first[i] != a->first[i + 1]) << i;
	a->may_match[0] = r->has_ungrouped ? UINT64_MAX : 0;
	for (unsigned i = 0; i < r->ngroups; i++)
		a->may_match[i + 1] = pattern_group_texts(r->groups[i], texts, n);
	for (unsigned i = 0; i <= r->ngroups; i++)
		a->candidates |= a->may_match[i];
}

int redact_find_ahead(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		      const struct redact_ahead *a, uint32_t i, struct str text, bool is_cut)
{
	struct redact_search search = { (const uint8_t *)text.p, text.n, &s->list, 0, 0, 0, 0 };
	int rc = 0;

	s->list.n = 0;
	s->opens_block = false;
	if (text.n > UINT32_MAX)
		return -1;
	if (!(a->candidates >> i & 1) && !is_cut)
		return 0;
	for (uint32_t k = a->first[i]; k < a->first[i + 1]; k++) {
		const struct redact_splice *x = &a->found.items[k];

		redact_add(&search, x->kind, x->start, x->end, x->is_quoted);
	}
	if (r->nrules)
		rc = find_rules(r, &search, ps, a, i, text);
	if (!rc && is_cut)
		rc = find_cut(r, &search, ps, text);
	s->opens_block = has_open_end(&s->list, text);
	if (rc < 0)
		return -1;
	if (s->list.n)
		merge(&s->list);
	return (int)s->list.n;
}

int redact_find(const struct redact *r, struct redact_scratch *s, struct pattern_scratch *ps,
		struct str text, bool is_cut)
{
	redact_look_ahead(r, &s->ahead, &text, 1);
	return redact_find_ahead(r, s, ps, &s->ahead, 0, text, is_cut);
}

void redact_cover(struct redact_scratch *s, unsigned kind, struct str text)
{
	struct redact_search search = { .out = &s->list };

	s->list.n = 0;
	if (text.n)
		redact_add(&search, kind, 0, text.n, false);
}
