/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling and matching: the only file that knows PCRE2. */
#include "pipeline/pattern.h"

#include <errno.h>
#include <stdio.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/mem.h"
#include "lib/utf8.h"
#include "pipeline/pattern_tree.h"

/* 41 bytes against (a+)+$ end after some 0.2 ms with this. Long subjects get more, as a search
 * costs at least one per start. */
#define MATCH_LIMIT 100000u
#define LONG_SUBJECT 4096u
#define HEAP_LIMIT_KIB 4096u /* the interpreter, where JIT is not to be had */
#define JIT_STACK_MIN ((size_t)32 * 1024)
#define JIT_STACK_MAX ((size_t)512 * 1024)

struct pattern {
	struct str expr;   /* owned */
	struct str *names; /* of groups 1..ngroups at their index; into expr */
	unsigned ngroups;
	pcre2_code *code;     /* byte mode; for ASCII subjects only when code_utf is there */
	pcre2_code *code_utf; /* or NULL */
	bool is_jit, is_jit_utf;
	bool has_need;
	struct re_need need;
};

struct pattern_scratch {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

/* ---- compiling ---- */

/* Which \p{...} PCRE2 does not know. */
static int unknown_property(const struct re_tree *t, struct err *err)
{
	for (uint32_t i = 0; i < t->nclasses; i++)
		for (uint32_t k = 0; k < t->classes[i].nprops; k++) {
			const struct re_prop *prop = &t->classes[i].props[k];
			const char *name = prop->name;
			pcre2_code *code;
			char text[64];
			PCRE2_SIZE at;
			int rc, n = snprintf(text, sizeof(text), "\\p{%s}", name);

			code = pcre2_compile((PCRE2_SPTR)text, (size_t)n, 0, &rc, &at, NULL);
			pcre2_code_free(code);
			if (!code)
				return err_set(
					err, -EINVAL, "unknown Unicode property %s (at column %zu)",
					strncmp(name, "sc:", 3) ? name : name + 3, prop->at + 1);
		}
	return err_set(err, -EINVAL, "unknown Unicode property");
}

static pcre2_code *compile_code(const struct re_tree *t, enum re_emit mode, unsigned flags,
				bool *is_jit, struct err *err)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	uint32_t options = PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX | PCRE2_NEVER_BACKSLASH_C |
			   PCRE2_NEVER_UCP | (mode == EMIT_UTF ? PCRE2_UTF : PCRE2_NEVER_UTF);
	struct buf text = BUF_INIT;
	pcre2_code *code;
	char message[128];
	PCRE2_SIZE at;
	int rc;

	CHECK(context);
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(context, 2000); /* we add some of our own */
	re_emit(t, mode, flags, &text);
	code = pcre2_compile((PCRE2_SPTR)buf_cstr(&text), text.n, options, &rc, &at, context);
	buf_fini(&text);
	pcre2_compile_context_free(context);
	if (!code) {
		if (rc == PCRE2_ERROR_UNKNOWN_UNICODE_PROPERTY) {
			unknown_property(t, err);
			return NULL;
		}
		pcre2_get_error_message(rc, (PCRE2_UCHAR *)message, sizeof(message));
		err_set(err, -EINVAL, "%s", message);
		return NULL;
	}
	/* Without JIT (memory that may not become executable) the interpreter does the same. */
	*is_jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0;
	return code;
}

static void keep_expr(struct pattern *p, struct str expr, const struct re_tree *t)
{
	p->expr = str_make(mem_dup(expr.n ? expr.p : "", expr.n + !expr.n), expr.n);
	p->ngroups = t->ngroups;
	p->names = mem_array(t->ngroups + 1, sizeof(*p->names));
	for (uint32_t i = 1; i <= t->ngroups; i++)
		if (t->names[i].n)
			p->names[i] = str_make(p->expr.p + (t->names[i].p - expr.p), t->names[i].n);
}

int pattern_compile(struct str expr, unsigned flags, struct pattern **ret, struct err *err)
{
	struct pattern *p = mem_zalloc(sizeof(*p));
	bool utf = (flags & PATTERN_FORCE_UTF) != 0;
	struct re_tree t;
	int rc = re_parse(expr, flags, &t, err);

	*ret = NULL;
	if (!rc && !utf) {
		p->code = compile_code(&t, t.needs_utf ? EMIT_ASCII : EMIT_BYTES, flags, &p->is_jit,
				       err);
		rc = p->code ? 0 : -EINVAL;
	}
	if (!rc && (utf || t.needs_utf)) {
		p->code_utf = compile_code(&t, EMIT_UTF, flags, &p->is_jit_utf, err);
		rc = p->code_utf ? 0 : -EINVAL;
	}
	if (!rc) {
		keep_expr(p, expr, &t);
		re_need(&t, &p->need);
		p->has_need = p->need.set.n && !utf;
	}
	re_tree_fini(&t);
	if (rc) {
		pattern_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	pcre2_code_free(p->code_utf);
	mem_free(p->names);
	mem_free((char *)p->expr.p);
	mem_free(p);
}

unsigned pattern_groups(const struct pattern *p)
{
	return p->ngroups;
}

struct str pattern_group_name(const struct pattern *p, unsigned group)
{
	return group && group <= p->ngroups ? p->names[group] : STR_NONE;
}

struct str pattern_expr(const struct pattern *p)
{
	return p->expr;
}

bool pattern_has_prefilter(const struct pattern *p)
{
	return p->has_need;
}

/* ---- scratch ---- */

struct pattern_scratch *pattern_scratch_new(void)
{
	struct pattern_scratch *s = mem_zalloc(sizeof(*s));

	s->data = pcre2_match_data_create(PATTERN_GROUPS_MAX + 1, NULL);
	s->context = pcre2_match_context_create(NULL);
	s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	CHECK(s->data && s->context);
	pcre2_set_match_limit(s->context, MATCH_LIMIT);
	pcre2_set_depth_limit(s->context, MATCH_LIMIT);
	pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
	if (s->stack)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	return s;
}

void pattern_scratch_free(struct pattern_scratch *s)
{
	if (!s)
		return;
	pcre2_match_data_free(s->data);
	pcre2_match_context_free(s->context);
	pcre2_jit_stack_free(s->stack);
	mem_free(s);
}

/* ---- matching ---- */

static bool is_ascii(struct str s)
{
	uint64_t any = 0, word;
	size_t i = 0;

	for (; i + 32 <= s.n; i += 32) {
		uint64_t w[4];

		memcpy(w, s.p + i, sizeof(w));
		any |= (w[0] | w[1]) | (w[2] | w[3]);
	}
	for (; i + 8 <= s.n; i += 8) {
		memcpy(&word, s.p + i, 8);
		any |= word;
	}
	for (; i < s.n; i++)
		any |= (uint8_t)s.p[i];
	return !(any & 0x8080808080808080u);
}

/* Chooses the code for this subject; NULL when it is not valid UTF-8 and would have to be. */
static const pcre2_code *code_for(const struct pattern *p, struct str subject, bool *is_jit)
{
	*is_jit = p->is_jit;
	if (!p->code_utf || (p->code && is_ascii(subject)))
		return p->code;
	*is_jit = p->is_jit_utf;
	return utf8_is_valid(subject) ? p->code_utf : NULL;
}

/* Moves *from to where a match can begin at the earliest; false when there is none. */
static bool prefilter(const struct pattern *p, struct str subject, size_t *from)
{
	size_t offset = p->need.offset, hit;

	if (offset == PATTERN_UNSET)
		return literal_set_find(&p->need.set, subject, *from) != LITERAL_NONE;
	hit = literal_set_find(&p->need.set, subject, *from + offset);
	if (hit == LITERAL_NONE)
		return false;
	*from = hit - offset;
	return true;
}

/* Bit i: texts[i] has what is needed. For ASCII only: or is none. */
static uint64_t may_match(const struct literal_set *need, bool is_ascii_only,
			  const struct str *texts, uint32_t n)
{
	uint64_t found = literal_set_texts(need, texts, n);

	for (uint32_t i = 0; is_ascii_only && i < n; i++)
		if (!(found >> i & 1) && !is_ascii(texts[i]))
			found |= UINT64_C(1) << i;
	return found;
}

uint64_t pattern_texts(const struct pattern *p, const struct str *texts, uint32_t n)
{
	return p->has_need ? may_match(&p->need.set, p->need.is_ascii_only, texts, n) : UINT64_MAX;
}

static void set_limit(struct pattern_scratch *s, size_t subject_bytes)
{
	uint64_t limit = MATCH_LIMIT + 16 * (uint64_t)subject_bytes;

	pcre2_set_match_limit(s->context, limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit);
}

static int outcome(int rc)
{
	if (rc >= 0)
		return PATTERN_MATCH;
	return rc == PCRE2_ERROR_NOMATCH ? PATTERN_NO_MATCH : PATTERN_ERROR;
}

int pattern_match(const struct pattern *p, struct pattern_scratch *s, struct str subject,
		  size_t from, size_t *ovector)
{
	PCRE2_SPTR text = (PCRE2_SPTR)(subject.p ? subject.p : "");
	const pcre2_code *code;
	bool is_jit, is_long = subject.n > LONG_SUBJECT;
	size_t start = from;
	int rc;

	if (from > subject.n)
		return PATTERN_NO_MATCH;
	if (p->has_need && !prefilter(p, subject, &start)) {
		if (!p->need.is_ascii_only || is_ascii(subject))
			return PATTERN_NO_MATCH;
		start = from;
	}
	code = code_for(p, subject, &is_jit);
	if (!code)
		return PATTERN_ERROR;
	/* The literal found may not be the first way to match a subject beyond ASCII. */
	if (code == p->code_utf && p->need.is_ascii_only)
		start = from;
	if (is_long)
		set_limit(s, subject.n);
	if (is_jit)
		rc = pcre2_jit_match(code, text, subject.n, start, 0, s->data, s->context);
	else
		rc = pcre2_match(code, text, subject.n, start, PCRE2_NO_UTF_CHECK, s->data,
				 s->context);
	if (is_long)
		set_limit(s, 0);
	rc = outcome(rc);
	if (rc == PATTERN_MATCH && ovector)
		memcpy(ovector, pcre2_get_ovector_pointer(s->data),
		       2 * (p->ngroups + 1) * sizeof(*ovector));
	return rc;
}

int pattern_match_cut(const struct pattern *p, struct pattern_scratch *s, struct str subject,
		      size_t from, size_t *ret_start)
{
	PCRE2_SPTR text = (PCRE2_SPTR)(subject.p ? subject.p : "");
	bool is_jit;
	const pcre2_code *code = code_for(p, subject, &is_jit);
	const size_t *ov;
	int rc;

	if (!code)
		return PATTERN_ERROR;
	/* With an ASCII subject the ASCII code decides what could follow, too: K-signs and the like
	 * behind the cut are of no concern. */
	set_limit(s, subject.n);
	while (from <= subject.n) {
		rc = pcre2_match(code, text, subject.n, from,
				 PCRE2_PARTIAL_HARD | PCRE2_NO_UTF_CHECK, s->data, s->context);
		ov = pcre2_get_ovector_pointer(s->data);
		if (rc == PCRE2_ERROR_PARTIAL) {
			*ret_start = ov[0];
			return PATTERN_MATCH;
		}
		if (rc < 0)
			return outcome(rc);
		from = ov[1] > from ? ov[1] : from + 1;
		while (from < subject.n && (subject.p[from] & 0xc0) == 0x80)
			from++;
	}
	return PATTERN_NO_MATCH;
}

int pattern_find_next(const struct pattern *p, struct pattern_scratch *s, struct str subject,
		      struct pattern_find *find, size_t *ovector)
{
	while (find->pos <= subject.n) {
		int rc = pattern_match(p, s, subject, find->pos, ovector);
		bool is_new = true;

		if (rc != PATTERN_MATCH)
			return rc;
		if (ovector[1] == find->pos) { /* empty, right here */
			is_new = find->prev_end != find->pos + 1;
			find->pos++;
			while (find->pos < subject.n && (subject.p[find->pos] & 0xc0) == 0x80)
				find->pos++;
		} else {
			find->pos = ovector[1];
		}
		find->prev_end = ovector[1] + 1;
		if (is_new)
			return PATTERN_MATCH;
	}
	return PATTERN_NO_MATCH;
}

/* ---- groups ---- */

struct pattern_group {
	struct literal_set set;
	bool is_ascii_only;
};

struct pattern_group *pattern_group_new(const struct pattern *const *patterns, size_t n)
{
	struct pattern_group *g = mem_zalloc(sizeof(*g));

	for (size_t i = 0; i < n; i++) {
		const struct re_need *need = &patterns[i]->need;

		if (!patterns[i]->has_need || g->set.n + need->set.n > LITERAL_SET_MAX) {
			mem_free(g);
			return NULL;
		}
		memcpy(&g->set.items[g->set.n], need->set.items,
		       need->set.n * sizeof(need->set.items[0]));
		g->set.n += need->set.n;
		g->is_ascii_only |= need->is_ascii_only;
	}
	if (!g->set.n) {
		mem_free(g);
		return NULL;
	}
	literal_set_init(&g->set);
	return g;
}

void pattern_group_free(struct pattern_group *g)
{
	mem_free(g);
}

uint64_t pattern_group_texts(const struct pattern_group *g, const struct str *texts, uint32_t n)
{
	return may_match(&g->set, g->is_ascii_only, texts, n);
}
