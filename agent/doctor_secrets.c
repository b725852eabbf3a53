/* SPDX-License-Identifier: Apache-2.0 */
/* The doctor on secrets: found by the option tables, so that no plugin has to tell. */
#include <errno.h>

#include "agent/doctor.h"
#include "lib/os.h"
#include "lib/secret.h"

struct hunt {
	struct doctor *d;
	size_t checked, inline_secrets;
};

static void check_secret(struct hunt *h, const char *option, const struct secret *s)
{
	struct buf text = BUF_INIT;
	struct err err = ERR_NONE;
	struct stat st;

	if (!secret_is_set(s))
		return;
	h->checked++;
	h->inline_secrets += s->source == SECRET_INLINE;
	if (s->source == SECRET_FILE && !doctor_readable(h->d, option, s->ref.p))
		return;
	if (secret_read(s, &text, &err) < 0) {
		doctor_say(h->d, DOCTOR_FAIL, option, "%s", err.text);
		doctor_fix(h->d,
			   s->source == SECRET_ENV
				   ? "systemctl edit tailrace, there [Service] EnvironmentFile="
				   : "put the secret into the file");
	} else if (s->source == SECRET_FILE && os->stat(s->ref.p, &st) == 0 && st.st_mode & 0027) {
		doctor_say(h->d, DOCTOR_WARN, option, "%s is open to others (mode %04o)", s->ref.p,
			   (unsigned)st.st_mode & 07777);
		doctor_fix(h->d, "chmod g-w,o= '%s'", s->ref.p);
	}
	secret_wipe(&text);
}

static void hunt_table(struct hunt *h, const struct conf_table *table, const void *conf)
{
	for (size_t i = 0; table && conf && i < table->n; i++) {
		const struct conf_field *f = &table->fields[i];
		const void *at = (const char *)conf + f->offset;
		const struct conf_sections *many = at;

		if (f->type == CONF_T_SECRET)
			check_secret(h, conf_field_key(f), at);
		else if (f->type == CONF_T_SECTION)
			hunt_table(h, f->table, at);
		else if (f->type == CONF_T_SECTIONS || f->type == CONF_T_NAMED)
			for (size_t k = 0; k < many->n; k++)
				hunt_table(h, f->table,
					   (const char *)many->items + k * f->table->size);
	}
}

/* A secret in the configuration itself: then that is the file to close. */
static void check_files(struct doctor *d, const struct config *c)
{
	struct stat st;

	for (size_t i = 0; i < c->files.n; i++) {
		if (os->stat(c->files.items[i].p, &st) < 0 || !(st.st_mode & 0007))
			continue;
		doctor_say(d, DOCTOR_WARN, "inline",
			   "there are secrets in the configuration, and %s can be read by "
			   "everybody",
			   c->files.items[i].p);
		doctor_fix(d, "chmod o= '%s'; better: file:/path in place of the secret",
			   c->files.items[i].p);
	}
}

void doctor_secrets(struct doctor *d, const struct config *c)
{
	struct hunt h = { .d = d };
	size_t before = d->n;

	for (size_t i = 0; i < c->ninputs; i++)
		if (c->inputs[i].is_used)
			hunt_table(&h, c->inputs[i].plugin->conf, c->inputs[i].conf);
	for (size_t i = 0; i < c->noutputs; i++)
		if (c->outputs[i].is_used)
			hunt_table(&h, c->outputs[i].plugin->conf, c->outputs[i].conf);
	for (size_t i = 0; i < c->npipelines; i++)
		for (size_t k = 0; k < c->pipelines[i].conf.stages.n; k++) {
			const struct conf_stage *s = &c->pipelines[i].conf.stages.items[k];

			hunt_table(&h, s->plugin->conf, s->conf);
		}
	if (h.inline_secrets)
		check_files(d, c);
	if (h.checked && d->n == before)
		doctor_say(d, DOCTOR_OK, "files", "%zu can be read, and not by everybody",
			   h.checked);
}
