/* SPDX-License-Identifier: Apache-2.0 */
/* Flags in the two usual spellings; what is not known is named, with the nearest that is. */
#include <errno.h>

#include "agent/cli_args.h"
#include "lib/conf_tree.h"

static const char *nth_flag(const void *flags, size_t i)
{
	return ((const struct cli_flag *)flags)[i].name;
}

static int unknown(const struct cli_command *command, struct str name, struct err *err)
{
	const char *nearest = conf_nearest(name, nth_flag, command->flags);

	if (nearest)
		return err_set(err, -EINVAL, "%s does not know --" STR_FMT " (did you mean --%s?)",
			       command->name, STR_ARG(name), nearest);
	return err_set(err, -EINVAL, "%s does not know --" STR_FMT, command->name, STR_ARG(name));
}

/* argv[*i] begins with "--"; moves *i when the value is the next argument. */
static int parse_flag(const struct cli_command *command, int argc, char **argv, int *i,
		      struct cli_args *ret, struct err *err)
{
	struct str value = str_c(argv[*i] + 2);
	struct str name = str_cut(&value, '=');
	const struct cli_flag *flag = command->flags;
	void *at;

	while (flag->name && !str_is(name, flag->name))
		flag++;
	if (!flag->name)
		return unknown(command, name, err);
	at = (char *)ret + flag->offset;
	if (!flag->value) {
		if (value.p)
			return err_set(err, -EINVAL, "--%s takes no value", flag->name);
		*(bool *)at = true;
		return 0;
	}
	if (!value.p) {
		if (*i + 1 >= argc)
			return err_set(err, -EINVAL, "--%s needs a value: --%s %s", flag->name,
				       flag->name, flag->value);
		value = str_c(argv[++*i]);
	}
	if (value.n == 0)
		return err_set(err, -EINVAL, "--%s needs a value that is not empty", flag->name);
	*(const char **)at = value.p;
	return 0;
}

int cli_parse(const struct cli_command *command, int argc, char **argv, struct cli_args *ret,
	      struct err *err)
{
	bool only_rest = false;
	int rc = 0;

	*ret = (struct cli_args){ 0 };
	for (int i = 0; i < argc && !rc; i++) {
		if (!only_rest && !strcmp(argv[i], "--")) {
			only_rest = true;
		} else if (!only_rest && (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help"))) {
			ret->help = true;
		} else if (!only_rest && !strncmp(argv[i], "--", 2)) {
			rc = parse_flag(command, argc, argv, &i, ret, err);
		} else if (!only_rest && argv[i][0] == '-' && argv[i][1]) {
			rc = err_set(err, -EINVAL, "%s does not know %s (flags have two dashes)",
				     command->name, argv[i]);
		} else if (ret->nrest == command->max_rest) {
			rc = err_set(err, -EINVAL, "%s: what is '%s'?", command->name, argv[i]);
		} else {
			ret->rest[ret->nrest++] = argv[i];
		}
	}
	return rc;
}
