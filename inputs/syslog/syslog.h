/* SPDX-License-Identifier: Apache-2.0 */
/* The syslog input's own types. Private to this folder.
 *
 *	syslog.c   options, life of the instance
 *	record.c   one message becomes one record
 *	udp.c      datagram sockets, each with a receiving thread
 *	stream.h   stream sockets and their connections, on the I/O thread
 *	message.h, frame.h   the parsers, which do no I/O
 */
#ifndef INPUTS_SYSLOG_SYSLOG_H
#define INPUTS_SYSLOG_SYSLOG_H

#include "inputs/input.h"
#include "inputs/syslog/frame.h"
#include "inputs/syslog/message.h"
#include "lib/cidr.h"
#include "lib/tls.h"
#include "lib/tz.h"

#define SYSLOG_LINGER_NS (5 * INT64_C(1000000)) /* a batch waits this long for company */
#define SYSLOG_READ_MIN ((size_t)2048)
#define SYSLOG_READ_MAX ((size_t)64 * 1024)
/* Arena asked for per byte of text: messages of 70 bytes with their record and attributes fit, so
 * that a batch rarely needs a second chunk. */
#define SYSLOG_ROOM_PER_BYTE 4

enum syslog_line { SYSLOG_LINE_MESSAGE, SYSLOG_LINE_RAW };
/* What metadata tells about the sender. */
enum { SYSLOG_META_ADDRESS = 1, SYSLOG_META_CREDENTIALS = 2, SYSLOG_META_CERTIFICATE = 4 };
enum syslog_sd_mode { SYSLOG_SD_KEEP, SYSLOG_SD_EXPAND, SYSLOG_SD_DROP };

struct syslog_conf {
	struct conf_addrs listen;
	size_t max_message;
	unsigned framing;         /* enum frame_mode */
	unsigned line;            /* enum syslog_line */
	unsigned structured_data; /* enum syslog_sd_mode */
	bool use_incoming_timestamp;
	struct str timezone;
	struct conf_map timezones; /* network -> zone */
	int64_t idle_timeout_ns;
	int64_t message_timeout_ns, handshake_timeout_ns;
	unsigned max_connections, max_peer_connections;
	size_t max_peer_bytes;
	double peer_rate; /* 0: any */
	unsigned peer_ipv6_bits;
	struct conf_list allow, proxy_protocol;
	struct tls_conf tls;
	struct str socket_mode, socket_owner;
	uint32_t metadata;
	unsigned threads;
	size_t receive_buffer;
	struct conf_map labels;
};

/* Numbers of the metadata names. */
struct syslog_keys {
	uint16_t hostname, appname, procid, msgid, facility, severity;
	uint16_t peer, peer_name, peer_pid, peer_uid, peer_gid;
	uint16_t structured_data, timestamp, sequence, full_length;
	uint16_t detected_level, facility_code, severity_code, is_synced, header, parse_error;
};

#define SYSLOG_PRI_ATTRS 5
void syslog_pri_attrs(const struct syslog_keys *k, unsigned pri, struct attr ret[SYSLOG_PRI_ATTRS]);

/* Senders of a network have their clocks set to a zone. */
struct syslog_zone {
	struct cidr network;
	struct tz *tz;
};

struct syslog {
	unsigned magic;
	struct input *input;
	const struct syslog_conf *conf;
	struct syslog_keys keys;
	struct attr of_pri[192][SYSLOG_PRI_ATTRS]; /* what every message with that PRI has */
	struct tz *tz;
	struct syslog_zone *zones;
	size_t nzones;
	size_t max_message;           /* the option, as far as a batch has room for it */
	struct cidr *allow, *proxies; /* the options, parsed */
	uint64_t nsockets;
	struct udp *udp; /* chained; one per datagram socket */
	struct tcp *tcp; /* all stream sockets; NULL without any */
};
#define SYSLOG_MAGIC 0x5751061u

/* Who sent a message, as text for metadata; what is empty is left out. Must live as long as the batch. */
struct syslog_peer {
	struct str address, name, pid, uid, gid;
};

/* How messages become records; one per connection or socket, used by one thread. */
struct syslog_scribe {
	const struct syslog *syslog;
	struct syslog_parser parser;
	int64_t now_ns;
	uint64_t
		problems[SYSLOG_FLAGS]; /* by flag; these and the next are not yet in the metrics */
	uint64_t cut, partial, empty;
};

void syslog_scribe_init(struct syslog_scribe *w, const struct syslog *s);
/* Reads the clock, once per read: the time of the records that follow. */
void syslog_scribe_now(struct syslog_scribe *w);
/* Who sends what follows: its times without a zone are in that of its network. */
void syslog_scribe_peer(struct syslog_scribe *w, const struct cidr_addr *addr);
/* Adds the message (in b's arena, or living longer) to b. An empty message is only counted. */
void syslog_scribe_add(struct syslog_scribe *w, struct batch *b, const struct frame *f,
		       const struct syslog_peer *peer);
/* Moves the counts to the input's metrics; once per batch. */
void syslog_scribe_count(struct syslog_scribe *w);

/* Takes over the descriptor of a bound datagram socket. */
void udp_add(struct syslog *s, int fd, const struct conf_addr *addr, uint64_t index);
void udp_start(struct syslog *s);
/* Ends the threads; what the sockets still hold is received first. */
void udp_stop(struct syslog *s);
void udp_close(struct syslog *s);

/* Takes over the descriptor of a listening stream socket, also when it fails. */
int tcp_add(struct syslog *s, int fd, bool is_tls, struct err *err);
void tcp_start(struct syslog *s);
void tcp_resume(struct syslog *s);
void tcp_stop(struct syslog *s);
bool tcp_is_idle(const struct syslog *s);
void tcp_close(struct syslog *s);

/* As input_ops.doctor. */
void syslog_doctor(struct doctor *d, const char *name, const void *conf);

#endif
