/* options.h: netc's command line, read into one structure. The tables of options.c are its only description: what is parsed,
 * what --help prints, what "did you mean" chooses from, and what the manual page and the completions are made of (shell/). */
#ifndef NETC_OPTIONS_H
#define NETC_OPTIONS_H

#include "diag.h"
#include "pass.h"

typedef enum EmitKind { EMIT_TOKENS, EMIT_AST, EMIT_GRAPH, EMIT_DOT, EMIT_PLAN, EMIT_LOOPS, EMIT_LLVM_IR, EMIT_LLVM_BC, EMIT_ASM,
                       EMIT_OBJ, EMIT_HTML, EMIT_EXE, EMIT_COUNT } EmitKind;

/* The names of the kinds, in order (that of the stages that make them); null-terminated. */
extern const char *const emit_names[];

typedef struct Emit {
    EmitKind kind;
    bool forward;      /* graph:forward: before differentiation */
    const char *path;  /* =PATH; or null: -o, or stdout for text and a name made from the source's */
} Emit;

typedef enum Switch {
#define SWITCH(id, name, doc) SWITCH_##id,
#include "switches.def"
    SWITCH_COUNT
} Switch;

typedef enum InfoRequest { INFO_NONE, INFO_HELP, INFO_HELP_OPTIMIZERS, INFO_HELP_WARNINGS, INFO_VERSION, INFO_PASSES, INFO_TARGETS } InfoRequest;

typedef struct Options {
    const char *input;              /* FILE.net, FILE.graph, FILE.loops, or "-" */
    const char *output;             /* -o; or null */
    VEC(Emit) emits;                /* --emit, in order; empty: exe */
    bool check, summary;            /* --check, --summary: stop after shape inference */
    int level;                      /* -O0 .. -O3; 2 */
    const char *cpu;                /* -march: "native" or LLVM's name of a processor */
    const char *target;             /* --target: a triple; null: this machine's */
    VEC(const char *) defines;      /* -D NAME=EXPR */
    VEC(const char *) include;      /* -I DIR */
    const char *timing;             /* --timing: what the trainer's `time --json` has printed; or null */
    bool lines;                     /* -g (default) or -g0: line tables to the source */
    PassOptions passes;             /* --print-after, --print-after-all, --print-changed, --stop-after, --time-passes */
    bool on[SWITCH_COUNT];          /* -f[no-]NAME, by Switch; defaults follow -O */
    double tune;                    /* --tune: seconds; 0: not asked for */
    bool verbose;                   /* -v: the commands that are run are shown */
    bool dry_run;                   /* -###: ... and not run */
    ColorMode color;                /* --color */
    bool json;                      /* --diagnostics=json */
    InfoRequest info;               /* print this and end */
} Options;

/* How an option takes its argument, and is shown: none; -O2; -D x (these two also as -O 2, -Dx); --emit=x. */
typedef enum ArgStyle { ARG_NONE, ARG_JOINED, ARG_SPACED, ARG_EQUALS } ArgStyle;

typedef struct OptionReader OptionReader;
typedef struct OptionRow {
    const char *name;   /* "-o", "--emit" */
    ArgStyle style;
    const char *arg;    /* as --help calls it; choices are written a|b, files and folders FILE and DIR */
    const char *doc;
    bool (*set)(OptionReader *r, const char *arg); /* false after a message */
} OptionRow;

/* The table of options; ends with a row without a name. */
extern const OptionRow option_table[];

/* Reads the command line. Warning switches go straight to the Diag, as do errors: 0, or EXIT_USAGE after those. Strings are argv's or the
 * arena's. */
int options_parse(Options *o, Arena *a, Diag *diag, int argc, char **argv);
/* Is there an emit of this kind? Returns it or null. */
const Emit *options_emit(const Options *o, EmitKind kind);
/* --help, --help=optimizers, --help=warnings. */
void options_help(Text *out);
void options_help_optimizers(Text *out);
void options_help_warnings(Text *out);

#endif
