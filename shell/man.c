/* man.c: lists of a manual page, in the macros of man(7). */
#include "cli.h"

#include <string.h>

/* Text as roff reads it: a hyphen that can be copied, a backslash that is one, and no line that looks like a request. */
static void text(FILE *out, const char *s) {
    if (*s == '.' || *s == '\'') fputs("\\&", out);
    for (; *s; s++) {
        if (*s == '-') fputs("\\-", out);
        else if (*s == '\\') fputs("\\e", out);
        else if (*s == '\'') fputs("\\(aq", out);
        else if (*s == '~') fputs("\\(ti", out);
        else if (*s == '^') fputs("\\(ha", out);
        else putc(*s, out);
    }
}

/* "--emit=KIND": the name bold, the argument in italics. */
static void heading(FILE *out, const char *name, const char *join, const char *arg) {
    fputs(".TP\n\\fB", out);
    text(out, name);
    fputs("\\fR", out);
    if (arg && *arg) {
        fprintf(out, "%s\\fI", join);
        text(out, arg);
        fputs("\\fR", out);
    }
    putc('\n', out);
}

/* "(train, test)": who takes the option, where that is not every subcommand. */
static void takers(FILE *out, const Cli *cli, const CliOption *o) {
    int all = 0, taking = 0;
    for (; cli->commands && cli->commands[all].name; all++) taking += cli_takes(o, all);
    if (taking == all) return;
    const char *between = " (";
    for (int i = 0; i < all; i++) {
        if (!cli_takes(o, i)) continue;
        fprintf(out, "%s\\fB%s\\fR", between, cli->commands[i].name);
        between = ", ";
    }
    putc(')', out);
}

void man_options(FILE *out, const Cli *cli) {
    for (const CliOption *o = cli->options; o->name; o++) {
        heading(out, o->name, cli_join(o), o->arg);
        text(out, o->doc);
        takers(out, cli, o);
        putc('\n', out);
    }
}

void man_commands(FILE *out, const Cli *cli) {
    for (const CliCommand *c = cli->commands; c && c->name; c++) {
        heading(out, c->name, " ", c->arg);
        text(out, c->doc);
        putc('\n', out);
    }
}

void man_terms(FILE *out, const CliTerm *terms) {
    for (; terms->name; terms++) {
        heading(out, terms->name, "", NULL);
        text(out, terms->doc);
        putc('\n', out);
    }
}
