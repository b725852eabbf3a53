/* SPDX-License-Identifier: Apache-2.0 */
/* What level a log line says it has. Pure; looks at the line's head only. The names are those that
 * Loki's own detection writes (pkg/distributor/field_detection.go), and its spellings are a subset
 * of what is understood here. */
#ifndef PIPELINE_LEVEL_H
#define PIPELINE_LEVEL_H

#include "lib/str.h"

enum level {
	LEVEL_UNKNOWN,
	LEVEL_TRACE,
	LEVEL_DEBUG,
	LEVEL_INFO,
	LEVEL_WARN,
	LEVEL_ERROR,
	LEVEL_CRITICAL,
	LEVEL_FATAL,
};

#define LEVEL_HEAD_BYTES 1024 /* of a line that are looked at */

/* "warn", in static memory. */
struct str level_name(enum level level);

/* A value that is a level by its place: a word in any case ("WARNING", "wrn", "W"), a syslog
 * severity (0 to 7) or a number of the bunyan and pino kind (10 to 60). */
enum level level_of_value(struct str value);

/* RFC 5424 severity; anything above 7 is unknown. */
enum level level_of_severity(unsigned severity);

/* By, in this order: a field of a JSON object or a key=value pair (level, severity and their
 * likes); klog's first letter; "<3>" in front, as systemd takes it; a word in brackets; `severity`
 * (of the record, from syslog); a word by itself: in upper case, at the beginning, or with a colon. */
enum level level_of_line(struct str line, unsigned severity);

#endif
