/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: one table per plugin is the only source of its defaults, validation, help text,
 * reference page, sample and JSON schema. A row is checked against the C type of its member.
 *
 *	struct syslog_conf {
 *		struct conf_addrs listen;
 *		size_t max_message;
 *		int64_t idle_timeout_ns;
 *		struct conf_map labels;
 *	};
 *	static const struct conf_field syslog_fields[] = {
 *		CONF_ADDRS(struct syslog_conf, listen, "[udp://127.0.0.1:514]", CONF_UDP | CONF_TCP,
 *			   "Addresses to receive on."),
 *		CONF_SIZE(struct syslog_conf, max_message, "64KiB", "1KiB", "1MiB",
 *			  "Longest message; longer ones are cut, flagged and counted."),
 *		CONF_TIME(struct syslog_conf, idle_timeout_ns, "5m", "1s", "24h",
 *			  "Close a TCP sender that is silent this long.", .key = "idle_timeout"),
 *		CONF_MAP(struct syslog_conf, labels, NULL, "Labels added to every record."),
 *	};
 *	static const struct conf_table syslog_table =
 *		CONF_TABLE(struct syslog_conf, syslog_fields, .check = syslog_check);
 *
 * Defaults and bounds are text, as the user would write them: "64KiB", "5m", "true",
 * "[a, b]", "{a: b}". NULL = none (zero, empty). What follows the doc text are designated
 * initialisers of struct conf_field: .key, .flags, .alias, .example. */
#ifndef LIB_CONF_H
#define LIB_CONF_H

#include "lib/check.h"
#include "lib/conf_tree.h"
#include "lib/err.h"
#include "lib/secret.h"
#include "lib/str.h"

enum conf_type {
	CONF_T_STR,      /* struct str; p == NULL when absent without default */
	CONF_T_URL,      /* struct str; http:// or https:// and a host; a password is never shown */
	CONF_T_BOOL,     /* bool */
	CONF_T_INT,      /* int, unsigned, int64_t or uint64_t */
	CONF_T_SIZE,     /* size_t, bytes */
	CONF_T_TIME,     /* int64_t, ns */
	CONF_T_DOUBLE,   /* double */
	CONF_T_RATE,     /* double, per second: "100", "100/s", "10/m", "1MiB/s" */
	CONF_T_ENUM,     /* int, unsigned or an enum */
	CONF_T_FLAGS,    /* uint32_t: a list of names, values ORed */
	CONF_T_ADDR,     /* struct conf_addr; `none` gives scheme 0 */
	CONF_T_SECRET,   /* struct secret */
	CONF_T_LIST,     /* struct conf_list */
	CONF_T_SIZES,    /* struct conf_sizes */
	CONF_T_ADDRS,    /* struct conf_addrs */
	CONF_T_MAP,      /* struct conf_map */
	CONF_T_STAGES,   /* struct conf_stages */
	CONF_T_SECTION,  /* a struct inside the struct, with a table of its own */
	CONF_T_SECTIONS, /* struct conf_sections: a list of such */
	CONF_T_NAMED,    /* struct conf_sections: a map of such by name; their structs begin with
			  * struct str name */
	CONF_T_NODE,     /* const struct conf_node *: whatever stands there, NULL when absent */
};

/* Lists, maps and texts live in the conf_doc. Every text has a NUL behind it (not counted in n) and
 * none inside, so .p can go to a C library. */
struct conf_list {
	size_t n;
	struct str *items;
};

struct conf_sizes {
	size_t n;
	size_t *items;
};

struct conf_pair {
	struct str key;
	struct str value;
	bool has_value; /* false: `key:` with nothing behind it */
};

struct conf_map {
	size_t n;
	struct conf_pair *items; /* in the order written, keys are unique */
};

enum { /* schemes of addresses */
       CONF_UDP = 1,
       CONF_TCP = 2,
       CONF_UNIX = 4,         /* unix:///path, stream */
       CONF_UNIXGRAM = 8,     /* unixgram:///path, datagram */
       CONF_TLS = 16,         /* tls://host:port */
       CONF_SYSTEMD = 32,     /* systemd://name: sockets passed by socket activation */
       CONF_SYSTEMD_TLS = 64, /* systemd+tls://name: the same, to speak TLS on */
};

struct conf_addr {
	unsigned scheme; /* one of the above; 0 = not given */
	struct str host; /* name or number, without brackets; empty = every address */
	uint16_t port;
	struct str path; /* unix and unixgram; of systemd the name */
	struct str text; /* as written */
};

struct conf_addrs {
	size_t n;
	struct conf_addr *items;
};

struct conf_sections {
	size_t n;
	void *items; /* n structs of the row's table, one after the other */
};

/* One item of a stage list, its options read by its own table. */
struct conf_stage {
	const struct conf_plugin *plugin;
	const struct conf_node *node; /* the body, for messages: conf_error(doc, stage->node, ..) */
	void *conf;                   /* struct of plugin->conf; lives in the doc */
};

/* items are filled when the doc knows the stage plugins (conf_doc_plugins()); a list with an error
 * in it leaves out the bad item. */
struct conf_stages {
	const struct conf_node *node; /* NULL when absent */
	size_t n;
	struct conf_stage *items;
};

/* fn for every stage of a list and of the lists in it, in their order, a stage before those it
 * encloses. Ends with the first that fn does not return 0 for, and returns that. */
int conf_stages_each(const struct conf_stages *list,
		     int (*fn)(void *ctx, const struct conf_stage *s), void *ctx);

struct conf_enum {
	const char *name; /* NULL ends the table */
	int value;
	const char *doc; /* may be NULL */
};

enum {                     /* conf_field.flags */
       CONF_REQUIRED = 1,  /* must be given; texts, lists and maps not empty */
       CONF_NONEMPTY = 2,  /* when given, not empty */
       CONF_BODY = 4,      /* the only row of its table: the value is the whole body, not one key */
       CONF_ADVANCED = 8,  /* listed behind the others, not in samples */
       CONF_PRIVATE = 16,  /* the value (of a map: the values) is never shown, as a secret */
       CONF_OPTIONAL = 32, /* of a section: without it the thing is off, so it is shown as null */
};

struct conf_field {
	const char *member; /* C name */
	const char *key;    /* name in the file when it is another */
	enum conf_type type;
	unsigned flags;
	size_t offset, size; /* of the member */
	const char *def, *min, *max;
	const struct conf_enum *names;
	const struct conf_table *table;
	unsigned schemes;
	bool is_unsigned;    /* CONF_T_INT */
	const char *alias;   /* other accepted names, separated by commas */
	const char *example; /* for samples, where there is no default */
	const char *doc;     /* sentences in Markdown */
};

struct conf_table {
	const struct conf_field *fields;
	size_t n;
	size_t size; /* of the C struct */
	/* Rules that involve several options, or need a parser of the plugin (regex, selector).
	 * Called only when every row was fine. Reports with conf_error(doc, conf_get(node, "key"),
	 * ...); conf_get() gives NULL for an option that was not written, so fall back to node. */
	void (*check)(struct conf_doc *doc, const struct conf_node *node, const void *conf);
	/* A value or list in place of the options is ignored, with a notice: what Promtail does for
	 * stages without options. */
	bool ignores_others;
};

/* clang-format off */
#define CONF_TABLE(S, rows, ...)                                                                   \
	{                                                                                          \
		.fields = (rows), .n = ARRAY_LEN(rows), .size = sizeof(S), ##__VA_ARGS__           \
	}

#define CONF_ROW(S, m, t, off, text, ...)                                                          \
	{                                                                                          \
		.member = #m, .type = (t), .offset = (off), .size = sizeof(((S *)0)->m),           \
		.doc = (text), ##__VA_ARGS__                                                       \
	}
/* The offset, if the member has the type; else the row does not compile. */
#define CONF_AT(S, m, T) _Generic(((S *)0)->m, T : offsetof(S, m))
#define CONF_AT_INT(S, m)                                                                          \
	_Generic(((S *)0)->m, int                                                                  \
		 : offsetof(S, m), unsigned                                                        \
		 : offsetof(S, m), int64_t                                                         \
		 : offsetof(S, m), uint64_t                                                        \
		 : offsetof(S, m))

#define CONF_STR(S, m, dflt, text, ...)                                                            \
	CONF_ROW(S, m, CONF_T_STR, CONF_AT(S, m, struct str), text, .def = (dflt), ##__VA_ARGS__)
#define CONF_URL(S, m, dflt, text, ...)                                                            \
	CONF_ROW(S, m, CONF_T_URL, CONF_AT(S, m, struct str), text, .def = (dflt), ##__VA_ARGS__)
#define CONF_BOOL(S, m, dflt, text, ...)                                                           \
	CONF_ROW(S, m, CONF_T_BOOL, CONF_AT(S, m, bool), text, .def = (dflt), ##__VA_ARGS__)
#define CONF_INT(S, m, dflt, least, most, text, ...)                                               \
	CONF_ROW(S, m, CONF_T_INT, CONF_AT_INT(S, m), text, .def = (dflt), .min = (least),         \
		 .max = (most),                                                                    \
		 .is_unsigned = _Generic(((S *)0)->m, unsigned                                     \
					 : true, uint64_t                                          \
					 : true, default                                           \
					 : false),                                                 \
		 ##__VA_ARGS__)
#define CONF_SIZE(S, m, dflt, least, most, text, ...)                                              \
	CONF_ROW(S, m, CONF_T_SIZE, CONF_AT(S, m, size_t), text, .def = (dflt), .min = (least),    \
		 .max = (most), ##__VA_ARGS__)
#define CONF_TIME(S, m, dflt, least, most, text, ...)                                              \
	CONF_ROW(S, m, CONF_T_TIME, CONF_AT(S, m, int64_t), text, .def = (dflt), .min = (least),   \
		 .max = (most), ##__VA_ARGS__)
#define CONF_DOUBLE(S, m, dflt, least, most, text, ...)                                            \
	CONF_ROW(S, m, CONF_T_DOUBLE, CONF_AT(S, m, double), text, .def = (dflt), .min = (least),  \
		 .max = (most), ##__VA_ARGS__)
#define CONF_RATE(S, m, dflt, least, most, text, ...)                                              \
	CONF_ROW(S, m, CONF_T_RATE, CONF_AT(S, m, double), text, .def = (dflt), .min = (least),    \
		 .max = (most), ##__VA_ARGS__)
/* An enum member matches `unsigned` (or `int`, with negative values). */
#define CONF_ENUM(S, m, dflt, table_, text, ...)                                                   \
	CONF_ROW(S, m, CONF_T_ENUM,                                                                \
		 _Generic(((S *)0)->m, int : offsetof(S, m), unsigned : offsetof(S, m)), text,     \
		 .def = (dflt), .names = (table_), ##__VA_ARGS__)
#define CONF_FLAGS(S, m, dflt, table_, text, ...)                                                  \
	CONF_ROW(S, m, CONF_T_FLAGS, CONF_AT(S, m, uint32_t), text, .def = (dflt),                 \
		 .names = (table_), ##__VA_ARGS__)
/* schemes_: ORed; when it is a single one, the address may be written without "udp://". */
#define CONF_ADDR(S, m, dflt, schemes_, text, ...)                                                 \
	CONF_ROW(S, m, CONF_T_ADDR, CONF_AT(S, m, struct conf_addr), text, .def = (dflt),          \
		 .schemes = (schemes_), ##__VA_ARGS__)
#define CONF_ADDRS(S, m, dflt, schemes_, text, ...)                                                \
	CONF_ROW(S, m, CONF_T_ADDRS, CONF_AT(S, m, struct conf_addrs), text, .def = (dflt),        \
		 .schemes = (schemes_), ##__VA_ARGS__)
#define CONF_SECRET(S, m, text, ...)                                                               \
	CONF_ROW(S, m, CONF_T_SECRET, CONF_AT(S, m, struct secret), text, ##__VA_ARGS__)
#define CONF_LIST(S, m, dflt, text, ...)                                                           \
	CONF_ROW(S, m, CONF_T_LIST, CONF_AT(S, m, struct conf_list), text, .def = (dflt),          \
		 ##__VA_ARGS__)
#define CONF_SIZES(S, m, dflt, least, most, text, ...)                                             \
	CONF_ROW(S, m, CONF_T_SIZES, CONF_AT(S, m, struct conf_sizes), text, .def = (dflt),        \
		 .min = (least), .max = (most), ##__VA_ARGS__)
#define CONF_MAP(S, m, dflt, text, ...)                                                            \
	CONF_ROW(S, m, CONF_T_MAP, CONF_AT(S, m, struct conf_map), text, .def = (dflt),            \
		 ##__VA_ARGS__)
#define CONF_STAGES(S, m, text, ...)                                                               \
	CONF_ROW(S, m, CONF_T_STAGES, CONF_AT(S, m, struct conf_stages), text, ##__VA_ARGS__)
/* T: the C type of the member, and the one table_ was made for. An absent section has its defaults,
 * and its required options are then not asked for unless the row is CONF_REQUIRED. */
#define CONF_SECTION(S, m, T, table_, text, ...)                                                   \
	CONF_ROW(S, m, CONF_T_SECTION, CONF_AT(S, m, T), text, .table = (table_), ##__VA_ARGS__)
#define CONF_SECTIONS(S, m, table_, text, ...)                                                     \
	CONF_ROW(S, m, CONF_T_SECTIONS, CONF_AT(S, m, struct conf_sections), text,                 \
		 .table = (table_), ##__VA_ARGS__)
#define CONF_NAMED(S, m, table_, text, ...)                                                        \
	CONF_ROW(S, m, CONF_T_NAMED, CONF_AT(S, m, struct conf_sections), text, .table = (table_), \
		 ##__VA_ARGS__)
#define CONF_NODE(S, m, text, ...)                                                                 \
	CONF_ROW(S, m, CONF_T_NODE, CONF_AT(S, m, const struct conf_node *), text, ##__VA_ARGS__)

/* clang-format on */

/* ---- plugins, as far as configuration and documents care ------------------------------------ */

enum conf_plugin_kind { CONF_INPUT, CONF_STAGE, CONF_OUTPUT };

struct conf_plugin {
	enum conf_plugin_kind kind;
	const char *name;
	const char *alias;   /* other accepted names, separated by commas; may be NULL */
	const char *summary; /* one line, no period */
	const char *doc;     /* Markdown below the summary; may be NULL */
	const struct conf_table *conf;
	const void *ops; /* the descriptor: struct input_ops, stage_ops or output_ops */
};

/* The plugins stage lists refer to; borrowed, must outlive the doc. */
void conf_doc_plugins(struct conf_doc *doc, const struct conf_plugin *plugins, size_t n);
const struct conf_plugin *conf_plugin_find(const struct conf_plugin *plugins, size_t n,
					   enum conf_plugin_kind kind, struct str name);
/* The nearest name of that kind, or NULL. */
const char *conf_plugin_nearest(const struct conf_plugin *plugins, size_t n,
				enum conf_plugin_kind kind, struct str name);

/* ---- reading --------------------------------------------------------------------------------- */

/* Fills *ret (table->size bytes, zeroed first) from a map. NULL or a null node counts as an empty
 * map. Every error is added to the doc. Returns 0, or -EINVAL when something was wrong; *ret is then
 * still safe to look at (what was wrong has its default). */
int conf_read(struct conf_doc *doc, const struct conf_table *table, const struct conf_node *map,
	      void *ret);

/* Several tables that share one map (the options every input has, and the plugin's own). */
struct conf_part {
	const struct conf_table *table;
	void *ret;
};
int conf_read_parts(struct conf_doc *doc, const struct conf_part *parts, size_t n,
		    const struct conf_node *map);

/* The name in the file. */
static inline const char *conf_field_key(const struct conf_field *f)
{
	return f->key ? f->key : f->member;
}

/* The node that gave a field its value, NULL when the default did. Knows aliases and CONF_BODY. */
const struct conf_node *conf_field_node(const struct conf_field *f, const struct conf_node *map);

/* Single values, as the tables parse them; false when malformed. Results borrow text. */
bool conf_parse_bool(struct str text, bool *ret);
bool conf_parse_addr(struct str text, unsigned schemes, struct conf_addr *ret, struct err *err);
bool conf_parse_rate(struct str text, double *ret_per_second);
bool conf_parse_url(struct str text, struct err *err);

/* ---- comparing ------------------------------------------------------------------------------- */

/* Two structs of the table say the same, secrets (their source, or what was written) included. What
 * stands in files that they name is not looked at. */
bool conf_is_same(const struct conf_table *table, const void *a, const void *b);
bool conf_stages_are_same(const struct conf_stages *a,
			  const struct conf_stages *b); /* NULL: none */

/* ---- writing --------------------------------------------------------------------------------- */

/* A value as the user would write it: "64KiB", "5m", quoted where YAML needs it. Secrets become
 * <secret>. */
void conf_render_size(struct buf *out, uint64_t bytes);
void conf_render_time(struct buf *out, int64_t ns);
void conf_render_text(struct buf *out, struct str text);
/* One field of a filled struct, in one line (flow style); "" for sections and stages. */
void conf_render_value(struct buf *out, const struct conf_field *f, const void *conf);
/* The effective options as YAML, each with "# file:line" or "# default" behind it. Without
 * `with_origin` this is plain YAML of what is in force. */
void conf_render(struct buf *out, const struct conf_table *table, const struct conf_node *map,
		 const void *conf, unsigned indent, bool with_origin);
void conf_render_stages(struct buf *out, const struct conf_stages *stages, unsigned indent,
			bool with_origin);

#endif
