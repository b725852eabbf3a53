/* SPDX-License-Identifier: Apache-2.0 */
/* The parsers of syslog once more, built without their short cuts (SYSLOG_PLAIN, span.h) and under
 * names of their own, so that a fuzz target can compare. Included in front of everything there. */
#ifndef TESTS_FUZZ_SYSLOG_PLAIN_H
#define TESTS_FUZZ_SYSLOG_PLAIN_H

#define syslog_parser_init plain_syslog_parser_init
#define syslog_parser_zone plain_syslog_parser_zone
#define syslog_parse plain_syslog_parse
#define syslog_header_text plain_syslog_header_text
#define syslog_severity_name plain_syslog_severity_name
#define syslog_facility_name plain_syslog_facility_name
#define syslog_format_name plain_syslog_format_name
#define syslog_level_name plain_syslog_level_name
#define syslog_flag_name plain_syslog_flag_name
#define syslog_sd_init plain_syslog_sd_init
#define syslog_sd_next plain_syslog_sd_next
#define syslog_header_5424 plain_syslog_header_5424
#define syslog_header_3164 plain_syslog_header_3164
#define syslog_take_time plain_syslog_take_time
#define syslog_cisco plain_syslog_cisco
#define syslog_cisco_tail plain_syslog_cisco_tail
#define syslog_body plain_syslog_body
#define word_span plain_word_span
#define word_host plain_word_host
#define word_is_address plain_word_is_address
#define word_tag plain_word_tag
#define word_host_and_tag plain_word_host_and_tag
#define word_is_mnemonic plain_word_is_mnemonic
#define word_is_event_format plain_word_is_event_format
#define word_level plain_word_level
#define scan_clock plain_scan_clock
#define scan_fraction plain_scan_fraction
#define scan_zone plain_scan_zone
#define stamp_form plain_stamp_form
#define stamp_tail plain_stamp_tail
#define stamp_iso plain_stamp_iso
#define stamp_bsd plain_stamp_bsd
#define stamp_any plain_stamp_any
#define stamp_zone plain_stamp_zone
#define stamp_day plain_stamp_day
#define framer_init plain_framer_init
#define frame_next plain_frame_next
#define frame_end plain_frame_end
#define frame_datagram plain_frame_datagram

#endif
