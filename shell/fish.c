/* fish.c: the calls of `complete` that complete a command line in fish. */
#include "cli.h"

#include <string.h>

/* 'text', in which fish takes only \ and ' as special. */
static void quoted(FILE *out, const char *text) {
    putc('\'', out);
    cli_escape(out, text, "\\'");
    putc('\'', out);
}

/* -l for --emit, -s for -D, -o for -march: fish tells long, short and old options apart. */
static void name(FILE *out, const char *option) {
    bool is_long = option[1] == '-';
    fprintf(out, is_long ? " -l " : strlen(option) == 2 ? " -s " : " -o ");
    quoted(out, option + (is_long ? 2 : 1));
}

static void value(FILE *out, const CliOption *o) {
    switch (cli_value(o)) {
    case CLI_NOTHING: return;
    case CLI_FILE: fputs(o->form == CLI_MAYBE ? " -F" : " -r -F", out); return;
    case CLI_FOLDER: fputs(" -x -a '(__fish_complete_directories)'", out); return;
    case CLI_TEXT: fputs(" -x", out); return;
    case CLI_WORDS: break;
    }
    fputs(" -x -a '", out);
    for (const char *const *w = o->words; *w; w++) {
        if (w != o->words) putc(' ', out);
        cli_escape(out, *w, "\\'");
    }
    putc('\'', out);
}

/* -n '__fish_seen_subcommand_from train test': where the option is one. */
static void condition(FILE *out, const Cli *cli, const CliOption *o) {
    if (!cli->commands) return;
    fputs(" -n '__fish_seen_subcommand_from", out);
    for (int i = 0; cli->commands[i].name; i++)
        if (cli_takes(o, i)) fprintf(out, " %s", cli->commands[i].name);
    putc('\'', out);
}

void fish_completions(FILE *out, const Cli *cli) {
    fprintf(out, "complete -c %s -f\n", cli->program);
    for (const CliCommand *c = cli->commands; c && c->name; c++) {
        fprintf(out, "complete -c %s -n __fish_use_subcommand -a %s -d ", cli->program, c->name);
        quoted(out, c->doc);
        putc('\n', out);
        if (*c->arg) fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %s' -F\n", cli->program, c->name);
    }
    for (const char *const *s = cli->suffixes; s && *s; s++) fprintf(out, "complete -c %s -k -a '(__fish_complete_suffix .%s)'\n", cli->program, *s);
    for (const CliOption *o = cli->options; o->name; o++) {
        fprintf(out, "complete -c %s", cli->program);
        condition(out, cli, o);
        name(out, o->name);
        value(out, o);
        fputs(" -d ", out);
        quoted(out, o->doc);
        putc('\n', out);
    }
}
