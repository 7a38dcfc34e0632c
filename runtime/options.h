/* options.h: the trainer's command line, by two tables, which are also what its manual page and completions are made of (shell/). */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "nrt.h"

typedef enum { CMD_NONE, CMD_TRAIN, CMD_TEST, CMD_PREDICT, CMD_RUN, CMD_SUMMARY, CMD_TIME, CMD_EXPORT, CMD_HELP } Command;

typedef struct Options {      /* what is not given has the model's or this header's default */
    Command command;
    Command help;             /* CMD_HELP: of which subcommand; CMD_NONE: of all */
    const char *data;         /* --data, or null */
    const char *out;          /* --out (train: a folder, default runs/NAME; run: -o, a file), or null */
    const char *init_weights, *resume, *log, *weights; /* or null; resume "" is the last checkpoint of --out */
    int64_t epochs, batch, seed, threads, max_steps, limit, limit_test, steps, index, top; /* -1: not given */
    double lr;                /* negative: not given */
    bool no_shuffle, quiet, no_test, forward, json;
    char **words;             /* what is no option: [word_count], points into argv */
    int word_count;
} Options;

typedef enum { OPT_FLAG, OPT_TEXT, OPT_TEXT_MAYBE, OPT_COUNT, OPT_NUMBER } OptionKind;

typedef struct Option {
    const char *name, *value; /* "--epochs", "N"; files and folders are called FILE and DIR */
    OptionKind kind;
    size_t place;             /* offset in Options */
    int commands;             /* bits (1 << CMD_TRAIN, ...) of the subcommands that take it */
    int64_t lo, hi;           /* of counts */
    const char *doc;
} Option;
extern const Option *const option_table; /* ends with a row without a name */

typedef struct CommandRow { const char *name, *words, *doc; int min_words, max_words; } CommandRow;
extern const CommandRow *const command_table; /* by Command, from CMD_TRAIN to CMD_EXPORT */

/* Reads the command line. False with EXIT_USAGE. */
bool options_read(Options *o, const nrt_model *m, int argc, char **argv, Fault *f);
/* Prints the help of o->help (CMD_NONE: the list of subcommands) on stdout. */
void options_help(Command c, const nrt_model *m);

#endif
