/* SPDX-License-Identifier: Apache-2.0 */
/* YAML text to tree, and everything that is refused on the way. */
#include "tests/unit/test.h"

#include "agent/conf_yaml.h"
#include "lib/mem.h"

static const char *env_get(void *ctx, const char *name)
{
	(void)ctx;
	if (!strcmp(name, "HOST"))
		return "web1";
	if (!strcmp(name, "EMPTY"))
		return "";
	if (!strcmp(name, "NASTY"))
		return "a: b # c\nd: [${HOST}";
	if (!strcmp(name, "BAD"))
		return "\xff";
	return NULL;
}

static const struct conf_env env = { env_get, NULL };

/* {k:"v",l:["a",~]}, so that every kind is told apart. */
static void dump(struct buf *out, const struct conf_node *node)
{
	if (node->kind == CONF_NULL)
		buf_ch(out, '~');
	if (node->kind == CONF_SCALAR)
		buf_json_str(out, node->text);
	if (node->kind == CONF_SEQ)
		buf_ch(out, '[');
	if (node->kind == CONF_MAP_NODE)
		buf_ch(out, '{');
	for (size_t i = 0; i < node->n; i++) {
		if (i)
			buf_ch(out, ',');
		if (node->kind == CONF_MAP_NODE) {
			buf_str(out, node->entries[i].key->text);
			buf_ch(out, ':');
		}
		dump(out, node->kind == CONF_SEQ ? node->items[i] : node->entries[i].value);
	}
	if (node->kind == CONF_SEQ)
		buf_ch(out, ']');
	if (node->kind == CONF_MAP_NODE)
		buf_ch(out, '}');
}

static void parse(struct str text, struct buf *tree, struct buf *errors)
{
	struct conf_doc *doc = conf_doc_new();
	struct conf_node *root = conf_yaml_parse(doc, "f", text, &env);

	if (root)
		dump(tree, root);
	conf_errors_print(doc, errors, false);
	conf_doc_free(doc);
}

static const struct {
	const char *yaml, *tree;
} good[] = {
	{ "", "~" },
	{ "# nothing\n", "~" },
	{ "\xef\xbb\xbf"
	  "a: 1\nb: 2\n",
	  "{a:\"1\",b:\"2\"}" },
	{ "\xef\xbb\xbf"
	  "a: 1",
	  "{a:\"1\"}" },
	{ "a: 1\nb: two words\n", "{a:\"1\",b:\"two words\"}" },
	{ "a:\nb: ~\nc: null\nd: ''\ne: \"null\"\nf: |\n  x\n",
	  "{a:~,b:~,c:~,d:\"\",e:\"null\",f:\"x\\n\"}" },
	{ "y: no\non: 0123\nz: 1e3", "{y:\"no\",on:\"0123\",z:\"1e3\"}" },
	{ "- a\n- [b, {c: d}]\n- {}\n- []", "[\"a\",[\"b\",{c:\"d\"}],{},[]]" },
	{ "a: !!str null\nb: !!int 5\nc: ! x\nd: !!null x\ne: !!null ''",
	  "{a:\"null\",b:\"5\",c:\"x\",d:\"x\",e:~}" },
	{ "a: &x [1, 2]\nb: *x\nc: *x", "{a:[\"1\",\"2\"],b:[\"1\",\"2\"],c:[\"1\",\"2\"]}" },
	{ "a: &x 1\nb: &x 2\nc: *x", "{a:\"1\",b:\"2\",c:\"2\"}" },
	{ "base: &b {x: 1, y: 2}\nt: {y: 3, <<: *b, z: 4}",
	  "{base:{x:\"1\",y:\"2\"},t:{y:\"3\",z:\"4\",x:\"1\"}}" },
	{ "a: &a {x: 1}\nb: &b {x: 2, y: 3}\nt: {<<: [*a, *b]}",
	  "{a:{x:\"1\"},b:{x:\"2\",y:\"3\"},t:{x:\"1\",y:\"3\"}}" },
	{ "t: {'<<': 1}", "{t:{<<:\"1\"}}" },
	{ "---\na: 1\n...\n", "{a:\"1\"}" },
	/* variables */
	{ "a: ${HOST}", "{a:\"web1\"}" },
	{ "a: 'x-${HOST}.${HOST}-y'", "{a:\"x-web1.web1-y\"}" },
	{ "a: ${NOPE:-none}\nb: ${EMPTY:-none}\nc: x${EMPTY}\nd: ${HOST:-none}",
	  "{a:\"none\",b:\"none\",c:\"x\",d:\"web1\"}" },
	{ "a: ${EMPTY}", "{a:\"\"}" },
	{ "a: ${HOST:+yes}\nb: ${NOPE:+yes}\nc: ${EMPTY:+yes}", "{a:\"yes\",b:\"\",c:\"\"}" },
	{ "a: ${NOPE:-${ALSO:-${HOST}}}", "{a:\"web1\"}" },
	{ "a: ${NOPE:-}", "{a:\"\"}" },
	{ "a: $$x $${HOST} $$$$ 5$", "{a:\"$x ${HOST} $$ 5$\"}" },
	{ "a: '^(\\d+)$|$1|${1}|$HOST|${}'", "{a:\"^(\\\\d+)$|$1|${1}|$HOST|${}\"}" },
	{ "a: ${NASTY}", "{a:\"a: b # c\\nd: [${HOST}\"}" },
	{ "${HOST}: ${HOST}", "{${HOST}:\"web1\"}" },
	{ "a: &x ${HOST}$$\nb: *x", "{a:\"web1$\",b:\"web1$\"}" },
};

static void test_good(void)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct buf tree = BUF_INIT, errors = BUF_INIT;

		ROW(good[i].yaml);
		parse(str_c(good[i].yaml), &tree, &errors);
		EQ_STR(buf_as_str(&tree), good[i].tree);
		EQ_STR(buf_as_str(&errors), "");
		buf_fini(&tree);
		buf_fini(&errors);
	}
}

static const struct {
	struct str yaml;
	const char *errors;
} bad[] = {
	{ STR("a: 1\nb: 2\na: 3\n"), "f:3:1: 'a' is given twice, first at f:1:1\n" },
	{ STR("x:\n  y: {a: 1, a: 2}\n"), "f:2:13: x.y: 'a' is given twice, first at f:2:7\n" },
	{ STR("a: !!binary aGk="), "f:1:4: the tag 'tag:yaml.org,2002:binary' is not supported\n" },
	{ STR("a: !ruby/object {}"), "f:1:4: the tag '!ruby/object' is not supported\n" },
	{ STR("a: 1\n---\nb: 2"), "f:2:1: a second document (---) in one file\n" },
	{ STR("a: \0 b"), "f:1:4: a NUL byte in the file (is it UTF-16, or not text at all?)\n" },
	{ STR("a: \"x\\0y\""), "f:1:4: a NUL byte in a text\n" },
	{ STR("\xff\xfe"
	      "a\0:\0"),
	  "f:1:1: the file is UTF-16; save it as UTF-8\n" },
	{ STR("a: b\nc: \xc3\xa9\xff"), "f:2:5: a byte that is not valid UTF-8\n" },
	{ STR("a: \x01"), "f:1:4: control characters are not allowed\n" },
	{ STR("a: &x [1, *x]"), "f:1:11: an alias that contains itself\n" },
	{ STR("a: *nope"), "f:1:4: an alias without an anchor of that name\n" },
	{ STR("[a]: b"), "f:1:1: the name in front of a colon must be a text\n" },
	{ STR("? {a: b}\n: c"), "f:1:3: the name in front of a colon must be a text\n" },
	{ STR("t: {<<: 5}"), "f:1:9: t: << needs a map or a list of maps, found a single value\n" },
	{ STR("a:\n\tb: 1"),
	  "f:2:1: found character that cannot start any token while scanning for "
	  "the next token that begins at line 2 (YAML is indented with spaces, not "
	  "with tabs)\n" },
	{ STR("a: @x"), "f:1:4: found character that cannot start any token while scanning for the "
			"next token that begins at line 1 (put the value in quotes)\n" },
	{ STR("a: b: c"),
	  "f:1:5: mapping values are not allowed in this context (a value with ': ' in "
	  "it needs quotes; or the indentation is off)\n" },
	{ STR("a: [1, 2"),
	  "f:2:1: did not find expected ',' or ']' while parsing a flow sequence that "
	  "begins at line 1\n" },
	{ STR("a: ${NOPE}\nb: ${NOPE2}"),
	  "f:1:4: the environment variable NOPE is not set; write ${NOPE:-default} if it may be "
	  "missing\nf:2:4: the environment variable NOPE2 is not set; write ${NOPE2:-default} if "
	  "it "
	  "may be missing\n" },
	{ STR("a: ${HOST"), "f:1:4: ${ without a closing brace; write $${ for a literal ${\n" },
	{ STR("a: ${HOST:=x}"),
	  "f:1:4: ${HOST...}: only ${HOST}, ${HOST:-default} and ${HOST:+text} "
	  "are known; write $${ for a literal ${\n" },
	{ STR("a: ${BAD}"), "f:1:4: a variable in ${...} is not valid UTF-8\n" },
};

static void test_bad(void)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf tree = BUF_INIT, errors = BUF_INIT;

		ROW(bad[i].yaml.p);
		parse(bad[i].yaml, &tree, &errors);
		EQ_STR(buf_as_str(&errors), bad[i].errors);
		buf_fini(&tree);
		buf_fini(&errors);
	}
}

/* ---- what wants to grow ---- */

static void repeat(struct buf *out, const char *text, size_t n)
{
	while (n--)
		buf_c(out, text);
}

static void expect_error(const char *row, struct buf *yaml, const char *text)
{
	struct buf tree = BUF_INIT, errors = BUF_INIT;

	ROW(row);
	parse(buf_as_str(yaml), &tree, &errors);
	OK(str_find(buf_as_str(&errors), str_c(text)) < errors.n);
	buf_fini(&tree);
	buf_fini(&errors);
	buf_clear(yaml);
}

static void test_limits(void)
{
	struct buf yaml = BUF_INIT;
	struct buf tree = BUF_INIT, errors = BUF_INIT;

	repeat(&yaml, "[", 128 * 1024);
	expect_error("128 KB of brackets", &yaml, "f:1:65: nested more than 64 deep");
	repeat(&yaml, "[\n", 128 * 1024);
	expect_error("brackets on lines", &yaml, "nested more than 64 deep");
	repeat(&yaml, "- ", 128 * 1024);
	expect_error("dashes", &yaml, "nested more than 64 deep");
	repeat(&yaml, "{a: ", 128 * 1024);
	expect_error("maps", &yaml, "nested more than 64 deep");
	repeat(&yaml, "- a\n", 300000);
	expect_error("items", &yaml, "more than 200000 values");
	for (int i = 0; i < 1000000; i++)
		if (yaml.n < CONF_YAML_FILE_MAX_BYTES - 16)
			buf_printf(&yaml, "%d:\n", i);
	expect_error("10^6 keys", &yaml, "more than 200000 values");
	repeat(&yaml, "# a comment\n", 400000);
	expect_error("5 MB", &yaml, "the file is larger than 4 MiB");
	for (int i = 0; i < 2000; i++)
		buf_printf(&yaml, "- &a%d x\n", i);
	expect_error("anchors", &yaml, "more than 1000 anchors");
	repeat(&yaml, "- '", 1);
	repeat(&yaml, "${NASTY}", 400000);
	repeat(&yaml, "'", 1);
	expect_error("variables", &yaml, "more than 4 MiB of text out of ${...}");

	/* A billion laughs, and the quadratic kind. */
	buf_c(&yaml, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 10; i++)
		buf_printf(&yaml,
			   "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i,
			   i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	expect_error("alias bomb", &yaml, "more than 200000 values");
	buf_c(&yaml, "a: &a '");
	repeat(&yaml, "x", 1 << 20);
	buf_c(&yaml, "'\nb:\n");
	repeat(&yaml, "- *a\n", 1000);
	expect_error("alias of a large text", &yaml, "the configuration is too large");
	for (int i = 0; i < 70; i++)
		buf_printf(&yaml, i ? "a%d: &a%d [*a%d]\n" : "a%d: &a%d [x]\n", i, i, i - 1);
	expect_error("depth by aliases", &yaml, "nested more than 64 deep");

	/* As much as is allowed. */
	ROW("limits are reached");
	repeat(&yaml, "[", 64);
	repeat(&yaml, "]", 64);
	parse(buf_as_str(&yaml), &tree, &errors);
	EQ_INT(errors.n, 0);
	EQ_INT(tree.n, 128);
	buf_fini(&tree);
	buf_fini(&errors);
	buf_fini(&yaml);
}

/* Merging large maps stays linear, and many duplicates are cut. */
static void test_large_maps(void)
{
	struct conf_doc *doc = conf_doc_new();
	struct buf yaml = BUF_INIT, errors = BUF_INIT;
	struct conf_node *root;

	buf_c(&yaml, "a: &a\n");
	for (int i = 0; i < 25000; i++)
		buf_printf(&yaml, "  k%d: 1\n", i);
	buf_c(&yaml, "b:\n  <<: *a\n");
	for (int i = 20000; i < 45000; i++)
		buf_printf(&yaml, "  k%d: 2\n", i);
	root = conf_yaml_parse(doc, "f", buf_as_str(&yaml), &env);
	OK(root != NULL);
	EQ_INT(conf_error_count(doc), 0);
	if (root)
		EQ_INT(conf_get(root, "b")->n, 45000);
	conf_doc_free(doc);

	doc = conf_doc_new();
	buf_clear(&yaml);
	repeat(&yaml, "k: 1\n", 5000);
	conf_yaml_parse(doc, "f", buf_as_str(&yaml), &env);
	EQ_INT(conf_error_count(doc), 4999);
	conf_errors_print(doc, &errors, false);
	OK(str_ends(buf_as_str(&errors), STR("... and 4799 more\n")));
	conf_doc_free(doc);
	buf_fini(&yaml);
	buf_fini(&errors);
}

static void test_places(void)
{
	struct conf_doc *doc = conf_doc_new();
	struct conf_node *root = conf_yaml_parse(
		doc, "dir/f.yaml", STR("inputs:\n  app:\n    paths: [a, \"b\", c]\n"), &env);
	const struct conf_node *paths =
		conf_get(conf_get(conf_get(root, "inputs"), "app"), "paths");
	struct buf path = BUF_INIT;

	OK(paths && paths->n == 3);
	if (paths && paths->n == 3) {
		EQ_INT(paths->items[1]->line, 3);
		EQ_INT(paths->items[1]->col, 16);
		EQ_STR(str_c(paths->items[1]->file), "dir/f.yaml");
		OK(paths->items[1]->is_quoted);
		OK(!paths->items[2]->is_quoted);
		conf_path(paths->items[2], &path);
		EQ_STR(buf_as_str(&path), "inputs.app.paths[2]");
	}
	OK(conf_get(root, "nope") == NULL);
	OK(conf_get(NULL, "nope") == NULL);
	buf_fini(&path);
	conf_doc_free(doc);
}

int main(void)
{
	RUN(test_good);
	RUN(test_bad);
	RUN(test_limits);
	RUN(test_large_maps);
	RUN(test_places);
	return test_end();
}
