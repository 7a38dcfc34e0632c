/* fill.c: fills a template with what the tables say.
 *
 *     fill TEMPLATE OUTPUT          - is standard input, standard output
 *
 * A line `@NAME@` becomes what the writer NAME prints, `@man LIST@` a list of a manual page, `@words LIST@` its names, a line each.
 * Inside of other lines @program@, @function@ (a name that a shell takes for a function) and @version@ are replaced.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

static const struct { const char *name; void (*write)(FILE *out, const Cli *cli); } writers[] = {
    {"man_options", man_options},   {"man_commands", man_commands}, {"bash_options", bash_options},   {"bash_values", bash_values},
    {"bash_next", bash_next},       {"bash_equals", bash_equals},   {"bash_joined", bash_joined},     {"bash_plain", bash_plain},
    {"zsh_arguments", zsh_arguments}, {"fish_completions", fish_completions},
};

_Noreturn static void die(const char *what, const char *name) {
    fprintf(stderr, "fill: error: %s '%s'\n", what, name);
    exit(EXIT_FAILURE);
}

static const CliTerm *find_list(const Cli *cli, const char *name) {
    for (const CliList *l = cli->lists; l->name; l++)
        if (!strcmp(l->name, name)) return l->terms;
    die("there is no list", name);
}

static void write_named(FILE *out, const Cli *cli, const char *name) {
    if (!strncmp(name, "man ", 4)) {
        man_terms(out, find_list(cli, name + 4));
        return;
    }
    if (!strncmp(name, "words ", 6)) {
        for (const CliTerm *t = find_list(cli, name + 6); t->name; t++) fprintf(out, "%s\n", t->name);
        return;
    }
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
        if (strcmp(writers[i].name, name)) continue;
        writers[i].write(out, cli);
        return;
    }
    die("there is no writer", name);
}

/* _netc_trainer for netc-trainer. */
static void write_function(FILE *out, const char *program) {
    for (putc('_', out); *program; program++) putc(*program == '-' ? '_' : *program, out);
}

static void write_line(FILE *out, const Cli *cli, const char *s) {
    while (*s) {
        if (!strncmp(s, "@program@", 9)) fputs(cli->program, out), s += 9;
        else if (!strncmp(s, "@function@", 10)) write_function(out, cli->program), s += 10;
        else if (!strncmp(s, "@version@", 9)) fputs(NETC_VERSION, out), s += 9;
        else putc(*s++, out);
    }
}

static void fill(FILE *in, FILE *out, const Cli *cli) {
    char line[1024];
    while (fgets(line, sizeof line, in)) {
        if (strlen(line) == sizeof line - 1) die("too long a line", line);
        char *end = line[0] == '@' ? strchr(line + 1, '@') : NULL;
        if (end && !strcmp(end, "@\n")) {
            *end = 0;
            write_named(out, cli, line + 1);
        } else {
            write_line(out, cli, line);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: fill TEMPLATE OUTPUT, not", argv[argc - 1]);
    FILE *in = strcmp(argv[1], "-") ? fopen(argv[1], "r") : stdin;
    if (!in) die("cannot read", argv[1]);
    FILE *out = strcmp(argv[2], "-") ? fopen(argv[2], "w") : stdout;
    if (!out) die("cannot write", argv[2]);
    fill(in, out, cli_describe());
    bool failed = ferror(in) || ferror(out);
    if (fclose(out) || failed) die("cannot write", argv[2]);
    fclose(in);
    return 0;
}
