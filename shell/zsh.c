/* zsh.c: the calls of _arguments that complete a command line in zsh. */
#include "cli.h"

#include <string.h>

/* A text in a quoted argument of _arguments, with a backslash before what is special there; a quote ends the argument and begins it anew. */
static void escaped(FILE *out, const char *s, const char *special) {
    for (; *s; s++) {
        if (*s == '\'') fputs("'\\''", out);
        else fprintf(out, strchr(special, *s) ? "\\%c" : "%c", *s);
    }
}

static void part(FILE *out, const char *s) { escaped(out, s, "[]:\\"); }

static void value(FILE *out, const CliOption *o) {
    switch (cli_value(o)) {
    case CLI_NOTHING: return;
    case CLI_FILE: fputs("_files", out); return;
    case CLI_FOLDER: fputs("_files -/", out); return;
    case CLI_TEXT: putc(' ', out); return;
    case CLI_WORDS: break;
    }
    putc('(', out);
    for (const char *const *w = o->words; *w; w++) {
        if (w != o->words) putc(' ', out);
        part(out, *w);
    }
    putc(')', out);
}

/* How _arguments calls the forms: "+" is "in the same word or the next", "=" that with an equals sign, "=-" the same word only. */
static const char *const form_mark[] = {
    [CLI_FLAG] = "", [CLI_TIGHT] = "+", [CLI_SPACED] = "+", [CLI_EQUALS] = "=-", [CLI_EITHER] = "=", [CLI_MAYBE] = "=",
};

static void option(FILE *out, const CliOption *o) {
    fprintf(out, "'%s%s%s[", o->form == CLI_FLAG ? "" : "*", o->name, form_mark[o->form]);
    part(out, o->doc);
    putc(']', out);
    if (o->arg) {
        fputs(o->form == CLI_MAYBE ? "::" : ":", out);
        part(out, o->arg);
        putc(':', out);
        value(out, o);
    }
    fputs("' \\\n", out);
}

static void options_of(FILE *out, const Cli *cli, int command, const char *indent) {
    for (const CliOption *o = cli->options; o->name; o++) {
        if (!cli_takes(o, command)) continue;
        fprintf(out, "%s    ", indent);
        option(out, o);
    }
}

/* Subcommands: the first word chooses, and what follows is completed by the options of its own. */
static void commands(FILE *out, const Cli *cli) {
    fputs("_arguments -C '1:subcommand:((", out);
    for (const CliCommand *c = cli->commands; c->name; c++) {
        fprintf(out, "%s%s\\:\"", c == cli->commands ? "" : " ", c->name);
        escaped(out, c->doc, "\"$`:\\"); /* the list of choices is evaluated once more */
        putc('"', out);
    }
    fputs("))' '*::argument:->argument'\n[[ $state == argument ]] || return\ncase $words[1] in\n", out);
    for (int i = 0; cli->commands[i].name; i++) {
        fprintf(out, "    %s)\n        _arguments \\\n", cli->commands[i].name);
        options_of(out, cli, i, "        ");
        fprintf(out, "            %s ;;\n", *cli->commands[i].arg ? "'*:file:_files'" : "");
    }
    fputs("esac\n", out);
}

void zsh_arguments(FILE *out, const Cli *cli) {
    if (cli->commands) {
        commands(out, cli);
        return;
    }
    fputs("_arguments \\\n", out);
    options_of(out, cli, 0, "");
    fputs("    '*:file:_files", out);
    for (const char *const *s = cli->suffixes; s && *s; s++) fprintf(out, "%s%s", s == cli->suffixes ? " -g \"*.(" : "|", *s);
    fputs(cli->suffixes ? ")\"'\n" : "'\n", out);
}
