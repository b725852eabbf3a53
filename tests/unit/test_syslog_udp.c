/* SPDX-License-Identifier: Apache-2.0 */
/* The syslog input's records and options, over datagrams; and that each datagram is a record or
 * counted, whatever is full. */
#include <sys/un.h>

#include "tests/unit/syslog_rig.h"

#define SENT_AT "2026-01-14T22:14:15Z"

static void udp_messages(void)
{
	struct rig *g = rig_new("udp", 1 << 20);
	char big[5000];
	int fd;

	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	put(g, fd, STR("<165>1 " SENT_AT " h a 7 ID47 [x a=\"1\"] five"));
	put(g, fd, STR("<38>Jan 14 22:14:15 web01 sshd[12]: three\n"));
	put(g, fd, STR("no header"));
	put(g, fd, STR("<13>1 2026-02-30T00:00:00Z h a p m - bad time"));
	send(fd, "", 0, 0);
	put(g, fd, STR("\n"));
	put(g, fd, STR("<189>29: *Mar  1 18:48:50: %SYS-5-X: cisco"));
	expect(g, "five {hostname=h,appname=a,procid=7,msgid=ID47,facility=local4,severity=notice,"
		  "detected_level=info,structured_data=[x a=\"1\"],}\n"
		  "three {hostname=web01,appname=sshd,procid=12,facility=auth,severity=info,"
		  "detected_level=info,}\n"
		  "no header {parse_error=no_pri,} unparsed\n"
		  "bad time {hostname=h,appname=a,procid=p,msgid=m," HEAD
		  "timestamp=2026-02-30T00:00:00Z,parse_error=bad_time,}\n"
		  "cisco {appname=%SYS-5-X,facility=local7,severity=notice,detected_level=info,"
		  "sequence=29,is_synced=0,}\n");
	EQ_INT(dropped(g, "empty"), 2);
	EQ_INT(counted(g, METRIC_INPUT_FLAGGED, "no_pri"), 1);
	EQ_INT(counted(g, METRIC_INPUT_FLAGGED, "bad_time"), 1);

	memset(big, 'x', sizeof(big));
	memcpy(big, "<13>", 4);
	clear_text(g);
	put(g, fd, str_make(big, sizeof(big)));
	UNTIL(g, text_bytes(g) > 4000);
	OK(str_ends(buf_as_str(&g->text), STR("x {" HEAD "full_length=5000,} cut\n")));
	EQ_INT(g->text.n, 4092 + strlen(" {" HEAD "full_length=5000,} cut\n"));
	close(fd);
	rig_end(g);
}

/* Sockets of the kernel that are bound to the port. */
static int sockets_at(unsigned port)
{
	char line[256], want[8];
	FILE *f = fopen("/proc/net/udp", "r");
	int n = 0;

	OK(f != NULL);
	snprintf(want, sizeof(want), ":%04X ", port);
	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, want);

		n += at && at - line < 20; /* the local address, not the remote one */
	}
	if (f)
		fclose(f);
	return n;
}

/* Many senders to several sockets of one address: each datagram once. */
static void several_sockets(void)
{
	enum { SOCKETS = 4, SENDERS = 32, EACH = 20 };
	struct rig *g = rig_new("sockets", 64 << 20);
	char text[32], want[48];
	int fds[SENDERS];

	g->conf.threads = SOCKETS;
	rig_start(g);
	EQ_INT(sockets_at(g->port), SOCKETS);
	for (int i = 0; i < SENDERS; i++)
		fds[i] = sender(g, SOCK_DGRAM);
	for (int i = 0; i < SENDERS * EACH; i++) {
		int n = snprintf(text, sizeof(text), "<13>m%d.", i);

		put(g, fds[i % SENDERS], str_make(text, (size_t)n));
	}
	UNTIL(g, metric_value(g->flow->in) == SENDERS * EACH);
	UNTIL(g, metric_value(g->flow->held) == 0);
	pthread_mutex_lock(&g->lock);
	for (int i = 0; i < SENDERS * EACH; i++) {
		snprintf(want, sizeof(want), "m%d. {", i);
		OK(str_find(buf_as_str(&g->text), str_c(want)) < g->text.n);
	}
	pthread_mutex_unlock(&g->lock);
	for (int i = 0; i < SENDERS; i++)
		close(fds[i]);
	rig_end(g);
}

static void options(void)
{
	struct rig *g = rig_new("options", 1 << 20);
	int fd;

	g->conf.use_incoming_timestamp = true;
	g->conf.structured_data = SYSLOG_SD_EXPAND;
	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	put(g, fd, STR("<13>1 2020-01-01T00:00:01Z h a p m [x@1 k=\"q\\\"\"][bare] five"));
	put(g, fd, STR("<13>1 2020-02-30T00:00:00Z - - - - - bad"));
	put(g, fd, STR("<13>no time"));
	expect(g, "five {hostname=h,appname=a,procid=p,msgid=m," HEAD
		  "sd_x@1_k=q\",sd_bare=,} @1577836801\n"
		  "bad {" HEAD "timestamp=2020-02-30T00:00:00Z,parse_error=bad_time,} guessed\n"
		  "no time {" HEAD "}\n");
	close(fd);
	rig_end(g);

	g = rig_new("raw", 1 << 20);
	g->conf.use_incoming_timestamp = true;
	g->conf.line = SYSLOG_LINE_RAW;
	g->conf.structured_data = SYSLOG_SD_DROP;
	g->conf.timezone = STR("Etc/GMT-2"); /* two hours east */
	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	put(g, fd, STR("<13>1 - - - - - [x] five\n"));
	put(g, fd, STR("<13>Jan 01 2020 02:00:01 h a: three"));
	expect(g,
	       "<13>1 - - - - - [x] five {" HEAD "}\n"
	       "<13>Jan 01 2020 02:00:01 h a: three {hostname=h,appname=a," HEAD "} @1577836801\n");
	close(fd);
	rig_end(g);
}

/* Times without a zone are in that of the sender's network, the smallest; a clock that is not set is
 * not believed when it is far off; what fields do not tell of a header is kept. */
static void zones_and_oddities(void)
{
	static struct conf_pair pairs[] = {
		{ { "127.0.0.0/8", 11 }, { "Etc/GMT-2", 9 } },
		{ { "127.0.0.1", 9 }, { "Etc/GMT-3", 9 } },
		{ { "127.0.0.0/16", 12 }, { "Etc/GMT-4", 9 } },
	};
	struct rig *g = rig_new("zones", 1 << 20);
	int fd;

	g->conf.use_incoming_timestamp = true;
	g->conf.timezones = (struct conf_map){ ARRAY_LEN(pairs), pairs };
	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	put(g, fd, STR("<13>Jan 01 2020 03:00:01 h a: zone"));
	put(g, fd, STR("<13>Jan 01 2020 03:00:01 CET h a: its own zone"));
	put(g, fd, STR("<13>*Jan 01 2020 03:00:01: %SYS-5-X: not set"));
	put(g, fd, STR("<192>Jan 01 2020 03:00:01 h a: no such PRI"));
	expect(g, "zone {hostname=h,appname=a," HEAD "} @1577836801\n"
		  "its own zone {hostname=h,appname=a," HEAD "} @1577844001\n"
		  "not set {appname=%SYS-5-X," HEAD
		  "is_synced=0,timestamp=Jan 01 2020 03:00:01,parse_error=bad_time,} guessed\n"
		  "no such PRI {hostname=h,appname=a,header=<192>Jan 01 2020 03:00:01 h a: ,"
		  "parse_error=bad_pri,} unparsed @1577836801\n");
	close(fd);
	rig_end(g);
}

/* Nothing is settled and credit runs out: each datagram is a record or counted as dropped. */
static void udp_without_credit(void)
{
	struct rig *g = rig_new("no-credit", 1 << 20);
	int64_t sent = 0;
	char text[300];
	int fd;

	g->holds = true;
	rig_start(g);
	fd = sender(g, SOCK_DGRAM);
	memset(text, 'x', sizeof(text));
	memcpy(text, "<13>", 4);
	while (sent < 20000 || (dropped(g, "no_credit") == 0 && sent < 5000000)) {
		put(g, fd, str_make(text, sizeof(text)));
		if (++sent % 100 == 0)
			loop_once(g->loop, 0);
	}
	UNTIL(g,
	      metric_value(g->flow->in) + dropped(g, "no_credit") + dropped(g, "kernel") >= sent);
	OK(dropped(g, "no_credit") > 0);
	EQ_INT(metric_value(g->flow->in) + dropped(g, "no_credit") + dropped(g, "kernel"), sent);
	/* Credit is back: datagrams are taken again. */
	release(g);
	UNTIL(g, metric_value(g->flow->held) == 0);
	clear_text(g);
	put(g, fd, STR("<13>again"));
	expect(g, "again {" HEAD "}\n");
	close(fd);
	rig_end(g);
}

/* More than the socket's buffer holds while nobody receives: the kernel's drops are counted to the
 * datagram, also those behind the last one that was received. */
static void udp_kernel_drops(void)
{
	enum { SENT = 5000 };
	struct rig *g = rig_new("kernel", 16 << 20);
	int fd;

	g->conf.receive_buffer = 64 << 10;
	rig_open(g);
	fd = sender(g, SOCK_DGRAM);
	for (int i = 0; i < SENT; i++)
		OK(send(fd, "<13>x", 5, 0) == 5);
	input_syslog.start(&g->input);
	UNTIL(g, metric_value(g->flow->delivered) + dropped(g, "kernel") == SENT);
	OK(dropped(g, "kernel") > 0 && metric_value(g->flow->delivered) > 0);
	close(fd);
	rig_end(g);
}

/* Even when the receiving thread had no turn yet. */
static void stop_at_once(void)
{
	struct rig *g = rig_new("at-once", 4 << 20);
	int fd;

	rig_open(g);
	fd = sender(g, SOCK_DGRAM);
	for (int i = 0; i < 500; i++)
		OK(send(fd, "<13>datagram", 12, 0) == 12);
	input_syslog.start(&g->input);
	input_syslog.stop(&g->input);
	EQ_INT(metric_value(g->flow->in), 500);
	for (uint32_t i = 0; i < nlanes; i++)
		lane_stop(g->lanes[i]);
	input_syslog.close(&g->input);
	close(fd);
	rig_free(g);
}

static void unix_sockets(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct rig *g = rig_new("unix", 1 << 20);
	char dir[] = "/tmp/test_syslog_XXXXXX", paths[2][64];
	int fd;

	OK(mkdtemp(dir) != NULL);
	for (int i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%d", dir, i);
		g->addrs[i] = (struct conf_addr){ .scheme = i ? CONF_UNIX : CONF_UNIXGRAM,
						  .path = str_c(paths[i]),
						  .text = str_c(paths[i]) };
	}
	rig_start(g);
	for (int i = 0; i < 2; i++) {
		fd = socket(AF_UNIX, i ? SOCK_STREAM : SOCK_DGRAM, 0);
		snprintf(at.sun_path, sizeof(at.sun_path), "%s/%d", dir, i);
		OK(connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
		clear_text(g);
		put(g, fd, STR("<13>Jan 14 22:14:15 app[7]: local"));
		close(fd);
		expect(g, i ? "local {appname=app,procid=7," HEAD "} partial\n"
			    : "local {appname=app,procid=7," HEAD "}\n");
	}
	rig_end(g);
	unlink(paths[0]);
	unlink(paths[1]);
	rmdir(dir);
}

int main(void)
{
	for (nlanes = 1; nlanes <= 2; nlanes++) {
		RUN(udp_messages);
		RUN(several_sockets);
		RUN(options);
		RUN(zones_and_oddities);
		RUN(udp_without_credit);
		RUN(udp_kernel_drops);
		RUN(stop_at_once);
		RUN(unix_sockets);
	}
	return test_end();
}
