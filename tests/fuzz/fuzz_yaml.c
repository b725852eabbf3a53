/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: any text gives a tree or errors with their places, the budgets hold, and what a
 * table read without errors is written as YAML that reads as the same. */
#include "agent/conf_yaml.h"
#include "lib/check.h"
#include "lib/conf.h"
#include "lib/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct fuzz_conf {
	struct str text, url;
	bool flag;
	int number;
	size_t size;
	int64_t time_ns;
	double real, rate;
	unsigned kind;
	uint32_t flags;
	struct conf_addr addr;
	struct conf_addrs addrs;
	struct conf_list list;
	struct conf_sizes sizes;
	struct conf_map map;
	struct conf_stages stages;
	struct conf_sections sections;
	const struct conf_node *node;
};

static const struct conf_enum kinds[] = { { "a", 1, NULL }, { "b", 2, NULL }, { 0 } };

struct part {
	struct str name;
	struct conf_stages stages;
};

static const struct conf_field part_fields[] = {
	CONF_STR(struct part, name, NULL, "x", .flags = CONF_REQUIRED),
	CONF_STAGES(struct part, stages, "x"),
};
static const struct conf_table part_table = CONF_TABLE(struct part, part_fields);

static const struct conf_field fields[] = {
	CONF_STR(struct fuzz_conf, text, "x", "x"),
	CONF_URL(struct fuzz_conf, url, NULL, "x"),
	CONF_BOOL(struct fuzz_conf, flag, "true", "x"),
	CONF_INT(struct fuzz_conf, number, "1", "-3", "64", "x"),
	CONF_SIZE(struct fuzz_conf, size, "1KiB", NULL, NULL, "x"),
	CONF_TIME(struct fuzz_conf, time_ns, "1s", NULL, NULL, "x", .key = "time"),
	CONF_DOUBLE(struct fuzz_conf, real, "0.5", NULL, NULL, "x"),
	CONF_RATE(struct fuzz_conf, rate, "1/m", NULL, NULL, "x"),
	CONF_ENUM(struct fuzz_conf, kind, "a", kinds, "x"),
	CONF_FLAGS(struct fuzz_conf, flags, "[a]", kinds, "x"),
	CONF_ADDR(struct fuzz_conf, addr, "none", CONF_TCP, "x"),
	CONF_ADDRS(struct fuzz_conf, addrs, NULL, CONF_UDP | CONF_TCP | CONF_UNIX, "x"),
	CONF_LIST(struct fuzz_conf, list, NULL, "x", .alias = "other, third"),
	CONF_SIZES(struct fuzz_conf, sizes, NULL, NULL, NULL, "x"),
	CONF_MAP(struct fuzz_conf, map, "{a: b}", "x"),
	CONF_STAGES(struct fuzz_conf, stages, "x"),
	CONF_SECTIONS(struct fuzz_conf, sections, &part_table, "x"),
	CONF_NODE(struct fuzz_conf, node, "x"),
};
static const struct conf_table table = CONF_TABLE(struct fuzz_conf, fields);

static const struct conf_plugin plugins[] = {
	{ CONF_STAGE, "match", "if", "x", NULL, &part_table, NULL },
};

static const char *get(void *ctx, const char *name)
{
	(void)ctx;
	return name[0] == 'A' ? "value" : name[0] == 'E' ? "" : NULL;
}
static const struct conf_env env = { get, NULL };

static void check_tree(const struct conf_node *node, size_t depth)
{
	struct buf path = BUF_INIT;

	CHECK(depth <= CONF_YAML_DEPTH_MAX);
	CHECK(node->line && node->col && node->file);
	if (depth < 3)
		conf_path(node, &path);
	buf_fini(&path);
	if (node->kind == CONF_SCALAR) {
		CHECK(str_chr(node->text, 0) == node->text.n && node->text.p[node->text.n] == 0);
		CHECK(utf8_is_valid(node->text));
	}
	for (size_t i = 0; i < node->n; i++) {
		const struct conf_node *child =
			node->kind == CONF_SEQ ? node->items[i] : node->entries[i].value;

		CHECK(child->parent == node);
		check_tree(child, depth + 1);
	}
}

/* Reads text by the table and writes what it understood; false when there was an error. */
static bool digest(struct str text, struct buf *out)
{
	struct conf_doc *doc = conf_doc_new();
	struct buf errors = BUF_INIT;
	struct fuzz_conf conf;
	struct conf_node *root;
	bool is_fine;

	conf_doc_plugins(doc, plugins, ARRAY_LEN(plugins));
	root = conf_yaml_parse(doc, "f", text, &env);
	if (root) {
		check_tree(root, 0);
		conf_read(doc, &table, root, &conf);
		conf_render(out, &table, root, &conf, 0, true);
		buf_clear(out);
		conf_render(out, &table, root, &conf, 0, false);
	} else {
		CHECK(conf_error_count(doc));
	}
	conf_errors_print(doc, &errors, false);
	for (size_t i = 0; i < errors.n; i++)
		CHECK((unsigned char)errors.p[i] >= 0x20 || errors.p[i] == '\n');
	is_fine = conf_error_count(doc) == 0;
	CHECK(is_fine == (errors.n == 0));
	buf_fini(&errors);
	conf_doc_free(doc);
	return is_fine;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct buf once = BUF_INIT, twice = BUF_INIT;

	if (digest(str_make((const char *)data, n), &once)) {
		/* A URL with a password comes out without it. */
		bool has_secret = str_find(buf_as_str(&once), STR("<secret>")) < once.n;

		CHECK(digest(buf_as_str(&once), &twice) || has_secret);
		CHECK(str_eq(buf_as_str(&once), buf_as_str(&twice)) || has_secret);
	}
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
