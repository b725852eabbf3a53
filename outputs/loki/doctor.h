/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of this output for `tailrace doctor`. */
#ifndef OUTPUTS_LOKI_DOCTOR_H
#define OUTPUTS_LOKI_DOCTOR_H

#include "lib/doctor.h"

void loki_doctor(struct doctor *d, const char *name, const void *conf);

#endif
