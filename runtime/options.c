/* options.c: one table of subcommands, one of options; parsing, checks, suggestions and help walk over them. */
#include "options.h"
#include "pool.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = 1 << CMD_TRAIN, E = 1 << CMD_TEST, P = 1 << CMD_PREDICT, R = 1 << CMD_RUN, S = 1 << CMD_SUMMARY, M = 1 << CMD_TIME, X = 1 << CMD_EXPORT };

#define AT(field) offsetof(Options, field)
static const Option options[] = {
    {"--data", "DIR", OPT_TEXT, AT(data), T | E | P | M, 0, 0, "folder of the data (else $NETC_DATA, $XDG_CACHE_HOME/netc, ~/.cache/netc)"},
    {"--epochs", "N", OPT_COUNT, AT(epochs), T, 1, 1000000, "epochs in all"},
    {"--lr", "X", OPT_NUMBER, AT(lr), T | M, 0, 0, "learning rate that the schedule starts from"},
    {"--batch", "N", OPT_COUNT, AT(batch), T | E | R | M, 1, INT32_MAX, "images in a batch, at most what was compiled"},
    {"--seed", "N", OPT_COUNT, AT(seed), T | M, 0, INT64_MAX, "seed of the first weights and of the order"},
    {"--threads", "N", OPT_COUNT, AT(threads), T | E | P | R | S | M, 1, POOL_MAX_THREADS, "threads (else one for each processor)"},
    {"--no-shuffle", NULL, OPT_FLAG, AT(no_shuffle), T, 0, 0, "train in the order of the data"},
    {"--max-steps", "N", OPT_COUNT, AT(max_steps), T, 1, INT64_MAX, "stop after N optimiser steps in all, resumed ones included"},
    {"--limit", "N", OPT_COUNT, AT(limit), T, 1, INT64_MAX, "only the first N training images"},
    {"--limit-test", "N", OPT_COUNT, AT(limit_test), T | E, 1, INT64_MAX, "only the first N test images"},
    {"--init-weights", "FILE", OPT_TEXT, AT(init_weights), T, 0, 0, "start from the weights in a safetensors file"},
    {"--out", "DIR", OPT_TEXT, AT(out), T, 0, 0, "folder for checkpoints, log and curve (runs/NAME)"},
    {"--resume", "[FILE]", OPT_TEXT_MAYBE, AT(resume), T, 0, 0, "go on from a checkpoint (last.safetensors of --out)"},
    {"--log", "FILE", OPT_TEXT, AT(log), T, 0, 0, "also write a line of JSON for each step and epoch"},
    {"--quiet", NULL, OPT_FLAG, AT(quiet), T, 0, 0, "show no progress"},
    {"--no-test", NULL, OPT_FLAG, AT(no_test), T, 0, 0, "do not evaluate on the test part"},
    {"--weights", "FILE", OPT_TEXT, AT(weights), E | P | R | X, 0, 0, "weights to use (else best, then last .safetensors of runs/NAME)"},
    {"--index", "N", OPT_COUNT, AT(index), P, 0, INT64_MAX, "image N of the test part, from 0"},
    {"--top", "N", OPT_COUNT, AT(top), P, 1, 1000, "show the N likeliest classes (5)"},
    {"-o", "FILE", OPT_TEXT, AT(out), R, 0, 0, "where the output goes, as .npy"},
    {"--steps", "N", OPT_COUNT, AT(steps), M, 1, 1000000, "steps to measure (50)"},
    {"--forward", NULL, OPT_FLAG, AT(forward), M, 0, 0, "inference in place of training steps"},
    {"--json", NULL, OPT_FLAG, AT(json), S | M, 0, 0, "print one JSON object"},
    {"--help", NULL, OPT_FLAG, 0, T | E | P | R | S | M | X, 0, 0, "show this help"},
    {NULL, NULL, OPT_FLAG, 0, 0, 0, 0, NULL},
};
enum { OPTIONS = sizeof options / sizeof *options - 1 };

static const CommandRow commands[] = {
    [CMD_TRAIN] = {"train", "", "train; write checkpoints, the log and the curve", 0, 0},
    [CMD_TEST] = {"test", "", "loss, accuracy and the confusion matrix on the test part", 0, 0},
    [CMD_PREDICT] = {"predict", "[IMAGE...]", "the likeliest classes of PNG and JPEG files, or of image N of the test part", 0, 1000},
    [CMD_RUN] = {"run", "IN.npy -o OUT.npy", "the network's output for an array [n, ...]", 1, 1},
    [CMD_SUMMARY] = {"summary", "", "the layers, parameters and memory", 0, 0},
    [CMD_TIME] = {"time", "", "how long each layer takes in a training step, or in inference", 0, 0},
    [CMD_EXPORT] = {"export", "OUT.safetensors", "the weights alone", 1, 1},
};

const Option *const option_table = options;
const CommandRow *const command_table = commands;

/* Edit distance of two short names, each insertion, deletion and replacement counting one (Wagner and Fischer, 1974). */
static int distance(const char *a, const char *b)
{
    int row[32], n = (int)strlen(b);
    if (n >= 32 || strlen(a) >= 32)
        return 99;
    for (int k = 0; k <= n; k++)
        row[k] = k;
    for (int i = 0; a[i]; i++) {
        int corner = row[0];
        row[0] = i + 1;
        for (int k = 0; k < n; k++) {
            int change = corner + (a[i] != b[k]), least = (row[k] < row[k + 1] ? row[k] : row[k + 1]) + 1;
            corner = row[k + 1];
            row[k + 1] = change < least ? change : least;
        }
    }
    return row[n];
}

/* Keeps the nearer one of `name` and *best in *best; only what is near enough to be meant. */
static void nearer(const char *given, const char *name, const char **best, int *least)
{
    int d = distance(given, name);
    if (d < *least && d <= (int)strlen(name) / 3 + 1) {
        *least = d;
        *best = name;
    }
}

static bool unknown_option(Command c, const char *given, Fault *f)
{
    const char *best = NULL;
    int least = 99;
    for (int i = 0; i < OPTIONS; i++) {
        if (strcmp(given, options[i].name) == 0)
            return fault_set(f, EXIT_USAGE, "'%s' takes no option '%s'; '%s --help' lists those it takes", commands[c].name, given, commands[c].name);
        if (options[i].commands & 1 << c)
            nearer(given, options[i].name, &best, &least);
    }
    if (best)
        return fault_set(f, EXIT_USAGE, "unknown option '%.60s'; did you mean '%s'?", given, best);
    return fault_set(f, EXIT_USAGE, "unknown option '%.60s'; '%s --help' lists the options", given, commands[c].name);
}

static bool unknown_command(const char *given, Fault *f)
{
    const char *best = NULL;
    int least = 99;
    for (int c = CMD_TRAIN; c <= CMD_EXPORT; c++)
        nearer(given, commands[c].name, &best, &least);
    if (best)
        return fault_set(f, EXIT_USAGE, "unknown subcommand '%.60s'; did you mean '%s'?", given, best);
    return fault_set(f, EXIT_USAGE, "unknown subcommand '%.60s'; train, test, predict, run, summary, time and export are there", given);
}

static bool set_count(const Option *k, const char *text, int64_t *out, Fault *f)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || *out < k->lo || *out > k->hi) {
        if (k->hi == INT64_MAX)
            return fault_set(f, EXIT_USAGE, "%s: '%.60s' is not allowed; a whole number from %lld up is", k->name, text, (long long)k->lo);
        return fault_set(f, EXIT_USAGE, "%s: '%.60s' is not allowed; a whole number from %lld to %lld is", k->name, text, (long long)k->lo,
                         (long long)k->hi);
    }
    return true;
}

static bool set_number(const Option *k, const char *text, double *out, Fault *f)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !isfinite(*out) || *out < 0)
        return fault_set(f, EXIT_USAGE, "%s: '%.60s' is not allowed; a number from 0 up is", k->name, text);
    return true;
}

static bool set_value(Options *o, const Option *k, const char *text, Fault *f)
{
    void *place = (char *)o + k->place;
    switch (k->kind) {
    case OPT_FLAG: *(bool *)place = true; return true;
    case OPT_TEXT:
    case OPT_TEXT_MAYBE:
        if (!*text && k->kind == OPT_TEXT)
            return fault_set(f, EXIT_USAGE, "%s: an empty %s is not allowed", k->name, k->value);
        *(const char **)place = text;
        return true;
    case OPT_COUNT: return set_count(k, text, place, f);
    case OPT_NUMBER: return set_number(k, text, place, f);
    }
    return false;
}

static const Option *find_option(Command c, const char *name, size_t n)
{
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].commands & 1 << c && strlen(options[i].name) == n && strncmp(options[i].name, name, n) == 0)
            return &options[i];
    return NULL;
}

/* The option at argv[*i], with its value, which may be the next word. */
static bool read_option(Options *o, int argc, char **argv, int *i, Fault *f)
{
    char *word = argv[*i], *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : strlen(word);
    const Option *k = find_option(o->command, word, n);
    if (!k)
        return unknown_option(o->command, word, f);
    if (k->kind == OPT_FLAG)
        return equals ? fault_set(f, EXIT_USAGE, "%s takes no value", k->name) : set_value(o, k, "", f);
    if (equals)
        return set_value(o, k, equals + 1, f);
    if (k->kind == OPT_TEXT_MAYBE && (*i + 1 >= argc || argv[*i + 1][0] == '-'))
        return set_value(o, k, "", f);
    if (*i + 1 >= argc)
        return fault_set(f, EXIT_USAGE, "%s needs a value: %s %s", k->name, k->name, k->value);
    return set_value(o, k, argv[++*i], f);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static Command find_command(const char *word)
{
    for (int c = CMD_TRAIN; c <= CMD_EXPORT; c++)
        if (strcmp(word, commands[c].name) == 0)
            return (Command)c;
    return CMD_NONE;
}

static bool check_words(const Options *o, const nrt_model *m, Fault *f)
{
    if (o->word_count > commands[o->command].max_words)
        return fault_set(f, EXIT_USAGE, "'%s' has no use for '%.60s'", commands[o->command].name, o->words[commands[o->command].max_words]);
    if (o->word_count < commands[o->command].min_words)
        return fault_set(f, EXIT_USAGE, "'%s' needs %s", commands[o->command].name, commands[o->command].words);
    if (o->command == CMD_RUN && !o->out)
        return fault_set(f, EXIT_USAGE, "'run' needs -o OUT.npy");
    if (o->command == CMD_PREDICT && o->index < 0 && o->word_count == 0)
        return fault_set(f, EXIT_USAGE, "'predict' needs images, or --index N");
    if (o->command == CMD_PREDICT && o->index >= 0 && o->word_count > 0)
        return fault_set(f, EXIT_USAGE, "--index and files of images exclude each other");
    if (o->resume && o->init_weights)
        return fault_set(f, EXIT_USAGE, "--resume and --init-weights exclude each other");
    if (o->forward && (o->data || o->lr >= 0))
        return fault_set(f, EXIT_USAGE, "--forward and %s exclude each other", o->data ? "--data" : "--lr");
    if (o->batch > m->train.batch)
        return fault_set(f, EXIT_USAGE, "--batch: %lld is more than the %lld that the network was compiled for", (long long)o->batch,
                         (long long)m->train.batch);
    return true;
}

bool options_read(Options *o, const nrt_model *m, int argc, char **argv, Fault *f)
{
    *o = (Options){.epochs = -1, .batch = -1, .seed = -1, .threads = -1, .max_steps = -1, .limit = -1, .limit_test = -1, .steps = -1, .index = -1,
                   .top = -1, .lr = -1};
    if (argc < 2 || is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        o->command = CMD_HELP;
        return true;
    }
    o->command = find_command(argv[1]);
    if (o->command == CMD_NONE)
        return argv[1][0] == '-' ? fault_set(f, EXIT_USAGE, "a subcommand comes first: %s train %.60s", m->name, argv[1]) : unknown_command(argv[1], f);
    o->words = argv + 2; /* words are moved to the front of what is left of argv */
    for (int i = 2, plain = 0; i < argc; i++) {
        if (!plain && is_help(argv[i])) {
            o->help = o->command;
            o->command = CMD_HELP;
            return true;
        }
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = 1;
        } else if (!plain && argv[i][0] == '-' && argv[i][1]) {
            if (!read_option(o, argc, argv, &i, f))
                return false;
        } else {
            o->words[o->word_count++] = argv[i];
        }
    }
    return check_words(o, m, f);
}

void options_help(Command c, const nrt_model *m)
{
    if (c == CMD_NONE) {
        printf("%s: a network compiled by netc from %s\n\nusage: %s SUBCOMMAND [options]\n\n", m->name, m->source, m->name);
        for (int k = CMD_TRAIN; k <= CMD_EXPORT; k++)
            printf("  %-8s %s\n", commands[k].name, commands[k].doc);
        printf("\n'%s SUBCOMMAND --help' lists the options.\n", m->name);
        return;
    }
    printf("usage: %s %s%s%s [options]\n\n%s\n\n", m->name, commands[c].name, *commands[c].words ? " " : "", commands[c].words, commands[c].doc);
    for (int i = 0; i < OPTIONS; i++) {
        char left[40];
        snprintf(left, sizeof left, "%s%s%s", options[i].name, options[i].value ? " " : "", options[i].value ? options[i].value : "");
        if (options[i].commands & 1 << c)
            printf("  %-22s %s\n", left, options[i].doc);
    }
}
