/* SPDX-License-Identifier: Apache-2.0 */
/* The table of interned names: append-only, so readers need no lock. */
#include <pthread.h>

#include "lib/check.h"
#include "lib/mem.h"
#include "pipeline/key.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct str names[KEY_MAX];
static unsigned nnames;

uint16_t key_intern(struct str name)
{
	unsigned i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < nnames && !str_eq(names[i], name); i++)
		;
	if (i == KEY_MAX) {
		i = KEY_INLINE;
	} else if (i == nnames) {
		names[i] = str_make(mem_dup(name.p, name.n), name.n);
		nnames++;
	}
	pthread_mutex_unlock(&lock);
	return (uint16_t)i;
}

struct str key_name(uint16_t key)
{
	CHECK(key < KEY_MAX && names[key].p);
	return names[key];
}
