/* bash.c: the parts of a completion for bash that depend on the options: arms of `case` statements, which completion.bash.in walks
 * through. */
#include "cli.h"

#include <string.h>

/* "'--check'" behind what comes between: `#` and the like mean nothing to the shell in quotes. */
static void quoted(FILE *out, const char *between, const char *name, const char *behind) { fprintf(out, "%s'%s%s'", between, name, behind); }

static void options_of(FILE *out, const Cli *cli, int command) {
    for (const CliOption *o = cli->options; o->name; o++)
        if (cli_takes(o, command)) quoted(out, " ", o->name, o->form == CLI_EQUALS ? "=" : "");
}

void bash_options(FILE *out, const Cli *cli) {
    if (!cli->commands) {
        fputs("    *) words+=(", out);
        options_of(out, cli, 0);
        fputs(" ) ;;\n", out);
        return;
    }
    for (int i = 0; cli->commands[i].name; i++) {
        fprintf(out, "    %s) words+=(", cli->commands[i].name);
        options_of(out, cli, i);
        fputs(" ) ;;\n", out);
    }
}

void bash_values(FILE *out, const Cli *cli) {
    for (const CliOption *o = cli->options; o->name; o++) {
        CliValue value = cli_value(o);
        if (value == CLI_NOTHING || value == CLI_TEXT) continue;
        quoted(out, "    ", o->name, "");
        fputs(value == CLI_FILE ? ") kind='file'" : value == CLI_FOLDER ? ") kind='folder'" : ") words+=(", out);
        for (const char *const *w = o->words; w && *w; w++) quoted(out, " ", *w, "");
        fputs(value == CLI_WORDS ? " ) ;;\n" : " ;;\n", out);
    }
}

/* "    '-o'* | '-O'*)": the options of these forms, with `behind` after each name; where there are none, what no word looks like. */
static void pattern(FILE *out, const Cli *cli, unsigned forms, const char *behind) {
    int n = 0;
    for (const CliOption *o = cli->options; o->name; o++) {
        if (!(forms >> o->form & 1)) continue;
        quoted(out, n++ ? " | " : "    ", o->name, "");
        fputs(behind, out);
    }
    fputs(n ? ")\n" : "    '-=')\n", out);
}

void bash_next(FILE *out, const Cli *cli) {
    pattern(out, cli, 1u << CLI_TIGHT | 1u << CLI_SPACED | 1u << CLI_EITHER | 1u << CLI_MAYBE, "");
}

void bash_equals(FILE *out, const Cli *cli) {
    pattern(out, cli, 1u << CLI_EQUALS | 1u << CLI_EITHER | 1u << CLI_MAYBE, "=*");
}

void bash_joined(FILE *out, const Cli *cli) {
    pattern(out, cli, 1u << CLI_TIGHT | 1u << CLI_SPACED, "*");
}

void bash_plain(FILE *out, const Cli *cli) {
    for (const CliCommand *c = cli->commands; c && c->name; c++)
        if (*c->arg) fprintf(out, "    %s) kind='file' ;;\n", c->name);
    if (cli->commands) {
        fputs("    '') words+=(", out);
        for (const CliCommand *c = cli->commands; c->name; c++) quoted(out, " ", c->name, "");
        fputs(" ) ;;\n", out);
        return;
    }
    fputs("    *) kind='file' suffixes=(", out);
    for (const char *const *s = cli->suffixes; s && *s; s++) quoted(out, " ", *s, "");
    fputs(" ) ;;\n", out);
}
