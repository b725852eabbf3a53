/* SPDX-License-Identifier: Apache-2.0 */
/* The files of docs/reference, packaging/man and packaging/completion: written, or compared with what is there. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/conf_doc.h"
#include "agent/doc_cli.h"

#define NAME_SIZE 4096

struct target {
	const char *dir, *examples;
	bool is_check;
	int differing;
	int rc;
};

static void read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	while (f && buf_reserve(out, 65536) && (n = fread(out->p + out->n, 1, 65536, f)) > 0)
		out->n += n;
	if (f)
		fclose(f);
}

/* Says the first line that is not as it should be. */
static void say_difference(const char *path, struct str have, struct str want)
{
	unsigned line = 1;

	while (have.n && want.n) {
		struct str a = str_cut(&have, '\n'), b = str_cut(&want, '\n');

		if (!str_eq(a, b)) {
			fprintf(stderr, "%s:%u: is  " STR_FMT "\n%s:%u: want " STR_FMT "\n", path,
				line, STR_ARG(a), path, line, STR_ARG(b));
			return;
		}
		line++;
	}
	fprintf(stderr, "%s: missing, or ends too early or too late\n", path);
}

static void put(struct target *t, const char *name, const struct buf *text)
{
	char path[NAME_SIZE];
	struct buf have = BUF_INIT;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", t->dir, name);
	read_file(path, &have);
	if (!str_eq(buf_as_str(&have), buf_as_str(text))) {
		t->differing++;
		if (t->is_check) {
			say_difference(path, buf_as_str(&have), buf_as_str(text));
		} else {
			f = fopen(path, "wb");
			if (!f || fwrite(text->p, 1, text->n, f) != text->n)
				t->rc = -EIO;
			if (f && fclose(f))
				t->rc = -EIO;
			if (t->rc)
				fprintf(stderr, "%s: %s\n", path, strerror(errno));
		}
	}
	buf_fini(&have);
}

static bool put_file(struct buf *out, const char *title, const char *fence, const char *path)
{
	struct buf text = BUF_INIT;
	bool is_there;

	read_file(path, &text);
	is_there = text.n > 0;
	if (is_there)
		buf_printf(out, "%s\n\n```%s\n" STR_FMT "```\n", title, fence,
			   STR_ARG(buf_as_str(&text)));
	buf_fini(&text);
	return is_there;
}

/* What a test runs, shown at the end of the page. */
static void put_example(const struct target *t, struct buf *out, const char *stage)
{
	char path[NAME_SIZE];

	snprintf(path, sizeof(path), "%s/%s.yaml", t->examples, stage);
	if (!put_file(out, "\n## Example", "yaml", path))
		return;
	snprintf(path, sizeof(path), "%s/%s.in", t->examples, stage);
	put_file(out, "\nMakes of these lines", "text", path);
	snprintf(path, sizeof(path), "%s/%s.out", t->examples, stage);
	put_file(
		out,
		"\nthese records: the line, its time and labels when they have changed (the source "
		"has `{app=\"web\", job=\"t\"}`), extracted values, and structured metadata with a "
		"`+`:",
		"text", path);
}

static bool is_ours(const char *name, const struct conf_plugin *plugins, size_t n)
{
	char page[256];

	for (size_t i = 0; i < n; i++) {
		snprintf(page, sizeof(page), "%s-%s.md", conf_doc_kind(plugins[i].kind),
			 plugins[i].name);
		if (!strcmp(name, page))
			return true;
	}
	return !strcmp(name, "README.md") || !strcmp(name, "agent.md") ||
	       !strcmp(name, "metrics.md") || !strcmp(name, "schema.json") || name[0] == '.';
}

/* Pages of plugins that are gone. */
static void sweep(struct target *t, const struct conf_plugin *plugins, size_t n)
{
	char path[NAME_SIZE];
	DIR *dir = opendir(t->dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (is_ours(entry->d_name, plugins, n))
			continue;
		snprintf(path, sizeof(path), "%s/%s", t->dir, entry->d_name);
		t->differing++;
		if (t->is_check)
			fprintf(stderr, "%s: belongs to no plugin\n", path);
		else
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

int conf_doc_write(const char *dir, const char *examples, const struct conf_plugin *plugins,
		   size_t n, bool is_check)
{
	struct target t = { .dir = dir, .examples = examples, .is_check = is_check };
	struct buf text = BUF_INIT;
	char name[256];

	conf_doc_index(&text, plugins, n);
	put(&t, "README.md", &text);
	buf_clear(&text);
	conf_doc_agent_page(&text);
	put(&t, "agent.md", &text);
	buf_clear(&text);
	conf_doc_metrics_page(&text);
	put(&t, "metrics.md", &text);
	buf_clear(&text);
	conf_doc_schema(&text, plugins, n);
	put(&t, "schema.json", &text);
	for (size_t i = 0; i < n; i++) {
		buf_clear(&text);
		conf_doc_page(&text, &plugins[i]);
		if (plugins[i].kind == CONF_STAGE)
			put_example(&t, &text, plugins[i].name);
		snprintf(name, sizeof(name), "%s-%s.md", conf_doc_kind(plugins[i].kind),
			 plugins[i].name);
		put(&t, name, &text);
	}
	sweep(&t, plugins, n);
	buf_fini(&text);
	return t.rc ? t.rc : t.differing;
}

int conf_doc_write_cli(const char *dir, const struct doc_cli *doc, bool is_check)
{
	static const struct {
		const char *name;
		void (*make)(struct buf *out, const struct doc_cli *doc);
	} files[] = {
		{ "man/tailrace.1", doc_man_program },
		{ "man/tailrace.yaml.5", doc_man_conf },
		{ "completion/tailrace.bash", doc_completion_bash },
		{ "completion/tailrace.zsh", doc_completion_zsh },
		{ "completion/tailrace.fish", doc_completion_fish },
	};
	struct target t = { .dir = dir, .is_check = is_check };
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		buf_clear(&text);
		files[i].make(&text, doc);
		put(&t, files[i].name, &text);
	}
	buf_fini(&text);
	return t.rc ? t.rc : t.differing;
}
