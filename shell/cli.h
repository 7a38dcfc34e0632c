/* cli.h: a program's command line as data, for all that is written about it: its manual page and its completions for bash, zsh
 * and fish. netc.c and trainer.c make it from the very tables by which the programs read their arguments, the writers (man.c,
 * bash.c, zsh.c, fish.c) print it, and fill.c puts what they print into the templates (*.in). All of this runs while netc is built.
 */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stdio.h>

typedef enum CliForm {
    CLI_FLAG,   /* --check */
    CLI_TIGHT,  /* -O2; also -O 2 */
    CLI_SPACED, /* -o x; also -ox */
    CLI_EQUALS, /* --emit=x, and no other way */
    CLI_EITHER, /* --out x, --out=x */
    CLI_MAYBE   /* --resume, --resume x, --resume=x */
} CliForm;

typedef struct CliOption {
    CliForm form;
    const char *name, *arg, *doc;  /* "--emit", "KIND[=PATH]" (null: takes none); FILE and DIR in arg mean what they say */
    const char *const *words;      /* what the argument can be, null-terminated; or null */
    unsigned commands;             /* bits of the subcommands that take it; any where the program has none */
} CliOption;

typedef struct CliCommand { const char *name, *arg, *doc; } CliCommand; /* arg: "IN.npy -o OUT.npy", or "" */
typedef struct CliTerm { const char *name, *doc; } CliTerm;
typedef struct CliList { const char *name; const CliTerm *terms; } CliList; /* of more that a manual page tells; terms end with a null name */

typedef struct Cli {
    const char *program;
    const char *const *suffixes;   /* of the files that it is given, null-terminated; or null: any */
    const CliCommand *commands;    /* subcommands, ended by a null name; or null */
    const CliOption *options;      /* ended by a null name */
    const CliList *lists;          /* ended by a null name */
} Cli;

typedef enum CliValue { CLI_NOTHING, CLI_WORDS, CLI_FILE, CLI_FOLDER, CLI_TEXT } CliValue;

/* The command line that this program is about: netc.c's or trainer.c's, whichever it is linked with. To be called once. */
const Cli *cli_describe(void);
/* What the option's argument is. */
CliValue cli_value(const CliOption *o);
/* What stands between the option's name and its argument: "", " " or "=". */
const char *cli_join(const CliOption *o);
/* Does the option belong to subcommand number `command` (of a program without any: 0)? */
bool cli_takes(const CliOption *o, int command);
/* Writes text, with a backslash before each of the characters in `special`. */
void cli_escape(FILE *out, const char *text, const char *special);

/* ---- the writers: each prints what replaces one line of a template ---- */

void man_options(FILE *out, const Cli *cli);
void man_commands(FILE *out, const Cli *cli);
/* Terms and what they mean, as a manual page lists them. */
void man_terms(FILE *out, const CliTerm *terms);
/* Arms of a `case`, by subcommand: its options; what stands alone behind it. By option: what its argument can be. */
void bash_options(FILE *out, const Cli *cli);
void bash_plain(FILE *out, const Cli *cli);
void bash_values(FILE *out, const Cli *cli);
/* Patterns of a `case`: the options whose argument can be the next word; can stand behind `=`; can stand right behind the name. */
void bash_next(FILE *out, const Cli *cli);
void bash_equals(FILE *out, const Cli *cli);
void bash_joined(FILE *out, const Cli *cli);
/* Calls of _arguments, and of complete. */
void zsh_arguments(FILE *out, const Cli *cli);
void fish_completions(FILE *out, const Cli *cli);

#endif
