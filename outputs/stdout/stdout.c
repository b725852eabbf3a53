/* SPDX-License-Identifier: Apache-2.0 */
/* Output to the terminal, a pipe or a file descriptor that the shell has redirected. A terminal that
 * does not read must not stop anything: writes are made only when they cannot block, and with the
 * default `when_full: drop` what does not fit is counted. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/os.h"
#include "outputs/output.h"
#include "outputs/render.h"

#define RETRY_NS (10 * NS_PER_MS)
#define STUCK_BYTES 4096 /* PIPE_BUF: what a pipe or terminal that polls writable takes */

enum { FORMAT_TEXT, FORMAT_JSON };
enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

struct stdout_conf {
	unsigned format, color;
};

static const struct conf_enum formats[] = {
	{ "text", FORMAT_TEXT, "a line for people: time, labels, line, metadata" },
	{ "json", FORMAT_JSON, "one JSON object a line: time, labels, line, metadata" },
	{ 0 }
};
static const struct conf_enum colors[] = { { "auto", COLOR_AUTO,
					     "on a terminal, unless `NO_COLOR` is set" },
					   { "always", COLOR_ALWAYS, NULL },
					   { "never", COLOR_NEVER, NULL },
					   { 0 } };
static const struct conf_field stdout_fields[] = {
	CONF_ENUM(struct stdout_conf, format, "text", formats, "How a record is written."),
	CONF_ENUM(struct stdout_conf, color, "auto", colors, "Text colored by level."),
};
static const struct conf_table stdout_table = CONF_TABLE(struct stdout_conf, stdout_fields);

struct item {
	struct item *next;
	struct block *block;
};

struct stdout_state {
	bool has_color, is_regular, is_closed;
	struct item *first, *last; /* blocks not written yet */
	size_t written;            /* bytes of the first */
	struct timer retry;
	struct output *out;
};

static int stdout_open(struct output *out, struct err *err)
{
	const struct stdout_conf *conf = out->conf;
	struct stdout_state *s = out->state;
	struct stat st;

	(void)err;
	s->out = out;
	s->has_color = conf->color == COLOR_ALWAYS ||
		       (conf->color == COLOR_AUTO && isatty(STDOUT_FILENO) && !getenv("NO_COLOR"));
	s->is_regular = os->fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode);
	return 0;
}

static struct block *stdout_encode(struct output *out, const struct batch *b, struct arena *scratch)
{
	const struct stdout_conf *conf = out->conf;
	const struct stdout_state *s = out->state;

	(void)scratch;
	return render_block(b, conf->format == FORMAT_JSON, s->has_color);
}

static struct block *pop(struct stdout_state *s)
{
	struct item *item = s->first;
	struct block *block = item->block;

	s->first = item->next;
	if (!s->first)
		s->last = NULL;
	s->written = 0;
	mem_free(item);
	return block;
}

static void drop_all(struct stdout_state *s, const char *reason)
{
	while (s->first) {
		struct block *block = pop(s);

		flow_dropped(block->flow, reason, block->nrecs);
		block_end(block, 1);
	}
}

/* Writes one piece of the first block. False when it would block or the descriptor is gone. */
static bool write_some(struct stdout_state *s)
{
	struct pollfd fd = { STDOUT_FILENO, POLLOUT, 0 };
	struct block *block = s->first->block;
	size_t left = block->nbytes - s->written;
	ssize_t n;

	if (!s->is_regular) {
		if (poll(&fd, 1, 0) != 1 || !(fd.revents & (POLLOUT | POLLERR | POLLHUP)))
			return false;
		left = left < STUCK_BYTES ? left : STUCK_BYTES;
	}
	n = os->write(STDOUT_FILENO, block->bytes + s->written, left);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	if (n < 0) {
		s->is_closed = true;
		log_error("cannot write to stdout; its records are dropped and counted",
			  KV_S("output", s->out->name), KV_ERRNO(errno));
		drop_all(s, "closed");
		return false;
	}
	s->written += (size_t)n;
	if (s->written == block->nbytes) {
		block = pop(s);
		flow_delivered(block->flow, block->nrecs);
		block_end(block, 1);
	}
	return true;
}

static void on_retry(struct timer *t);

static void write_all(struct stdout_state *s)
{
	while (s->first && write_some(s))
		;
	if (s->first && !s->retry.slot)
		loop_timer_in(s->out->loop, &s->retry, RETRY_NS, on_retry);
}

static void on_retry(struct timer *t)
{
	write_all(container_of(t, struct stdout_state, retry));
}

static void stdout_deliver(struct output *out, struct block *b)
{
	struct stdout_state *s = out->state;
	struct item *item;

	if (s->is_closed) {
		flow_dropped(b->flow, "closed", b->nrecs);
		block_end(b, 1);
		return;
	}
	item = mem_zalloc(sizeof(*item));
	item->block = b;
	if (s->last)
		s->last->next = item;
	else
		s->first = item;
	s->last = item;
	if (!s->retry.slot)
		write_all(s);
}

static void stdout_stop(struct output *out)
{
	struct stdout_state *s = out->state;

	write_all(s);
	loop_timer_del(out->loop, &s->retry);
	while (s->first) {
		struct block *block = pop(s);

		block_left(block, block->nrecs);
		block_abandon_end(block, 1);
	}
}

extern const struct output_ops output_stdout;
const struct output_ops output_stdout = {
	.name = "stdout",
	.summary = "writes records to standard output, as text or JSON lines",
	.conf = &stdout_table,
	.state_size = sizeof(struct stdout_state),
	.is_blocking_by_default = false,
	.open = stdout_open,
	.encode = stdout_encode,
	.deliver = stdout_deliver,
	.stop = stdout_stop,
};
