/* SPDX-License-Identifier: Apache-2.0 */
/* Path patterns: the language of doublestar, which Promtail users know (promtail.md 9.8).
 *	*  any bytes but '/'        ?  one character        [a-z] [^a] [!a]  one of a class
 *	{a,b}  alternatives, nested and across '/'          **  as a whole element: any directories
 *	\x  the character x
 * Names that begin with a dot match. Pure: nothing here looks at the file system, see walk.h. */
#ifndef INPUTS_FILE_GLOB_H
#define INPUTS_FILE_GLOB_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

#define GLOB_BYTES_MAX 4096       /* of a pattern */
#define GLOB_ALTERNATIVES_MAX 256 /* after {} is written out */
#define GLOB_ELEMS_MAX 60         /* between slashes; walk.c keeps a set of them in 64 bits */

enum glob_kind {
	GLOB_NAME,    /* exactly this name; text is without escapes */
	GLOB_PATTERN, /* * ? [] in it */
	GLOB_DIRS,    /* ** */
};

struct glob_elem {
	enum glob_kind kind;
	struct str text;
};

/* One way to choose the alternatives, as the elements of an absolute path. */
struct glob_path {
	size_t n;
	struct glob_elem *elems;
};

/* Owns everything in it. */
struct glob {
	struct str text; /* absolute, as written otherwise: the name of a file that is called so */
	size_t n;
	struct glob_path *paths;
	char *memory;
};

/* base: the absolute directory, taken literally, that a relative pattern starts from. "." and empty
 * elements vanish, ".." takes away the plain name before it. On error g is empty. */
int glob_init(struct glob *g, struct str pattern, struct str base, struct err *err);
void glob_fini(struct glob *g);

/* path: absolute, without "." and "..". */
bool glob_match(const struct glob *g, struct str path);
/* Appends the directory that the path begins in: everything before its first pattern, or before its
 * last name. */
void glob_root(const struct glob_path *path, struct buf *out);
bool glob_elem_match(const struct glob_elem *e, struct str name);

#endif
