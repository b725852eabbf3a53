/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of this input for `tailrace doctor`. */
#ifndef INPUTS_FILE_DOCTOR_H
#define INPUTS_FILE_DOCTOR_H

#include "inputs/file/file.h"
#include "lib/doctor.h"

void file_doctor(struct doctor *d, const char *name, const void *conf);

#endif
