/* SPDX-License-Identifier: Apache-2.0 */
/* The home of libmaxminddb. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/mem.h"
#include "lib/os.h"
#include "pipeline/geo.h"
#include "pipeline/value.h"

#if __has_include(<maxminddb.h>)
#include <maxminddb.h>

#define LIBRARY "libmaxminddb.so.0"

struct geo {
	char *path;
	struct stat file; /* as it was when it was opened, or found to be none */
	MMDB_s db;
	MMDB_entry_s entry;
	bool has_entry;
};

static struct {
	void *handle;
	int (*open)(const char *, uint32_t, MMDB_s *);
	void (*close)(MMDB_s *);
	MMDB_lookup_result_s (*lookup)(const MMDB_s *, const struct sockaddr *, int *);
	int (*get)(MMDB_entry_s *, MMDB_entry_data_s *, const char *const *);
	const char *(*strerror)(int);
} lib;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool load_symbol(const char *name, void *ret, size_t size)
{
	void *at = dlsym(lib.handle, name);

	memcpy(ret, &at, size); /* ISO C has no cast from an object to a function */
	return at != NULL;
}

static int load(struct err *err)
{
	bool is_fine = true;

	if (!lib.handle) {
		lib.handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
		if (!lib.handle)
			return err_set(err, -ENOENT,
				       "needs the library " LIBRARY " (package libmaxminddb0): %s",
				       dlerror());
		is_fine = load_symbol("MMDB_open", &lib.open, sizeof(lib.open)) &&
			  load_symbol("MMDB_close", &lib.close, sizeof(lib.close)) &&
			  load_symbol("MMDB_lookup_sockaddr", &lib.lookup, sizeof(lib.lookup)) &&
			  load_symbol("MMDB_aget_value", &lib.get, sizeof(lib.get)) &&
			  load_symbol("MMDB_strerror", &lib.strerror, sizeof(lib.strerror));
	}
	if (is_fine)
		return 0;
	dlclose(TAKE(lib.handle));
	return err_set(err, -ENOENT, LIBRARY " lacks a function");
}

int geo_open(const char *path, struct geo **ret, struct err *err)
{
	struct geo *g;
	int rc;

	*ret = NULL;
	pthread_mutex_lock(&lock);
	rc = load(err);
	pthread_mutex_unlock(&lock);
	if (rc < 0)
		return rc;
	g = mem_zalloc(sizeof(*g));
	os->stat(path, &g->file); /* before: what changes in between is read again */
	rc = lib.open(path, MMDB_MODE_MMAP, &g->db);
	if (rc != MMDB_SUCCESS) {
		mem_free(g);
		return err_set(err, -EINVAL, "%s: %s", path, lib.strerror(rc));
	}
	g->path = mem_strdup(path);
	*ret = g;
	return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int geo_renew(struct geo **g, struct err *err)
{
	struct geo *newer;
	struct stat file;
	int rc;

	if (os->stat((*g)->path, &file) || is_same_file(&file, &(*g)->file))
		return 0;
	(*g)->file = file;
	rc = geo_open((*g)->path, &newer, err);
	if (rc < 0)
		return rc;
	geo_close(*g);
	*g = newer;
	return 1;
}

void geo_close(struct geo *g)
{
	if (!g)
		return;
	lib.close(&g->db);
	mem_free(g->path);
	mem_free(g);
}

static bool parse_address(struct str text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	char name[INET6_ADDRSTRLEN];

	if (!text.n || text.n >= sizeof(name))
		return false;
	memcpy(name, text.p, text.n);
	name[text.n] = 0;
	memset(ret, 0, sizeof(*ret));
	ret->ss_family = AF_INET;
	if (inet_pton(AF_INET, name, &v4->sin_addr) == 1)
		return true;
	ret->ss_family = AF_INET6;
	return inet_pton(AF_INET6, name, &v6->sin6_addr) == 1;
}

bool geo_find(struct geo *g, struct str address)
{
	struct sockaddr_storage sa;
	MMDB_lookup_result_s found;
	int rc = 0;

	g->has_entry = false;
	if (!parse_address(address, &sa))
		return false;
	found = lib.lookup(&g->db, (struct sockaddr *)&sa, &rc);
	g->entry = found.entry;
	g->has_entry = rc == MMDB_SUCCESS && found.found_entry;
	return g->has_entry;
}

bool geo_get(struct geo *g, const char *const *path, struct buf *out)
{
	MMDB_entry_data_s data;

	if (!g->has_entry || lib.get(&g->entry, &data, path) != MMDB_SUCCESS || !data.has_data)
		return false;
	switch (data.type) {
	case MMDB_DATA_TYPE_UTF8_STRING:
		buf_put(out, data.utf8_string, data.data_size);
		return true;
	case MMDB_DATA_TYPE_DOUBLE:
		value_write_float(out, data.double_value, true);
		return true;
	case MMDB_DATA_TYPE_FLOAT:
		value_write_float(out, (double)data.float_value, true);
		return true;
	case MMDB_DATA_TYPE_UINT16:
		buf_printf(out, "%u", data.uint16);
		return true;
	case MMDB_DATA_TYPE_UINT32:
		buf_printf(out, "%u", data.uint32);
		return true;
	case MMDB_DATA_TYPE_INT32:
		buf_printf(out, "%d", data.int32);
		return true;
	case MMDB_DATA_TYPE_UINT64:
		buf_printf(out, "%llu", (unsigned long long)data.uint64);
		return true;
	case MMDB_DATA_TYPE_BOOLEAN:
		buf_c(out, data.boolean ? "true" : "false");
		return true;
	default:
		return false;
	}
}

#else

struct geo {
	char unused;
};

int geo_open(const char *path, struct geo **ret, struct err *err)
{
	(void)path;
	*ret = NULL;
	return err_set(err, -ENOSYS, "this program was built without libmaxminddb");
}

void geo_close(struct geo *g)
{
	(void)g;
}

int geo_renew(struct geo **g, struct err *err)
{
	(void)g;
	(void)err;
	return 0;
}

bool geo_find(struct geo *g, struct str address)
{
	(void)g;
	(void)address;
	return false;
}

bool geo_get(struct geo *g, const char *const *path, struct buf *out)
{
	(void)g;
	(void)path;
	(void)out;
	return false;
}

#endif
