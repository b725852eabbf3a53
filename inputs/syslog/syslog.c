/* SPDX-License-Identifier: Apache-2.0 */
/* The syslog input: options and the life of an instance. */
#include "inputs/syslog/syslog.h"

#include <errno.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/net.h"

static const struct conf_enum framings[] = {
	{ "auto", FRAME_AUTO,
	  "`LEN <PRI>` is octet counting, anything else ends in LF or NUL; once a message has "
	  "ended in "
	  "NUL, a line end is text unless a PRI follows" },
	{ "octet_counting", FRAME_OCTET, "RFC 6587 section 3.4.1" },
	{ "newline", FRAME_LF,
	  "RFC 6587 section 3.4.2: ends in LF or NUL; a number in front is text" },
	{ "nul", FRAME_NUL, "ends in NUL, line ends are text" },
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

static const struct conf_enum metadata[] = {
	{ "address", SYSLOG_META_ADDRESS, "`peer`: its address without port, or `unix`" },
	{ "credentials", SYSLOG_META_CREDENTIALS,
	  "`peer_pid`, `peer_uid`, `peer_gid` of the process at the other end of a unix socket, as "
	  "the "
	  "kernel knows them" },
	{ "certificate", SYSLOG_META_CERTIFICATE,
	  "`peer_name`: the first DNS name, else the common name, of its TLS certificate" },
	{ 0 },
};

static const struct conf_field syslog_fields[] = {
	CONF_ADDRS(
		struct syslog_conf, listen, "[udp://127.0.0.1:5514, tcp://127.0.0.1:5514]",
		CONF_UDP | CONF_TCP | CONF_TLS | CONF_UNIX | CONF_UNIXGRAM | CONF_SYSTEMD |
			CONF_SYSTEMD_TLS,
		"Addresses to receive on: `udp://`, `tcp://`, `tls://` (RFC 5425), `unix://` "
		"(stream), `unixgram://` (as `/dev/log`), and `systemd://name` for sockets that a "
		"`.socket` unit holds (`FileDescriptorName=`), of any of these kinds. An empty "
		"host is every address, IPv4 and IPv6; `[::]` is IPv6 alone.",
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
	CONF_MAP(struct syslog_conf, timezones, NULL,
		 "The same for the senders of a network, the smallest that has the sender.",
		 .example = "{10.1.0.0/16: America/New_York, \"2001:db8::/32\": Asia/Tokyo}"),
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
	CONF_TIME(struct syslog_conf, message_timeout_ns, "1m", "10ms", "24h",
		  "Close a connection whose message is not complete this long after it began.",
		  .key = "message_timeout"),
	CONF_TIME(struct syslog_conf, handshake_timeout_ns, "10s", "10ms", "10m",
		  "Time for the PROXY header and the TLS handshake.", .key = "handshake_timeout"),
	CONF_INT(struct syslog_conf, max_connections, "1024", "1", "65536",
		 "Most stream connections at once; further ones are closed at once and counted."),
	CONF_INT(struct syslog_conf, max_peer_connections, "0", "0", "65536",
		 "The same for one address, or one user of a unix socket; 0 is no limit.",
		 .key = "max_connections_per_peer"),
	CONF_SIZE(struct syslog_conf, max_peer_bytes, "0", "0", "1TiB",
		  "Memory that records of one peer may hold before its connections have to wait; 0 "
		  "is three quarters of what the pipeline has, which is the most.",
		  .key = "max_bytes_per_peer"),
	CONF_RATE(struct syslog_conf, peer_rate, "0", "0", NULL,
		  "Messages of one peer; as many as in a second may come at once. Senders over a "
		  "stream have to wait, datagrams are dropped; both is counted. 0 is no limit.",
		  .key = "rate_per_peer", .example = "1000/s"),
	CONF_INT(struct syslog_conf, peer_ipv6_bits, "64", "32", "128",
		 "How much of an IPv6 address makes one peer: whoever has a network can use any "
		 "address of it. With 128 the hosts of a network count apart, as link-local ones "
		 "always do.",
		 .key = "peer_ipv6_prefix"),
	CONF_LIST(
		struct syslog_conf, allow, NULL,
		"Networks that senders may be in, as `10.0.0.0/8` or `2001:db8::1`; none is every. "
		"Not for unix sockets.",
		.example = "[10.0.0.0/8, \"fd00::/8\"]"),
	CONF_LIST(
		struct syslog_conf, proxy_protocol, NULL,
		"Networks of proxies that begin each connection with a PROXY header, version 1 or "
		"2; the address in it is the peer. From other addresses such a header is text.",
		.example = "[10.0.0.10]"),
	CONF_SECTION(struct syslog_conf, tls, struct tls_conf, &tls_conf_table,
		     "Certificates for `tls://`."),
	CONF_STR(struct syslog_conf, socket_mode, "0666", "Mode of unix socket files, octal."),
	CONF_STR(struct syslog_conf, socket_owner, NULL,
		 "Owner of unix socket files, `user` or `user:group`.", .example = "root:adm"),
	CONF_FLAGS(struct syslog_conf, metadata, "[address]", metadata,
		   "What structured metadata tells about the sender, apart from what it says "
		   "itself."),
	CONF_INT(struct syslog_conf, threads, "1", "1", "64",
		 "Sockets and receiving threads per `udp://` address. The kernel spreads senders "
		 "over them; one that keeps its port stays in order. Limits per peer count in each "
		 "apart."),
	CONF_SIZE(struct syslog_conf, receive_buffer, "16MiB", "64KiB", "1GiB",
		  "Kernel buffer asked for per datagram socket: what a burst may hold before "
		  "datagrams are lost. More than `net.core.rmem_max` needs CAP_NET_ADMIN."),
};

static void check_zone(struct conf_doc *doc, const struct conf_node *at, struct str name)
{
	struct err err = ERR_NONE;
	struct tz *tz = NULL;

	if (tz_load(&tz, name, &err) < 0)
		conf_error(doc, at, "%s", err.text);
	tz_free(tz);
}

static void check_zones(struct conf_doc *doc, const struct conf_node *at,
			const struct conf_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		cidr_conf_check(doc, at, &(struct conf_list){ 1, &map->items[i].key });
		check_zone(doc, at, map->items[i].value);
	}
}

static void syslog_check(struct conf_doc *doc, const struct conf_node *node, const void *conf)
{
	const struct syslog_conf *c = conf;
	const struct conf_node *at = conf_get(node, "timezone");
	mode_t mode;

	check_zone(doc, at ? at : node, c->timezone);
	check_zones(doc, conf_get(node, "timezones"), &c->timezones);
	at = conf_get(node, "socket_mode");
	if (!net_mode_parse(c->socket_mode, &mode))
		conf_error(doc, at ? at : node, "is no octal mode from 0000 to 0777");
	cidr_conf_check(doc, conf_get(node, "allow"), &c->allow);
	cidr_conf_check(doc, conf_get(node, "proxy_protocol"), &c->proxy_protocol);
	for (size_t i = 0; i < c->listen.n; i++)
		if (c->listen.items[i].scheme & (CONF_TLS | CONF_SYSTEMD_TLS) &&
		    !c->tls.cert_file.n) {
			at = conf_get(node, "tls");
			conf_error(doc, at ? at : conf_get(node, "listen"),
				   STR_FMT " needs tls.cert_file and tls.key_file",
				   STR_ARG(c->listen.items[i].text));
			break;
		}
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
	k->peer_name = key_intern(STR("peer_name"));
	k->peer_pid = key_intern(STR("peer_pid"));
	k->peer_uid = key_intern(STR("peer_uid"));
	k->peer_gid = key_intern(STR("peer_gid"));
	k->structured_data = key_intern(STR("structured_data"));
	k->timestamp = key_intern(STR("timestamp"));
	k->sequence = key_intern(STR("sequence"));
	k->full_length = key_intern(STR("full_length"));
	k->detected_level = key_intern(STR("detected_level"));
	k->facility_code = key_intern(STR("facility_code"));
	k->severity_code = key_intern(STR("severity_code"));
	k->is_synced = key_intern(STR("is_synced"));
	k->header = key_intern(STR("header"));
	k->parse_error = key_intern(STR("parse_error"));
}

static struct cidr *networks(const struct conf_list *list)
{
	struct cidr *nets = mem_array(list->n ? list->n : 1, sizeof(*nets));

	for (size_t i = 0; i < list->n; i++)
		cidr_parse(list->items[i], &nets[i]);
	return nets;
}

static int load_zones(struct syslog *s, struct err *err)
{
	const struct conf_map *map = &s->conf->timezones;
	int rc = tz_load(&s->tz, s->conf->timezone, err);

	s->zones = mem_array(map->n ? map->n : 1, sizeof(*s->zones));
	for (; rc >= 0 && s->nzones < map->n; s->nzones++) {
		struct syslog_zone *z = &s->zones[s->nzones];

		z->tz = NULL;
		cidr_parse(map->items[s->nzones].key, &z->network);
		rc = tz_load(&z->tz, map->items[s->nzones].value, err);
	}
	return rc;
}

static int take_socket(struct syslog *s, int fd, const struct conf_addr *addr, struct err *err)
{
	bool is_tls = addr->scheme & (CONF_TLS | CONF_SYSTEMD_TLS);

	if (net_is_stream(fd))
		return tcp_add(s, fd, is_tls, err);
	udp_add(s, fd, addr, s->nsockets++);
	return 0;
}

static int open_systemd(struct syslog *s, const struct conf_addr *addr, struct err *err)
{
	int at = 0, fd, rc = 0;

	while (rc >= 0 && (fd = net_systemd_next(addr->path, &at)) >= 0)
		rc = take_socket(s, fd, addr, err);
	if (at == 0)
		return err_set(err, -ENOENT,
			       "no socket was passed for " STR_FMT
			       ": the .socket unit needs FileDescriptorName=" STR_FMT,
			       STR_ARG(addr->text), STR_ARG(addr->path));
	return rc;
}

static int open_address(struct syslog *s, const struct conf_addr *addr, struct err *err)
{
	unsigned n = addr->scheme == CONF_UDP ? s->conf->threads : 1;
	mode_t mode;
	int rc = 0;

	if (addr->scheme & (CONF_SYSTEMD | CONF_SYSTEMD_TLS))
		return open_systemd(s, addr, err);
	for (unsigned i = 0; i < n && rc >= 0; i++) {
		rc = net_listen(addr, n > 1, err);
		if (rc >= 0)
			rc = take_socket(s, rc, addr, err);
	}
	if (rc >= 0 && addr->scheme & (CONF_UNIX | CONF_UNIXGRAM) &&
	    net_mode_parse(s->conf->socket_mode, &mode))
		rc = net_unix_grant(addr, mode, s->conf->socket_owner, err);
	return rc;
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
	for (unsigned pri = 0; pri < ARRAY_LEN(s->of_pri); pri++)
		syslog_pri_attrs(&s->keys, pri, s->of_pri[pri]);
	s->allow = networks(&s->conf->allow);
	s->proxies = networks(&s->conf->proxy_protocol);
	rc = load_zones(s, err);
	for (size_t i = 0; rc >= 0 && i < s->conf->listen.n; i++)
		rc = open_address(s, &s->conf->listen.items[i], err);
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
	for (size_t i = 0; i < s->nzones; i++)
		tz_free(s->zones[i].tz);
	mem_free(s->zones);
	mem_free(s->allow);
	mem_free(s->proxies);
	s->magic = 0;
}

extern const struct input_ops input_syslog;
const struct input_ops input_syslog = {
	.name = "syslog",
	.summary = "messages over UDP, TCP, TLS and Unix sockets, RFC 5424, RFC 3164 and relatives",
	.doc = "The format is recognised per message, the framing per connection. A message that "
	       "cannot be parsed is kept whole, flagged `unparsed` and counted.\n"
	       "\n"
	       "Header fields become structured metadata: `hostname`, `appname`, `procid`, "
	       "`msgid`, `facility`, `severity` (keywords, as in `syslog.conf`), "
	       "`detected_level` (Loki's word for it), `peer` (address of the sender), "
	       "`structured_data`, `sequence` (Cisco), `is_synced: 0` (Cisco: the clock is not "
	       "set). `parse_error` says what is wrong with a message. A time that cannot be "
	       "read is kept as `timestamp`, the length of a message that was cut as "
	       "`full_length`, and a header that the other fields do not tell all of as "
	       "`header`. Stages also see `facility_code`, `severity_code` (numbers) and "
	       "`timestamp` (as sent), which are not sent unless a stage says so.\n"
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
	.doctor = syslog_doctor,
};
