/* SPDX-License-Identifier: Apache-2.0 */
/* The lists that agent/registry.c looks for. */
#include "inputs/input.h"
#include "pipeline/stage.h"

extern const struct input_ops input_test_push;

extern const struct input_ops *const test_inputs[];
extern const struct stage_ops *const test_stages[];
const struct input_ops *const test_inputs[] = { &input_test_push, NULL };
const struct stage_ops *const test_stages[] = { NULL };
