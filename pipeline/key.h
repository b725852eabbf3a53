/* SPDX-License-Identifier: Apache-2.0 */
/* Names of extracted values and structured metadata as small numbers. Names that the configuration
 * or an input's code mentions are interned once, at load; names that only data mentions (syslog SD
 * parameters, OTLP attributes) travel inline with their value and are never interned, so nothing
 * remote can grow the table. */
#ifndef PIPELINE_KEY_H
#define PIPELINE_KEY_H

#include "lib/str.h"

#define KEY_INLINE UINT16_MAX /* the name stands in front of the value, see attr_name() */
#define KEY_MAX 16384

/* The number of a name, the same for the life of the process. Any thread; takes a lock: load time
 * only. Past KEY_MAX names returns KEY_INLINE (the loader refuses the configuration then). */
uint16_t key_intern(struct str name);
/* Valid for the life of the process. */
struct str key_name(uint16_t key);

#endif
