/* SPDX-License-Identifier: Apache-2.0 */
/* The syslog input: options and the life of an instance. */
#include "inputs/syslog/syslog.h"

#include "lib/log.h"
#include "lib/net.h"

static const struct conf_enum framings[] = {
	{ "auto", FRAME_AUTO, "`LEN <PRI>` is octet counting, anything else ends in LF or NUL" },
	{ "octet_counting", FRAME_OCTET, "RFC 6587 section 3.4.1" },
	{ "newline", FRAME_LF, "RFC 6587 section 3.4.2; a number in front is text" },
	{ 0 },
};

static const struct conf_enum lines[] = {
	{ "message", SYSLOG_LINE_MESSAGE, "MSG; the header fields are structured metadata" },
	{ "raw", SYSLOG_LINE_RAW, "the whole message as sent" },
	{ 0 },
};

static const struct conf_enum sd_modes[] = {
	{ "keep", SYSLOG_SD_KEEP, "as sent, as metadata `structured_data`" },
	{ "expand", SYSLOG_SD_EXPAND, "each parameter as metadata `sd_<id>_<name>`" },
	{ "drop", SYSLOG_SD_DROP, "leave it out" },
	{ 0 },
};

static const struct conf_field syslog_fields[] = {
	CONF_ADDRS(struct syslog_conf, listen, "[udp://127.0.0.1:5514, tcp://127.0.0.1:5514]",
		   CONF_UDP | CONF_TCP | CONF_UNIX | CONF_UNIXGRAM,
		   "Addresses to receive on: `udp://`, `tcp://`, `unix://` (stream) and "
		   "`unixgram://`. An empty host is every address.",
		   .flags = CONF_NONEMPTY),
	CONF_MAP(struct syslog_conf, labels, NULL, "Labels of every record."),
	CONF_ENUM(struct syslog_conf, line, "message", lines, "What the line is."),
	CONF_BOOL(struct syslog_conf, use_incoming_timestamp, "false",
		  "Take the time in the message instead of the time of receipt. Messages whose "
		  "time "
		  "cannot be read get the time of receipt and a flag."),
	CONF_STR(struct syslog_conf, timezone, "UTC",
		 "Zone of times that do not name one, as in `Europe/Berlin`; `Local` is the "
		 "machine's."),
	CONF_ENUM(struct syslog_conf, structured_data, "keep", sd_modes,
		  "What becomes of RFC 5424 STRUCTURED-DATA."),
	CONF_SIZE(struct syslog_conf, max_message, "64KiB", "1KiB", "256KiB",
		  "Longest message; of a longer one the beginning is kept, flagged and counted."),
	CONF_ENUM(struct syslog_conf, framing, "auto", framings,
		  "How messages are told apart in a stream."),
	CONF_TIME(struct syslog_conf, idle_timeout_ns, "1h", "1s", "720h",
		  "Close a connection that is silent this long. Senders lose a message when they "
		  "write to a closed connection, so this is long; peers that are gone are found "
		  "by TCP keepalive.",
		  .key = "idle_timeout"),
	CONF_INT(struct syslog_conf, max_connections, "1024", "1", "65536",
		 "Most stream connections at once; further ones are closed at once and counted."),
	CONF_SIZE(struct syslog_conf, receive_buffer, "16MiB", "64KiB", "1GiB",
		  "Kernel buffer asked for per datagram socket: what a burst may hold before "
		  "datagrams are lost. More than `net.core.rmem_max` needs CAP_NET_ADMIN."),
};

static void syslog_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct syslog_conf *c = conf;
	const struct conf_node *at = conf_get(node, "timezone");
	struct err err = ERR_NONE;
	struct tz *tz = NULL;

	if (tz_load(&tz, c->timezone, &err) < 0)
		conf_error(doc, at ? at : node, "%s", err.text);
	tz_free(tz);
}

static const struct conf_table syslog_table =
	CONF_TABLE(struct syslog_conf, syslog_fields, .check = syslog_check);

static void intern_keys(struct syslog_keys *k)
{
	k->hostname = key_intern(STR("hostname"));
	k->appname = key_intern(STR("appname"));
	k->procid = key_intern(STR("procid"));
	k->msgid = key_intern(STR("msgid"));
	k->facility = key_intern(STR("facility"));
	k->severity = key_intern(STR("severity"));
	k->peer = key_intern(STR("peer"));
	k->structured_data = key_intern(STR("structured_data"));
	k->timestamp = key_intern(STR("timestamp"));
	k->sequence = key_intern(STR("sequence"));
	k->full_length = key_intern(STR("full_length"));
}

static int syslog_open(struct input *in, struct err *err)
{
	struct syslog *s = in->state;
	int rc;

	s->magic = SYSLOG_MAGIC;
	s->input = in;
	s->conf = in->conf;
	s->max_message =
		s->conf->max_message < in->batch_bytes ? s->conf->max_message : in->batch_bytes;
	if (s->max_message < s->conf->max_message)
		log_warn("max_message is more than a batch may hold; raise memory or it is cut",
			 KV_S("input", in->name), KV_I("max_message_bytes", s->max_message));
	intern_keys(&s->keys);
	rc = tz_load(&s->tz, s->conf->timezone, err);
	for (size_t i = 0; rc >= 0 && i < s->conf->listen.n; i++) {
		const struct conf_addr *addr = &s->conf->listen.items[i];

		rc = net_listen(addr, false, err);
		if (rc < 0)
			break;
		if (addr->scheme & (CONF_UDP | CONF_UNIXGRAM))
			udp_add(s, rc, addr, i);
		else
			tcp_add(s, rc);
	}
	return rc < 0 ? rc : 0;
}

static void syslog_start(struct input *in)
{
	udp_start(in->state);
	tcp_start(in->state);
}

static void syslog_resume(struct input *in)
{
	tcp_resume(in->state);
}

static void syslog_stop(struct input *in)
{
	tcp_stop(in->state);
	udp_stop(in->state);
}

/* Nobody waits for datagrams: once in a lane they are its own. */
static bool syslog_is_idle(struct input *in)
{
	return tcp_is_idle(in->state);
}

static void syslog_close(struct input *in)
{
	struct syslog *s = in->state;

	if (s->magic != SYSLOG_MAGIC)
		return;
	udp_close(s);
	tcp_close(s);
	tz_free(s->tz);
	s->magic = 0;
}

extern const struct input_ops input_syslog;
const struct input_ops input_syslog = {
	.name = "syslog",
	.summary = "messages over UDP, TCP and Unix sockets, RFC 5424, RFC 3164 and relatives",
	.doc = "The format is recognised per message, the framing per connection. A message that "
	       "cannot be parsed is kept whole, flagged `unparsed` and counted.\n"
	       "\n"
	       "Header fields become structured metadata: `hostname`, `appname`, `procid`, "
	       "`msgid`, `facility`, `severity` (keywords, as in `syslog.conf`), `peer` (address "
	       "of "
	       "the sender), `structured_data`, `sequence` (Cisco). A time that cannot be read is "
	       "kept as `timestamp`, the length of a message that was cut as `full_length`.\n"
	       "\n"
	       "UDP is drained by a thread of its own and never waits: what finds no room is "
	       "dropped and counted, also what the kernel had to drop. TCP is not read further "
	       "while there is no room.",
	.conf = &syslog_table,
	.state_size = sizeof(struct syslog),
	.open = syslog_open,
	.start = syslog_start,
	.resume = syslog_resume,
	.stop = syslog_stop,
	.is_idle = syslog_is_idle,
	.close = syslog_close,
};
