/* SPDX-License-Identifier: Apache-2.0 */
/* Path patterns: what they match (promtail.md 9.8), what is refused, and what a walk finds. */
#include "test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inputs/file/walk.h"
#include "lib/buf.h"

static bool matches(const char *pattern, const char *path)
{
	struct err err = ERR_NONE;
	struct glob g;
	bool ret;

	if (glob_init(&g, str_c(pattern), STR("/work dir/[x]"), &err) < 0) {
		FAIL("%s: %s", pattern, err.text);
		return false;
	}
	ret = glob_match(&g, str_c(path));
	glob_fini(&g);
	return ret;
}

static void matching(void)
{
	static const struct {
		const char *pattern, *path;
		bool want;
	} rows[] = {
		{ "/a/b", "/a/b", true },
		{ "/a/b", "/a/bb", false },
		{ "/a/b", "/a", false },
		{ "/a/b", "/a/b/c", false },
		{ "/a/*", "/a/b", true },
		{ "/a/*", "/a/b/c", false },
		{ "/a/*", "/a", false },
		{ "/a/*.log", "/a/.hid.log", true },
		{ "/a/*.log", "/a/.log", true },
		{ "/a/*.log", "/a/x.log.1", false },
		{ "/a/?.log", "/a/x.log", true },
		{ "/a/?.log", "/a/xx.log", false },
		{ "/a/?.log", "/a/\xc3\xa4.log", true },
		{ "/a/?.log", "/a/\xff.log", true },
		{ "/a/??.log", "/a/\xc3\xa4.log", false },
		{ "/a/*a*b*c", "/a/xxaxxbxxc", true },
		{ "/a/*a*b*c", "/a/xxaxxbxxcx", false },
		{ "/a/*ab", "/a/aab", true },
		{ "/a/[a-c]", "/a/b", true },
		{ "/a/[a-c]", "/a/d", false },
		{ "/a/[^a-c]", "/a/d", true },
		{ "/a/[!a-c]", "/a/b", false },
		{ "/a/[a-]", "/a/-", true },
		{ "/a/[]x]", "/a/]", true },
		{ "/a/[\\]]", "/a/]", true },
		{ "/a/[\xc3\xa4-\xc3\xb6]", "/a/\xc3\xa5", true },
		{ "/a/[x]y", "/a/xy", true },
		{ "/a/[x]y", "/a/[x]y", true }, /* a file called like the pattern */
		{ "/a/\\*", "/a/*", true },
		{ "/a/\\*", "/a/x", false },
		{ "/a/x\\?*", "/a/x?yz", true },
		{ "/a/{b,c}.log", "/a/b.log", true },
		{ "/a/{b,c}.log", "/a/c.log", true },
		{ "/a/{b,c}.log", "/a/d.log", false },
		{ "/a/{b,c{d,e}}f", "/a/cef", true },
		{ "/a/{b,c{d,e}}f", "/a/bf", true },
		{ "/a/{b,c{d,e}}f", "/a/cf", false },
		{ "/{a,b/c}/d", "/b/c/d", true },
		{ "/{a,b/c}/d", "/a/d", true },
		{ "/a/x{,.1}", "/a/x", true },
		{ "/a/x{,.1}", "/a/x.1", true },
		{ "/a/x{}", "/a/x", true },
		{ "/a/\\{b,c\\}", "/a/{b,c}", true },
		{ "/a/[{]", "/a/{", true },
		{ "/a/b,c", "/a/b,c", true },
		{ "/a/{*.log,[xy]}", "/a/y", true },
		{ "/a/**/c", "/a/c", true },
		{ "/a/**/c", "/a/b/c", true },
		{ "/a/**/c", "/a/b/b/b/c", true },
		{ "/a/**/c", "/a/b/b/b/cc", false },
		{ "/a/**", "/a/b", true },
		{ "/a/**", "/a/b/c/d", true },
		{ "/a/**", "/b", false },
		{ "/**/x", "/x", true },
		{ "/**/a/**/b", "/1/a/2/3/b", true },
		{ "/**/a/**/b", "/1/a/2/3/c", false },
		{ "/**/a/*/b", "/a/1/a/2/b", true },
		{ "/a/**/**/c", "/a/c", true },
		{ "/a/x**", "/a/xyz", true },
		{ "/a/x**", "/a/xy/z", false },
		{ "/a//./b/../c", "/a/c", true },
		{ "x.log", "/work dir/[x]/x.log", true },
		{ "x.log", "/work dir/x/x.log", false }, /* the directory is no pattern */
		{ "../*.log", "/work dir/y.log", true },
		{ "./x", "/work dir/[x]/x", true },
		{ "**/x", "/work dir/[x]/a/b/x", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char row[200];

		snprintf(row, sizeof(row), "%s on %s", rows[i].pattern, rows[i].path);
		ROW(row);
		EQ_INT(matches(rows[i].pattern, rows[i].path), rows[i].want);
	}
}

static void refused(void)
{
	static const char *const rows[][2] = {
		{ "", "empty" },
		{ "/a/[b", "'['" },
		{ "/a/{b,c", "'{'" },
		{ "/a/b\\", "backslash" },
		{ "/a/[/]", "'['" },
		{ "/", "no file" },
		{ "/a/..", "no file" },
		{ "/*/../a", "\"..\"" },
		{ "/{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{a}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}",
		  "nested" },
		{ "/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "alternatives" },
	};
	struct buf deep = BUF_INIT;
	struct err err;
	struct glob g;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ROW(rows[i][0]);
		err = ERR_NONE;
		OK(glob_init(&g, str_c(rows[i][0]), STR("/base"), &err) < 0);
		if (!strstr(err.text, rows[i][1]))
			FAIL("\"%s\" does not say \"%s\"", err.text, rows[i][1]);
		OK(g.n == 0 && !g.paths);
	}
	ROW("too deep");
	for (int i = 0; i <= GLOB_ELEMS_MAX; i++)
		buf_c(&deep, "/a");
	OK(glob_init(&g, buf_as_str(&deep), STR_NONE, &err) < 0);
	buf_fini(&deep);
	OK(glob_init(&g, str_make("/a\0b", 4), STR_NONE, &err) < 0);
}

/* ---- walks -------------------------------------------------------------------------------- */

struct found {
	struct buf files, dirs;
	const char *root;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void on_file(void *ctx, const struct walk_file *f)
{
	struct found *found = ctx;
	struct str path = str_skip(f->path, strlen(found->root));

	OK(strlen(f->path.p) == f->path.n);
	buf_str(&found->files, path);
	buf_c(&found->files, f->d_type == DT_DIR ? "/ " : " ");
}

static void on_dir(void *ctx, struct str path, unsigned what)
{
	struct found *found = ctx;

	if (path.n < strlen(found->root))
		return;
	buf_str(&found->dirs, str_skip(path, strlen(found->root)));
	buf_printf(&found->dirs, "=%s%s ", what & WALK_FILES ? "f" : "",
		   what & WALK_SUBDIRS ? "d" : "");
}

static bool on_enter(void *ctx, struct str path, bool is_link)
{
	(void)ctx;
	return !is_link || !str_is(str_skip(path, path.n - 4), "tabu");
}

static void on_trouble(void *ctx, struct str path, int errnum)
{
	(void)ctx;
	FAIL(STR_FMT ": %s", STR_ARG(path), strerror(errnum));
}

/* Words in order, each once. */
static const char *sorted(struct buf *b)
{
	static char text[4096];
	char *words[256], *word, *save;
	size_t n = 0;

	text[0] = 0;
	for (word = strtok_r(buf_cstr(b), " ", &save); word; word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	qsort(words, n, sizeof(*words), by_text);
	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(words[i], words[i - 1]) == 0)
			continue;
		strcat(text, *text ? " " : "");
		strcat(text, words[i]);
	}
	return text;
}

static void touch(const char *root, const char *name)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	OK(f != NULL);
	if (f)
		fclose(f);
}

static void make(const char *root, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	OK(mkdir(path, 0755) == 0);
}

static void point(const char *root, const char *name, const char *to)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	OK(symlink(to, path) == 0);
}

static void walks(void)
{
	static const struct {
		const char *pattern, *files, *dirs;
	} rows[] = {
		{ "a/x.log", "/a/x.log", "/a=f" },
		{ "a/none.log", "", "/a=f" },
		{ "a/*.log", "/a/.h.log /a/[q].log /a/x.log", "/a=f" },
		{ "a", "/a/", "=f" },
		{ "later/sub/*.log", "", "=d" },
		{ "a/later/*.log", "", "/a=d" },
		{ "a/x.log/*", "", "/a=d" },
		{ "*/x.log", "/a/x.log /link/x.log", "/a=f /b=f /link=f =d" },
		{ "{a,b}/*", "/a/.h.log /a/[q].log /a/x.log /b/y.log", "/a=f /b=f" },
		{ "a/[q].log", "/a/[q].log", "/a=f" },
		{ "b/**", "/b/c/d/z.log /b/y.log", "/b/c/d=fd /b/c=fd /b=fd" },
		{ "b/**/*.log", "/b/c/d/z.log /b/y.log", "/b/c/d=fd /b/c=fd /b=fd" },
		{ "b/*/*/z.log", "/b/c/d/z.log", "/b/c/d=f /b/c/loop=f /b/c=d /b=d" },
		{ "dangling", "/dangling", "=f" },
		{ "fi*", "/fifo", "=f" },
	};
	char root[] = "/tmp/tailrace-glob-XXXXXX", command[100];
	static const struct walk_ops ops = { on_dir, on_file, on_enter, on_trouble };

	OK(mkdtemp(root) != NULL);
	make(root, "a");
	make(root, "b");
	make(root, "b/c");
	make(root, "b/c/d");
	touch(root, "a/x.log");
	touch(root, "a/.h.log");
	touch(root, "a/[q].log");
	touch(root, "b/y.log");
	touch(root, "b/c/d/z.log");
	point(root, "b/c/loop", "..");
	point(root, "link", "a");
	point(root, "b/tabu", "../a"); /* not to be followed */
	point(root, "dangling", "nowhere");
	snprintf(command, sizeof(command), "%s/fifo", root);
	OK(mkfifo(command, 0600) == 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct found found = { .root = root };
		struct err err;
		struct glob g;

		ROW(rows[i].pattern);
		OK(glob_init(&g, str_c(rows[i].pattern), str_c(root), &err) == 0);
		OK(walk_glob(&g, &ops, &found) < 100);
		EQ_STR(str_c(sorted(&found.files)), rows[i].files);
		EQ_STR(str_c(sorted(&found.dirs)), rows[i].dirs);
		glob_fini(&g);
		buf_fini(&found.files);
		buf_fini(&found.dirs);
	}
	snprintf(command, sizeof(command), "rm -r %s", root);
	OK(system(command) == 0);
}

/* The directory that a pattern begins in: what `follow` is about. */
static void roots(void)
{
	static const char *const rows[][2] = {
		{ "/a/b/*.log", "/a/b" },    { "/a/b/x.log", "/a/b" }, { "/a/**/x/*.log", "/a" },
		{ "/a/{b,b}/x*/y", "/a/b" }, { "/x.log", "/" },        { "/*/x.log", "/" },
		{ "*.log", "/base" },        { "/a/\\*/b", "/a/*" },
	};
	struct buf root = BUF_INIT;
	struct err err;
	struct glob g;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ROW(rows[i][0]);
		OK(glob_init(&g, str_c(rows[i][0]), STR("/base"), &err) == 0);
		buf_clear(&root);
		glob_root(&g.paths[0], &root);
		EQ_STR(buf_as_str(&root), rows[i][1]);
		glob_fini(&g);
	}
	buf_fini(&root);
}

int main(void)
{
	RUN(matching);
	RUN(refused);
	RUN(roots);
	RUN(walks);
	return test_end();
}
