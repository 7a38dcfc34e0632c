/* pass.h: the passes, and what every one of them goes through: time, dump, stop.
 *
 * The pipeline itself stands in driver.c, in plain sight. Around each pass it says pass_begin and pass_end; the dumps of
 * --print-after, --print-changed and the like, and the table of --time-passes, come from there.
 */
#ifndef NETC_PASS_H
#define NETC_PASS_H

#include "base.h"

typedef enum PassId {
#define PASS(id, name, doc) PASS_##id,
#include "passes.def"
    PASS_COUNT
} PassId;

typedef struct PassOptions {
    bool print_after[PASS_COUNT]; /* dump the form that the pass leaves */
    bool print_changed;           /* after every pass, but only where the text differs from the one before */
    int stop_after;               /* a PassId, or -1 */
    bool time;
} PassOptions;

typedef struct Passes {
    PassOptions options;
    double started, seconds[PASS_COUNT];
    bool ran[PASS_COUNT];
    Text last;                    /* the last dump's text, to tell changes */
    const char *last_form;        /* "graph", "loops", ...: texts of different forms are not compared */
} Passes;

/* The pass of that name, or -1. */
int pass_find(const char *name);
const char *pass_name(PassId id);
void pass_begin(Passes *p, PassId id);
/* Ends the pass: `form` names what `print` prints. Dumps go to stderr. Returns false where netc is to stop here. */
bool pass_end(Passes *p, PassId id, const char *form, void (*print)(void *ctx, Text *out), void *ctx);
/* --list-passes. */
void pass_list(Text *out);
/* The first pass that was to print its form by name (not by --print-after-all), and has not run; or null. */
const char *pass_not_run(const Passes *p);
/* --time-passes. */
void pass_print_times(const Passes *p, Text *out);
void pass_free(Passes *p);

#endif
