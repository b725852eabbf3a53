/* SPDX-License-Identifier: Apache-2.0 */
/* Puts detectors and own patterns together. What they do with a text: redact_find.c, redact_write.c. */
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
	size_t n = 0;

	for (size_t i = 0; i < r->nrules; i++) {
		struct pattern_group *more;

		if (!pattern_has_prefilter(r->rules[i].pattern)) {
			r->has_ungrouped = true;
			continue;
		}
		patterns[n] = r->rules[i].pattern;
		more = n ? pattern_group_new(patterns, n + 1) : NULL;
		if (!more && r->ngroups < REDACT_GROUPS_MAX) {
			patterns[0] = r->rules[i].pattern;
			n = 0;
			more = pattern_group_new(patterns, 1);
			r->ngroups += more != NULL;
		}
		if (!more) {
			r->has_ungrouped = true;
			continue;
		}
		pattern_group_free(r->groups[r->ngroups - 1]);
		r->groups[r->ngroups - 1] = more;
		r->rules[i].group = (uint8_t)r->ngroups;
		n++;
	}
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
	mem_free(s->list.items);
	redact_ahead_fini(&s->ahead);
	*s = (struct redact_scratch){ 0 };
}

void redact_ahead_fini(struct redact_ahead *a)
{
	mem_free(a->found.items);
	*a = (struct redact_ahead){ 0 };
}

const char *redact_kind_name(const struct redact *r, unsigned kind)
{
	CHECK(kind < REDACT_KINDS_MAX && r->names[kind]);
	return r->names[kind];
}
