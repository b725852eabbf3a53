/* SPDX-License-Identifier: Apache-2.0 */
/* Names of labels and metadata as Loki stores them (prometheus/otlptranslator, LabelNamer). */
#ifndef PIPELINE_LOKI_NAME_H
#define PIPELINE_LOKI_NAME_H

#include "pipeline/labels.h"

#define LOKI_NAME_ROOM (LABEL_NAME_MAX + 8)

/* What is no letter or digit is an underscore, several of them are one, a digit at the front gets `key_`
 * before it; `__x__` keeps its ends. What Loki cannot store becomes `key`. Returns name itself when it is
 * that already; else writes to out (LOKI_NAME_ROOM bytes). */
struct str loki_name(struct str name, char *out);
/* It is that already. */
bool loki_name_is_fine(struct str name);

#endif
