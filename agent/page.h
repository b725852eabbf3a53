/* SPDX-License-Identifier: Apache-2.0 */
/* page.html as it is in the program; made by cmake/embed.cmake. */
#ifndef AGENT_PAGE_H
#define AGENT_PAGE_H

#include <stddef.h>

extern const char page_html[];
extern const size_t page_html_bytes;

#endif
