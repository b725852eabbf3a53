/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of the stages' reference pages: golden/stages/<stage>.yaml with the lines of .in
 * gives what stands in .out. `test_stages_golden --update` writes that. */
#include "agent/registry.h"
#include "tests/unit/stage_test.h"

static struct str read_golden(struct buf *b, const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f)
		return STR_NONE;
	buf_reserve(b, 1 << 16);
	b->n = fread(b->p, 1, (1 << 16) - 1, f);
	fclose(f);
	while (b->n && b->p[b->n - 1] == '\n')
		b->n--;
	buf_cstr(b);
	return buf_as_str(b);
}

/* In place of the one that everybody has elsewhere. */
static void use_own_database(struct buf *yaml)
{
	static const char theirs[] = "/var/lib/GeoIP/GeoLite2-City.mmdb";
	struct str text = buf_as_str(yaml);
	size_t at = str_find(text, str_c(theirs));
	struct buf own = BUF_INIT;

	if (at == text.n)
		return;
	buf_str(&own, str_sub(text, 0, at));
	buf_c(&own, GOLDEN_DIR "/geoip/city.mmdb");
	buf_str(&own, str_skip(text, at + sizeof(theirs) - 1));
	buf_cstr(&own);
	buf_fini(yaml);
	*yaml = own;
}

static void check(const struct conf_plugin *plugins, size_t n, const char *name, bool is_update)
{
	struct buf yaml = BUF_INIT, in = BUF_INIT, out = BUF_INIT;
	char path[512];
	struct str stages, lines, got;
	FILE *f;

	ROW(name);
	snprintf(path, sizeof(path), GOLDEN_DIR "/stages/%s.yaml", name);
	stages = read_golden(&yaml, path);
	OK(stages.p);
	if (stages.p) {
		use_own_database(&yaml);
		stages = buf_as_str(&yaml);
		snprintf(path, sizeof(path), GOLDEN_DIR "/stages/%s.in", name);
		lines = read_golden(&in, path);
		got = stage_test_run(plugins, n, stages.p, lines, NULL);
		snprintf(path, sizeof(path), GOLDEN_DIR "/stages/%s.out", name);
		if (is_update) {
			f = fopen(path, "wb");
			fprintf(f, STR_FMT "\n", STR_ARG(got));
			fclose(f);
		}
		EQ_STR(got, read_golden(&out, path).p);
	}
	buf_fini(&yaml);
	buf_fini(&in);
	buf_fini(&out);
}

int main(int argc, char **argv)
{
	bool is_update = argc > 1 && strcmp(argv[1], "--update") == 0;
	const struct conf_plugin *plugins;
	size_t n;

	test_name = "golden";
	plugins = registry(&n);
	for (size_t i = 0; i < n; i++)
		if (plugins[i].kind == CONF_STAGE)
			check(plugins, n, plugins[i].name, is_update);
	return test_end();
}
