/* SPDX-License-Identifier: Apache-2.0 */
/* What shells offer: commands, flags, the values that are known. */
#include "agent/doc_cli.h"

static const char made_by[] =
	"# Generated from the tables of commands and options: edit those, then run\n"
	"# `test_conf_doc --update`.\n";

/* ---- what a value or an operand can be ---- */

enum kind { KIND_NONE, KIND_ANY, KIND_FILE, KIND_WORDS };

/* "text|json" names its values, in lower case; "FILE|DIR" says what to look for. */
static enum kind kind_of(struct str value)
{
	bool is_words = value.n > 0;

	for (size_t i = 0; i < value.n; i++)
		is_words = is_words && ((value.p[i] >= 'a' && value.p[i] <= 'z') ||
					value.p[i] == '|' || value.p[i] == '-');
	if (is_words)
		return KIND_WORDS;
	if (str_find(value, STR("FILE")) < value.n || str_find(value, STR("DIR")) < value.n ||
	    str_find(value, STR(".yaml")) < value.n)
		return KIND_FILE;
	return value.n ? KIND_ANY : KIND_NONE;
}

static void put_words(struct buf *out, struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		buf_ch(out, value.p[i] == '|' ? ' ' : value.p[i]);
}

/* What stands in the first brackets of "[list|set] [FILE]". */
static struct str first_operand(const struct cli_command *command)
{
	struct str rest = str_c(command->operands);

	str_cut(&rest, '[');
	return str_cut(&rest, ']');
}

static void put_topics(struct buf *out, const struct doc_cli *doc)
{
	for (size_t i = 0; i < doc->ncommands; i++)
		buf_printf(out, "%s ", doc->commands[i].name);
	for (size_t i = 0; i < doc->nplugins; i++)
		buf_printf(out, "%s ", doc->plugins[i].name);
	for (size_t i = 0; doc->topics[i]; i++)
		buf_printf(out, "%s%s", i ? " " : "", doc->topics[i]);
}

/* The first operand of a command, as words to choose from. False: files, or nothing known. */
static bool put_choices(struct buf *out, const struct doc_cli *doc,
			const struct cli_command *command)
{
	struct str operand = first_operand(command);

	if (str_is(operand, "NAME"))
		put_topics(out, doc);
	else if (kind_of(operand) == KIND_WORDS)
		put_words(out, operand);
	else
		return false;
	return true;
}

static void put_command_names(struct buf *out, const struct doc_cli *doc)
{
	for (size_t i = 0; i < doc->ncommands; i++)
		buf_printf(out, "%s%s", i ? " " : "", doc->commands[i].name);
}

/* ---- bash ---- */

static void bash_values(struct buf *out, const struct cli_command *command)
{
	for (const struct cli_flag *f = command->flags; f->name; f++) {
		struct str value = str_c(f->value);
		enum kind kind = kind_of(value);

		if (kind == KIND_NONE)
			continue;
		buf_printf(out, "\t%s--%s)\n", command->name, f->name);
		if (kind == KIND_WORDS) {
			buf_c(out, "\t\tCOMPREPLY=($(compgen -W '");
			put_words(out, value);
			buf_c(out, "' -- \"$cur\"))\n");
		} else if (kind == KIND_FILE) {
			buf_c(out, "\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n");
		}
		buf_c(out, "\t\treturn\n\t\t;;\n");
	}
}

static void bash_command(struct buf *out, const struct doc_cli *doc,
			 const struct cli_command *command)
{
	struct buf words = BUF_INIT;

	buf_printf(out, "\t%s)\n\t\tflags='", command->name);
	for (const struct cli_flag *f = command->flags; f->name; f++)
		buf_printf(out, "--%s ", f->name);
	buf_c(out, "--help'\n");
	if (put_choices(&words, doc, command))
		buf_printf(out, "\t\twords='%s'\n", buf_cstr(&words));
	buf_c(out, "\t\t;;\n");
	buf_fini(&words);
}

void doc_completion_bash(struct buf *out, const struct doc_cli *doc)
{
	buf_c(out, made_by);
	buf_c(out, "\n_tailrace()\n{\n"
		   "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
		   "\tlocal flags='' words=''\n\n"
		   "\tCOMPREPLY=()\n\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		   "\t\tCOMPREPLY=($(compgen -W '");
	put_command_names(out, doc);
	buf_c(out, " --help --version' -- \"$cur\"))\n\t\treturn\n\tfi\n"
		   "\tcase ${COMP_WORDS[1]}$prev in\n");
	for (size_t i = 0; i < doc->ncommands; i++)
		bash_values(out, &doc->commands[i]);
	buf_c(out, "\tesac\n\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; i < doc->ncommands; i++)
		bash_command(out, doc, &doc->commands[i]);
	buf_c(out, "\tesac\n\tif [[ $cur == -* ]]; then\n"
		   "\t\tCOMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n"
		   "\telif [ \"$COMP_CWORD\" -eq 2 ] && [ -n \"$words\" ]; then\n"
		   "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
		   "\telse\n\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n\tfi\n}\n"
		   "complete -o filenames -F _tailrace tailrace\n");
}

/* ---- zsh ---- */

/* Inside '...': brackets and colons belong to _arguments, the quote to the shell. */
static void zsh_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'') {
			buf_c(out, "'\\''");
			continue;
		}
		if (*text == '[' || *text == ']' || *text == ':')
			buf_ch(out, '\\');
		buf_ch(out, *text);
	}
}

static void zsh_flag(struct buf *out, const struct cli_flag *f)
{
	struct str value = str_c(f->value);
	enum kind kind = kind_of(value);

	buf_printf(out, " \\\n\t\t\t'--%s%s[", f->name, kind == KIND_NONE ? "" : "=");
	zsh_text(out, f->help);
	buf_ch(out, ']');
	if (kind != KIND_NONE) {
		buf_printf(out, ":%s:", f->value);
		if (kind == KIND_FILE)
			buf_c(out, "_files");
		else if (kind == KIND_WORDS) {
			buf_ch(out, '(');
			put_words(out, value);
			buf_ch(out, ')');
		} else {
			buf_ch(out, ' ');
		}
	}
	buf_ch(out, '\'');
}

static void zsh_command(struct buf *out, const struct doc_cli *doc,
			const struct cli_command *command)
{
	struct buf words = BUF_INIT;

	buf_printf(out, "\t%s)\n\t\t_arguments '(- *)--help[this command]'", command->name);
	for (const struct cli_flag *f = command->flags; f->name; f++)
		zsh_flag(out, f);
	if (put_choices(&words, doc, command))
		buf_printf(out, " \\\n\t\t\t'1:what:(%s)'", buf_cstr(&words));
	if (command->operands[0])
		buf_c(out, " \\\n\t\t\t'*:file:_files'");
	buf_c(out, "\n\t\t;;\n");
	buf_fini(&words);
}

void doc_completion_zsh(struct buf *out, const struct doc_cli *doc)
{
	buf_c(out, "#compdef tailrace\n");
	buf_c(out, made_by);
	buf_c(out, "\n_tailrace() {\n\tlocal -a commands\n\tlocal command\n\n\tcommands=(\n");
	for (size_t i = 0; i < doc->ncommands; i++) {
		buf_printf(out, "\t\t'%s:", doc->commands[i].name);
		zsh_text(out, doc->commands[i].summary);
		buf_c(out, "'\n");
	}
	buf_c(out,
	      "\t)\n\tif ((CURRENT == 2)); then\n\t\t_describe command commands\n\t\treturn\n"
	      "\tfi\n\tcommand=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $command in\n");
	for (size_t i = 0; i < doc->ncommands; i++)
		zsh_command(out, doc, &doc->commands[i]);
	buf_c(out, "\tesac\n}\n\n_tailrace \"$@\"\n");
}

/* ---- fish ---- */

static void fish_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_ch(out, '\\');
		buf_ch(out, *text);
	}
}

static void fish_flag(struct buf *out, const struct cli_command *command, const struct cli_flag *f)
{
	struct str value = str_c(f->value);

	buf_printf(out, "complete -c tailrace -n '__fish_seen_subcommand_from %s' -l %s",
		   command->name, f->name);
	switch (kind_of(value)) {
	case KIND_NONE:
		break;
	case KIND_ANY:
		buf_c(out, " -x");
		break;
	case KIND_FILE:
		buf_c(out, " -r -F");
		break;
	case KIND_WORDS:
		buf_c(out, " -x -a '");
		put_words(out, value);
		buf_ch(out, '\'');
	}
	buf_c(out, " -d '");
	fish_text(out, f->help);
	buf_c(out, "'\n");
}

static void fish_command(struct buf *out, const struct doc_cli *doc,
			 const struct cli_command *command)
{
	struct buf words = BUF_INIT;

	buf_printf(out, "complete -c tailrace -f -n __fish_use_subcommand -a %s -d '",
		   command->name);
	fish_text(out, command->summary);
	buf_c(out, "'\n");
	if (put_choices(&words, doc, command))
		buf_printf(out,
			   "complete -c tailrace -f -n '__fish_seen_subcommand_from %s' -a '%s'\n",
			   command->name, buf_cstr(&words));
	buf_fini(&words);
	for (const struct cli_flag *f = command->flags; f->name; f++)
		fish_flag(out, command, f);
}

void doc_completion_fish(struct buf *out, const struct doc_cli *doc)
{
	buf_c(out, made_by);
	for (size_t i = 0; i < doc->ncommands; i++)
		fish_command(out, doc, &doc->commands[i]);
}
