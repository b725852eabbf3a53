/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and reading configuration files, and merging their top-level maps. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/conf_load.h"
#include "agent/conf_yaml.h"
#include "lib/os.h"

#define MAIN_NAME "tailrace.yaml"
#define DEFAULT_INCLUDE "conf.d/*.yaml"

struct load {
	struct conf_doc *doc;
	const struct conf_env *env;
	struct conf_node *root;
	struct conf_list files;
	bool is_unreadable;  /* the last file could not even be opened */
	struct str main_dir; /* with its slash; empty = the working directory */
};

/* ---- one file ---- */

static int read_all(struct conf_doc *doc, const char *path, struct buf *out)
{
	int fd = os->open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	ssize_t n = 1;

	if (fd < 0)
		return conf_error_at(doc, path, 0, 0, "cannot open: %s", strerror(errno));
	/* One byte more than allowed is enough for the parser to refuse it. */
	while (n > 0 && out->n <= CONF_YAML_FILE_MAX_BYTES && buf_reserve(out, 65536)) {
		n = os->read(fd, out->p + out->n, 65536);
		if (n > 0)
			out->n += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0)
		conf_error_at(doc, path, 0, 0, "cannot read: %s", strerror(errno));
	os->close(fd);
	return n < 0 ? -EIO : 0;
}

/* The tree of a file; NULL when it could not be read or has no options in it. */
static struct conf_node *load_file(struct load *l, const char *path)
{
	struct buf text = BUF_INIT;
	struct conf_node *node = NULL;

	if (l->files.n == CONF_LOAD_FILES_MAX) {
		conf_error_at(l->doc, path, 0, 0, "more than %u files", CONF_LOAD_FILES_MAX);
		return NULL;
	}
	l->files.items[l->files.n++] = conf_dup(l->doc, str_c(path));
	l->is_unreadable = read_all(l->doc, path, &text) < 0;
	if (!l->is_unreadable)
		node = conf_yaml_parse(l->doc, path, buf_as_str(&text), l->env);
	buf_fini(&text);
	if (!node || node->kind == CONF_NULL)
		return NULL;
	if (node->kind != CONF_MAP_NODE) {
		conf_error(l->doc, node,
			   "expected a map with inputs, outputs and pipelines, found %s",
			   conf_kind_name(node->kind));
		return NULL;
	}
	return node;
}

/* ---- merging ---- */

static bool is_named_map(struct str key)
{
	return str_is(key, "inputs") || str_is(key, "outputs") || str_is(key, "pipelines") ||
	       str_is(key, "tests");
}

static struct conf_entry *find(struct conf_node *map, struct str key)
{
	for (size_t i = 0; i < map->n; i++)
		if (str_eq(map->entries[i].key->text, key))
			return &map->entries[i];
	return NULL;
}

static void given_twice(struct load *l, const struct conf_node *again,
			const struct conf_node *first)
{
	conf_error(l->doc, again, "'" STR_FMT "' is given twice, first at %s:%u:%u",
		   STR_ARG(again->text), first->file, first->line, first->col);
}

static void merge_named(struct load *l, struct conf_node *into, struct conf_node *from)
{
	size_t before = into->n;

	for (size_t i = 0; i < from->n; i++) {
		struct conf_entry *entry = &from->entries[i], *first = NULL;

		for (size_t k = 0; k < before && !first; k++)
			if (str_eq(into->entries[k].key->text, entry->key->text))
				first = &into->entries[k];
		if (first)
			given_twice(l, entry->key, first->key);
		else
			conf_map_add(l->doc, into, entry->key, entry->value);
	}
}

static void merge(struct load *l, struct conf_node *from)
{
	if (!from)
		return;
	if (!l->root) {
		l->root = from;
		return;
	}
	for (size_t i = 0; i < from->n; i++) {
		struct conf_entry *entry = &from->entries[i];
		struct conf_entry *first = find(l->root, entry->key->text);

		if (str_is(entry->key->text, "include")) {
			conf_error(l->doc, entry->key, "'include' belongs into the main file only");
		} else if (!first) {
			conf_map_add(l->doc, l->root, entry->key, entry->value);
		} else if (!is_named_map(entry->key->text)) {
			given_twice(l, entry->key, first->key);
		} else if (first->value->kind == CONF_NULL) {
			entry->value->parent = l->root;
			first->value = entry->value;
		} else if (first->value->kind == CONF_MAP_NODE &&
			   entry->value->kind == CONF_MAP_NODE) {
			merge_named(l, first->value, entry->value);
		} else if (entry->value->kind != CONF_NULL) {
			conf_error(l->doc, entry->value, "expected a map of names, found %s",
				   conf_kind_name(entry->value->kind));
		}
	}
}

/* ---- finding ---- */

static bool has_wildcard(struct str s)
{
	return str_chr(s, '*') < s.n || str_chr(s, '?') < s.n || str_chr(s, '[') < s.n;
}

/* Files of a pattern, relative to dir (with its slash). at: what named it, for errors. */
static void load_pattern(struct load *l, struct str dir, struct str pattern,
			 const struct conf_node *at)
{
	struct buf path = BUF_INIT;
	glob_t found = { 0 };
	int rc;

	if (!pattern.n || pattern.p[0] != '/')
		buf_str(&path, dir);
	buf_str(&path, pattern);
	rc = glob(buf_cstr(&path), 0, NULL, &found);
	if (rc == GLOB_NOMATCH && !has_wildcard(pattern))
		conf_error(l->doc, at, "there is no file " STR_FMT, STR_ARG(buf_as_str(&path)));
	else if (rc && rc != GLOB_NOMATCH)
		conf_error(l->doc, at, "cannot list " STR_FMT, STR_ARG(buf_as_str(&path)));
	for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
		merge(l, load_file(l, found.gl_pathv[i]));
	globfree(&found);
	buf_fini(&path);
}

static void load_includes(struct load *l, const struct conf_node *include)
{
	if (!include || include->kind == CONF_NULL)
		load_pattern(l, l->main_dir, STR(DEFAULT_INCLUDE), NULL);
	else if (include->kind == CONF_SCALAR)
		load_pattern(l, l->main_dir, include->text, include);
	for (size_t i = 0; include && include->kind == CONF_SEQ && i < include->n; i++)
		if (include->items[i]->kind == CONF_SCALAR)
			load_pattern(l, l->main_dir, include->items[i]->text, include->items[i]);
	/* Anything else in the list is for the option table to refuse. */
}

static void load_main(struct load *l, const char *path)
{
	struct str dir = str_c(path);
	struct conf_node *node = load_file(l, path);

	if (l->is_unreadable)
		return; /* probably the wrong name: what lies beside it is of no interest */
	while (dir.n && dir.p[dir.n - 1] != '/')
		dir.n--;
	l->main_dir = dir;
	merge(l, node);
	load_includes(l, conf_get(node, "include"));
}

static void load_folder(struct load *l, const char *path)
{
	struct buf dir = BUF_INIT, main_file = BUF_INIT;
	struct stat st;

	buf_c(&dir, path);
	if (dir.n && dir.p[dir.n - 1] != '/')
		buf_ch(&dir, '/');
	buf_str(&main_file, buf_as_str(&dir));
	buf_c(&main_file, MAIN_NAME);
	if (os->stat(buf_cstr(&main_file), &st) == 0)
		load_main(l, main_file.p);
	else
		load_pattern(l, buf_as_str(&dir), STR("*.yaml"), NULL);
	if (l->files.n == 0)
		conf_error_at(l->doc, path, 0, 0, "no " MAIN_NAME " and no other *.yaml in here");
	buf_fini(&dir);
	buf_fini(&main_file);
}

struct conf_node *conf_load(struct conf_doc *doc, const char *path, const struct conf_env *env,
			    struct conf_list *ret_files)
{
	struct load l = { .doc = doc, .env = env };
	struct stat st;

	l.files.items = conf_alloc(doc, CONF_LOAD_FILES_MAX * sizeof(struct str));
	if (os->stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		load_folder(&l, path);
	else
		load_main(&l, path);
	if (!l.root) {
		conf_doc_at(doc, path, 1, 1);
		l.root = conf_node_map(doc);
	}
	if (ret_files)
		*ret_files = l.files;
	return l.root;
}
