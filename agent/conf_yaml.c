/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's event stream into a configuration tree, with a budget for everything that could grow.
 * The depth is checked event by event: libyaml's scanner works through nested brackets in quadratic
 * time (17 s for 128 KB of them), but hands out events while it does, so stopping at the depth limit
 * stops it after the first kilobyte. */
#include <errno.h>
#include <yaml.h>

#include "agent/conf_yaml.h"
#include "agent/conf_yaml_merge.h"
#include "lib/mem.h"
#include "lib/utf8.h"

struct anchor {
	struct str name;
	const struct conf_node *node;
	bool is_open; /* its end has not been seen: an alias to it would contain itself */
};

struct frame {
	struct conf_node *node;
	struct conf_node *key; /* map: the key whose value is next */
	size_t anchor;         /* index + 1, 0 = none */
};

struct loader {
	struct conf_doc *doc;
	const char *file;
	struct str text;
	const struct conf_env *env;
	yaml_parser_t parser;
	struct frame stack[CONF_YAML_DEPTH_MAX];
	size_t depth;
	struct conf_node *root;
	struct anchor *anchors; /* heap */
	size_t nanchors;
	size_t nodes, env_bytes;
	bool is_stopped;
};

static void stop(struct loader *l, const yaml_mark_t *mark, const char *text)
{
	if (!l->is_stopped)
		conf_error_at(l->doc, l->file, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1,
			      "%s", text);
	l->is_stopped = true;
}

/* ---- before libyaml sees the text ---- */

static int refuse_at(struct loader *l, size_t offset, const char *what)
{
	uint32_t line = 1, col = 1;

	for (size_t i = 0; i < offset; i++) {
		if (l->text.p[i] == '\n') {
			line++;
			col = 1;
		} else if (((unsigned char)l->text.p[i] & 0xc0) != 0x80) {
			col++;
		}
	}
	return conf_error_at(l->doc, l->file, line, col, "%s", what);
}

static int check_bytes(struct loader *l)
{
	struct str s = l->text;
	size_t at;

	if (s.n > CONF_YAML_FILE_MAX_BYTES)
		return conf_error_at(l->doc, l->file, 0, 0, "the file is larger than 4 MiB");
	if (s.n >= 2 && (!memcmp(s.p, "\xff\xfe", 2) || !memcmp(s.p, "\xfe\xff", 2)))
		return refuse_at(l, 0, "the file is UTF-16; save it as UTF-8");
	at = str_chr(s, 0);
	if (at < s.n)
		return refuse_at(l, at,
				 "a NUL byte in the file (is it UTF-16, or not text at all?)");
	at = utf8_valid_prefix(s);
	if (at < s.n)
		return refuse_at(l, at, "a byte that is not valid UTF-8");
	return 0;
}

/* ---- nodes ---- */

/* True while one more node is within every budget. */
static bool take_node(struct loader *l, const yaml_mark_t *mark)
{
	if (++l->nodes > CONF_YAML_NODES_MAX)
		stop(l, mark, "more than 200000 values (with aliases written out)");
	else if (conf_doc_bytes(l->doc) > CONF_YAML_DOC_MAX_BYTES)
		stop(l, mark, "the configuration is too large");
	return !l->is_stopped;
}

static void place(struct loader *l, const yaml_mark_t *mark)
{
	conf_doc_at(l->doc, l->file, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1);
}

static bool is_null_word(struct str text)
{
	return text.n == 0 || str_is(text, "~") || str_is(text, "null") || str_is(text, "Null") ||
	       str_is(text, "NULL");
}

static struct str tag_text(const yaml_char_t *tag)
{
	return str_c((const char *)tag);
}

/* Core tags say what the text is anyway; others would need code that does not exist. */
static void check_tag(struct loader *l, const yaml_char_t *tag, const yaml_mark_t *mark)
{
	static const char *const known[] = { "str", "int", "float", "bool", "null", "map", "seq" };
	struct str text = tag_text(tag), prefix = STR("tag:yaml.org,2002:");

	if (text.n == 0 || str_is(text, "!"))
		return;
	if (str_starts(text, prefix))
		for (size_t i = 0; i < ARRAY_LEN(known); i++)
			if (str_is(str_skip(text, prefix.n), known[i]))
				return;
	conf_error_at(l->doc, l->file, (uint32_t)mark->line + 1, (uint32_t)mark->column + 1,
		      "the tag '" STR_FMT "' is not supported", STR_ARG(text));
}

static struct conf_node *expanded(struct loader *l, struct str text, bool is_quoted,
				  const yaml_mark_t *mark)
{
	struct buf out = { .max = CONF_YAML_ENV_MAX_BYTES };
	struct err err = ERR_NONE;
	struct conf_node *node;
	int rc = conf_env_expand(text, l->env, &out, &err);

	l->env_bytes += out.n;
	if (out.is_cut || l->env_bytes > CONF_YAML_ENV_MAX_BYTES)
		stop(l, mark, "more than 4 MiB of text out of ${...}");
	else if (!rc && !utf8_is_valid(buf_as_str(&out)))
		rc = err_set(&err, -EINVAL, "a variable in ${...} is not valid UTF-8");
	node = conf_node_scalar(l->doc, rc ? STR("") : buf_as_str(&out), is_quoted);
	node->is_expanded = true;
	node->is_bad = rc != 0;
	if (rc)
		conf_error_at(l->doc, l->file, node->line, node->col, "%s", err.text);
	buf_fini(&out);
	return node;
}

static struct conf_node *scalar(struct loader *l, const yaml_event_t *event, bool is_key)
{
	struct str text =
		str_make((const char *)event->data.scalar.value, event->data.scalar.length);
	bool is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	check_tag(l, event->data.scalar.tag, &event->start_mark);
	if (tag_text(event->data.scalar.tag).n)
		is_plain = str_ends(tag_text(event->data.scalar.tag), STR(":null"));
	place(l, &event->start_mark);
	if (str_chr(text, 0) < text.n) {
		conf_error_at(l->doc, l->file, (uint32_t)event->start_mark.line + 1,
			      (uint32_t)event->start_mark.column + 1, "a NUL byte in a text");
		text = STR("");
	}
	if (is_key)
		return conf_node_scalar(l->doc, text, !is_plain);
	if (is_plain && is_null_word(text))
		return conf_node_null(l->doc);
	if (conf_env_needed(text))
		return expanded(l, text, !is_plain, &event->start_mark);
	return conf_node_scalar(l->doc, text, !is_plain);
}

/* ---- anchors ---- */

static size_t anchor_add(struct loader *l, const yaml_char_t *name, const struct conf_node *node,
			 bool is_open, const yaml_mark_t *mark)
{
	if (!name)
		return 0;
	if (l->nanchors >= CONF_YAML_ANCHORS_MAX) {
		stop(l, mark, "more than 1000 anchors");
		return 0;
	}
	if (!l->anchors)
		l->anchors = mem_array(CONF_YAML_ANCHORS_MAX, sizeof(l->anchors[0]));
	l->anchors[l->nanchors] =
		(struct anchor){ conf_dup(l->doc, str_c((const char *)name)), node, is_open };
	return ++l->nanchors;
}

/* A copy of what the alias stands for, with the places of the original. */
static struct conf_node *copy(struct loader *l, const struct conf_node *from, size_t depth,
			      const yaml_mark_t *mark)
{
	struct conf_node *to;

	if (depth > CONF_YAML_DEPTH_MAX)
		stop(l, mark, "nested more than 64 deep");
	if (l->is_stopped || !take_node(l, mark))
		return NULL;
	conf_doc_at(l->doc, from->file, from->line, from->col);
	if (from->kind == CONF_NULL)
		return conf_node_null(l->doc);
	if (from->kind == CONF_SCALAR) {
		to = conf_node_scalar(l->doc, from->text, from->is_quoted);
		to->is_expanded = from->is_expanded;
		to->is_bad = from->is_bad;
		return to;
	}
	to = from->kind == CONF_SEQ ? conf_node_seq(l->doc) : conf_node_map(l->doc);
	for (size_t i = 0; i < from->n; i++) {
		struct conf_node *key = NULL, *value;

		if (from->kind == CONF_MAP_NODE)
			key = copy(l, from->entries[i].key, depth + 1, mark);
		value = copy(l, from->kind == CONF_SEQ ? from->items[i] : from->entries[i].value,
			     depth + 1, mark);
		if (l->is_stopped)
			return NULL;
		if (key)
			conf_map_add(l->doc, to, key, value);
		else
			conf_seq_add(l->doc, to, value);
	}
	return to;
}

static struct conf_node *alias(struct loader *l, const yaml_event_t *event)
{
	struct str name = str_c((const char *)event->data.alias.anchor);

	for (size_t i = l->nanchors; i-- > 0;) {
		if (!str_eq(l->anchors[i].name, name))
			continue;
		if (l->anchors[i].is_open)
			stop(l, &event->start_mark, "an alias that contains itself");
		return l->is_stopped ? NULL
				     : copy(l, l->anchors[i].node, l->depth, &event->start_mark);
	}
	stop(l, &event->start_mark, "an alias without an anchor of that name");
	return NULL;
}

/* ---- structure ---- */

/* Puts a finished or just opened node where it belongs. */
static void attach(struct loader *l, struct conf_node *node, const yaml_mark_t *mark)
{
	struct frame *top = l->depth ? &l->stack[l->depth - 1] : NULL;

	if (!top) {
		l->root = node;
	} else if (top->node->kind == CONF_SEQ) {
		conf_seq_add(l->doc, top->node, node);
	} else if (top->key) {
		conf_map_add(l->doc, top->node, top->key, node);
		top->key = NULL;
	} else if (node->kind == CONF_SCALAR && (node->text.n || node->is_quoted)) {
		top->key = node;
	} else {
		stop(l, mark, "the name in front of a colon must be a text");
	}
}

static bool expects_key(const struct loader *l)
{
	const struct frame *top = l->depth ? &l->stack[l->depth - 1] : NULL;

	return top && top->node->kind == CONF_MAP_NODE && !top->key;
}

static void open_node(struct loader *l, struct conf_node *node, const yaml_char_t *anchor,
		      const yaml_mark_t *mark)
{
	attach(l, node, mark);
	if (l->depth == CONF_YAML_DEPTH_MAX)
		stop(l, mark, "nested more than 64 deep");
	if (l->is_stopped)
		return;
	l->stack[l->depth] = (struct frame){
		.node = node,
		.anchor = anchor_add(l, anchor, node, true, mark),
	};
	l->depth++;
}

static void close_node(struct loader *l)
{
	struct frame *top = &l->stack[--l->depth];

	if (top->node->kind == CONF_MAP_NODE) {
		conf_map_duplicates(l->doc, top->node);
		conf_yaml_merge(l->doc, top->node);
	}
	if (top->anchor)
		l->anchors[top->anchor - 1].is_open = false;
}

static void on_node(struct loader *l, const yaml_event_t *event)
{
	const yaml_mark_t *mark = &event->start_mark;
	struct conf_node *node;

	if (!take_node(l, mark))
		return;
	if (event->type == YAML_ALIAS_EVENT) {
		node = alias(l, event);
		if (node)
			attach(l, node, mark);
	} else if (event->type == YAML_SCALAR_EVENT) {
		node = scalar(l, event, expects_key(l));
		anchor_add(l, event->data.scalar.anchor, node, false, mark);
		attach(l, node, mark);
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		check_tag(l, event->data.sequence_start.tag, mark);
		place(l, mark);
		open_node(l, conf_node_seq(l->doc), event->data.sequence_start.anchor, mark);
	} else {
		check_tag(l, event->data.mapping_start.tag, mark);
		place(l, mark);
		open_node(l, conf_node_map(l->doc), event->data.mapping_start.anchor, mark);
	}
}

static void on_event(struct loader *l, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (l->root)
			stop(l, &event->start_mark, "a second document (---) in one file");
		break;
	case YAML_SCALAR_EVENT:
	case YAML_ALIAS_EVENT:
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		on_node(l, event);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_node(l);
		break;
	default:
		break;
	}
}

/* ---- what libyaml has to say ---- */

/* The byte at a place, 0 behind the end. */
static char byte_at(struct str text, size_t line, size_t col)
{
	while (line-- && text.n)
		text = str_skip(text, str_chr(text, '\n') + 1);
	while (col-- && text.n) {
		size_t n = utf8_valid_char(text);

		text = str_skip(text, n ? n : 1);
	}
	return (char)(text.n ? text.p[0] : 0);
}

static void syntax_error(struct loader *l)
{
	const yaml_parser_t *p = &l->parser;
	const char *problem = p->problem ? p->problem : "unknown error", *hint = "";
	uint32_t line = (uint32_t)p->problem_mark.line + 1;
	uint32_t col = (uint32_t)p->problem_mark.column + 1;
	char c = byte_at(l->text, p->problem_mark.line, p->problem_mark.column);

	if (p->error == YAML_READER_ERROR) {
		/* The reader has no marks, only an offset. */
		refuse_at(l, p->problem_offset < l->text.n ? p->problem_offset : l->text.n,
			  problem);
		return;
	}
	if (c == '\t')
		hint = " (YAML is indented with spaces, not with tabs)";
	else if (c && strchr("@`%", c) && strstr(problem, "cannot start any token"))
		hint = " (put the value in quotes)";
	else if (strstr(problem, "mapping values are not allowed"))
		hint = " (a value with ': ' in it needs quotes; or the indentation is off)";
	else if (strstr(problem, "alphabetic or numeric"))
		hint = " (a value that begins with * or & needs quotes)";
	if (p->context)
		conf_error_at(l->doc, l->file, line, col, "%s %s that begins at line %zu%s",
			      problem, p->context, p->context_mark.line + 1, hint);
	else
		conf_error_at(l->doc, l->file, line, col, "%s%s", problem, hint);
}

static void run(struct loader *l)
{
	yaml_event_t event;
	bool is_end = false;

	while (!l->is_stopped && !is_end) {
		if (!yaml_parser_parse(&l->parser, &event)) {
			syntax_error(l);
			l->is_stopped = true;
			return;
		}
		is_end = event.type == YAML_STREAM_END_EVENT;
		on_event(l, &event);
		yaml_event_delete(&event);
	}
}

struct conf_node *conf_yaml_parse(struct conf_doc *doc, const char *file, struct str text,
				  const struct conf_env *env)
{
	struct loader l = { .doc = doc, .file = file, .text = text, .env = env };

	if (check_bytes(&l))
		return NULL;
	/* To libyaml it is a column: what follows it would be deeper than the next line. */
	if (str_starts(l.text, STR("\xef\xbb\xbf")))
		l.text = text = str_sub(text, 3, text.n);
	CHECK(yaml_parser_initialize(&l.parser));
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.parser, (const yaml_char_t *)text.p, text.n);
	run(&l);
	yaml_parser_delete(&l.parser);
	mem_free(l.anchors);
	if (l.is_stopped)
		return NULL;
	if (!l.root) {
		conf_doc_at(doc, file, 1, 1);
		l.root = conf_node_null(doc);
	}
	return l.root;
}
