/* options.c: see options.h. An option is a row: how it is written, what its argument is called, what it does, and what sets it. */
#include "options.h"

#include <stdlib.h>
#include <string.h>

const char *const emit_names[] = {"tokens", "ast", "graph", "dot", "plan", "loops", "llvm-ir", "llvm-bc", "asm", "obj", "html", "exe", NULL};

static const struct { const char *name, *doc; } switches[] = {
#define SWITCH(id, name, doc) {name, doc},
#include "switches.def"
};

/* Where options are collected while they are read. */
typedef struct OptionReader {
    Options *o;
    Arena *arena;
    Diag *diag;
    int toggled[SWITCH_COUNT]; /* -f: 1, -fno-: -1, neither: 0 */
} Reader;

static bool fail(Reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(Reader *r, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    diag_verror(r->diag, (Span){0}, fmt, ap);
    va_end(ap);
    return false;
}

/* "a, b, c" */
static const char *list_names(Reader *r, const char *const *names) {
    const char *s = "";
    for (int i = 0; names[i]; i++) s = arena_printf(r->arena, "%s%s%s", s, i ? ", " : "", names[i]);
    return s;
}

/* `known` ends with null; `allowed` says what there is, where no name is near. */
static bool unknown(Reader *r, const char *what, const char *name, const char *const *known, const char *allowed) {
    int n = 0;
    while (known[n]) n++;
    const char *near = nearest_name(name, known, n);
    return near ? fail(r, "unknown %s '%s'; did you mean '%s'?", what, name, near) : fail(r, "unknown %s '%s'; %s", what, name, allowed);
}

static bool unknown_of(Reader *r, const char *what, const char *name, const char *const *known) {
    return unknown(r, what, name, known, arena_printf(r->arena, "there are %s", list_names(r, known)));
}

/* ---- what options do ---- */

static bool set_output(Reader *r, const char *arg) { r->o->output = arg; return *arg || fail(r, "-o needs a name that is not empty"); }
static bool set_check(Reader *r, const char *arg) { (void)arg; return r->o->check = true; }
static bool set_summary(Reader *r, const char *arg) { (void)arg; return r->o->summary = true; }
static bool set_timing(Reader *r, const char *arg) { r->o->timing = arg; return *arg || fail(r, "--timing needs a name that is not empty"); }
static bool set_cpu(Reader *r, const char *arg) { r->o->cpu = arg; return true; }
static bool set_target(Reader *r, const char *arg) { r->o->target = arg; return true; }
static bool set_define(Reader *r, const char *arg) { VEC_PUSH(r->arena, &r->o->defines, arg); return true; }
static bool set_include(Reader *r, const char *arg) { VEC_PUSH(r->arena, &r->o->include, arg); return true; }
static bool set_lines(Reader *r, const char *arg) { (void)arg; return r->o->lines = true; }
static bool set_no_lines(Reader *r, const char *arg) { (void)arg; r->o->lines = false; return true; }

/* The pass of that name, or -1 after a message. */
static int read_pass(Reader *r, const char *arg) {
    const char *names[PASS_COUNT + 1] = {NULL};
    for (int i = 0; i < PASS_COUNT; i++) names[i] = pass_name((PassId)i);
    if (pass_find(arg) < 0) unknown_of(r, "pass", arg, names);
    return pass_find(arg);
}

static bool set_print_after(Reader *r, const char *arg) {
    int pass = read_pass(r, arg);
    if (pass >= 0) r->o->passes.print_after[pass] = true;
    return pass >= 0;
}

static bool set_print_all(Reader *r, const char *arg) {
    (void)arg;
    for (int i = 0; i < PASS_COUNT; i++) r->o->passes.print_after[i] = true;
    return true;
}

static bool set_stop_after(Reader *r, const char *arg) { return (r->o->passes.stop_after = read_pass(r, arg)) >= 0; }
static bool set_print_changed(Reader *r, const char *arg) { (void)arg; return r->o->passes.print_changed = true; }
static bool set_time_passes(Reader *r, const char *arg) { (void)arg; return r->o->passes.time = true; }
static bool set_verbose(Reader *r, const char *arg) { (void)arg; return r->o->verbose = true; }
static bool set_dry_run(Reader *r, const char *arg) { (void)arg; return r->o->dry_run = true; }
static bool set_quiet(Reader *r, const char *arg) { (void)arg; diag_set_quiet(r->diag); return true; }
static bool set_version(Reader *r, const char *arg) { (void)arg; r->o->info = INFO_VERSION; return true; }
static bool set_passes(Reader *r, const char *arg) { (void)arg; r->o->info = INFO_PASSES; return true; }
static bool set_targets(Reader *r, const char *arg) { (void)arg; r->o->info = INFO_TARGETS; return true; }
static bool set_help(Reader *r, const char *arg) { (void)arg; r->o->info = INFO_HELP; return true; }

static bool set_help_about(Reader *r, const char *arg) {
    if (!strcmp(arg, "optimizers")) r->o->info = INFO_HELP_OPTIMIZERS;
    else if (!strcmp(arg, "warnings")) r->o->info = INFO_HELP_WARNINGS;
    else return fail(r, "unknown help '%s'; there are --help=optimizers and --help=warnings", arg);
    return true;
}

static bool set_level(Reader *r, const char *arg) {
    if (strlen(arg) != 1 || *arg < '0' || *arg > '3') return fail(r, "unknown optimisation level '-O%s'; allowed are -O0 to -O3", arg);
    r->o->level = *arg - '0';
    return true;
}

static bool set_tune(Reader *r, const char *arg) {
    enum { DAY = 24 * 60 * 60 };
    char *end;
    r->o->tune = strtod(arg, &end);
    return (end != arg && !*end && r->o->tune >= 1 && r->o->tune <= DAY) || fail(r, "--tune=%s is no number of seconds from 1 to %d", arg, DAY);
}

static bool set_emit(Reader *r, const char *arg) {
    size_t n = strcspn(arg, "=");
    const char *kind = arena_str(r->arena, arg, n);
    Emit e = {.path = arg[n] ? arg + n + 1 : NULL};
    if (e.path && !*e.path) return fail(r, "--emit=%s has an empty path", arg);
    if (!strcmp(kind, "graph:forward")) {
        e.forward = true;
        kind = "graph";
    }
    for (int i = 0; i < EMIT_COUNT; i++) {
        if (strcmp(kind, emit_names[i])) continue;
        e.kind = (EmitKind)i;
        VEC_PUSH(r->arena, &r->o->emits, e);
        return true;
    }
    return unknown_of(r, "kind of --emit", kind, emit_names);
}

static bool set_switch(Reader *r, const char *arg) {
    bool on = strncmp(arg, "no-", 3) != 0;
    const char *name = on ? arg : arg + 3, *names[SWITCH_COUNT + 1] = {NULL};
    for (int i = 0; i < SWITCH_COUNT; i++) {
        names[i] = switches[i].name;
        if (strcmp(name, names[i])) continue;
        r->toggled[i] = on ? 1 : -1;
        return true;
    }
    return unknown_of(r, "optimisation", name, names);
}

static bool set_warning(Reader *r, const char *arg) {
    const char *name = diag_set_warning(r->diag, arg);
    VEC(const char *) names = {0};
    if (!name) return true;
    for (const DiagWarning *w = diag_warnings; w->name; w++) VEC_PUSH(r->arena, &names, w->name);
    for (int i = 0; diag_groups[i]; i++) VEC_PUSH(r->arena, &names, diag_groups[i]);
    VEC_PUSH(r->arena, &names, "error");
    VEC_PUSH(r->arena, &names, NULL);
    return unknown_of(r, "warning", name, names.at);
}

static bool set_color(Reader *r, const char *arg) {
    r->o->color = !strcmp(arg, "always") ? COLOR_ALWAYS : !strcmp(arg, "never") ? COLOR_NEVER : COLOR_AUTO;
    return r->o->color != COLOR_AUTO || !strcmp(arg, "auto") || fail(r, "--color=%s: allowed are auto, always and never", arg);
}

static bool set_diagnostics(Reader *r, const char *arg) {
    r->o->json = !strcmp(arg, "json");
    return r->o->json || !strcmp(arg, "text") || fail(r, "--diagnostics=%s: allowed are text and json", arg);
}

/* ---- the table ---- */

const OptionRow option_table[] = { /* where one name begins another, the longer one first */
    {"-o", ARG_SPACED, "FILE", "write to FILE; default: the source's name without .net", set_output},
    {"--emit", ARG_EQUALS, "KIND[=PATH]", "tokens, ast, graph, graph:forward, plan, loops, llvm-ir, llvm-bc, asm, obj, html, exe (default) or dot; repeatable", set_emit},
    {"--timing", ARG_EQUALS, "FILE", "show in --emit=html what the trainer has measured: FILE is the output of its time --json", set_timing},
    {"--check", ARG_NONE, NULL, "stop after shape inference", set_check},
    {"--summary", ARG_NONE, NULL, "print the table of layers and stop", set_summary},
    {"-O", ARG_JOINED, "0..3", "-O0 is the plain reference: unfused, untiled, scalar; -O2 is the default", set_level},
    {"-march", ARG_EQUALS, "CPU", "the processor to compile for; default: native", set_cpu},
    {"--tune", ARG_EQUALS, "SECONDS", "measure for so long which forms of convolutions are fastest here, and remember it for later compilations", set_tune},
    {"--target", ARG_EQUALS, "TRIPLE", "the machine to compile for; default: this one", set_target},
    {"--print-targets", ARG_NONE, NULL, "list the machines that can be compiled for", set_targets},
    {"-D", ARG_SPACED, "NAME=EXPR", "replace a constant of the source; train.NAME=EXPR a setting", set_define},
    {"-I", ARG_SPACED, "DIR", "look for imports in DIR too", set_include},
    {"-g0", ARG_NONE, NULL, "without line tables to the source", set_no_lines},
    {"-g", ARG_NONE, NULL, "with line tables to the source (default)", set_lines},
    {"--print-after-all", ARG_NONE, NULL, "print the intermediate form after every pass", set_print_all},
    {"--print-after", ARG_EQUALS, "PASS", "print the intermediate form after PASS; repeatable", set_print_after},
    {"--print-changed", ARG_NONE, NULL, "print it after every pass that changed it", set_print_changed},
    {"--stop-after", ARG_EQUALS, "PASS", "stop after PASS", set_stop_after},
    {"--time-passes", ARG_NONE, NULL, "print how long each pass took", set_time_passes},
    {"--list-passes", ARG_NONE, NULL, "list the passes", set_passes},
    {"-f", ARG_JOINED, "[no-]NAME", "switch one optimisation on or off; --help=optimizers lists them", set_switch},
    {"-W", ARG_JOINED, "[no-]NAME", "switch a warning on or off; -Wall, -Werror, -Werror=NAME and the names: --help=warnings", set_warning},
    {"-w", ARG_NONE, NULL, "no warnings at all", set_quiet},
    {"--color", ARG_EQUALS, "auto|always|never", "colour in diagnostics; auto: on a terminal without NO_COLOR", set_color},
    {"--diagnostics", ARG_EQUALS, "text|json", "how errors and warnings are printed", set_diagnostics},
    {"-v", ARG_NONE, NULL, "show the commands that are run", set_verbose},
    {"-###", ARG_NONE, NULL, "show them and do not run them", set_dry_run},
    {"--version", ARG_NONE, NULL, "print the version", set_version},
    {"--help", ARG_EQUALS, "optimizers|warnings", "list the optimisations that -f switches; the warnings", set_help_about},
    {"--help", ARG_NONE, NULL, "print this", set_help},
    {NULL, ARG_NONE, NULL, NULL, NULL},
};
enum { OPTION_ROWS = sizeof option_table / sizeof *option_table - 1 };

/* ---- reading ---- */

static bool unknown_option(Reader *r, const char *arg) {
    const char *names[OPTION_ROWS + 1] = {NULL};
    char word[80];
    size_t n = strcspn(arg, "=");
    if (n >= sizeof word) return fail(r, "unknown option '%.60s...'; 'netc --help' lists them", arg);
    memcpy(word, arg, n);
    word[n] = 0;
    for (int i = 0; i < OPTION_ROWS && n > 2; i++) names[i] = option_table[i].name;
    return unknown(r, "option", word, names, "'netc --help' lists them");
}

/* Reads option argv[*i] by the row that fits; moves *i over an argument of its own. */
static bool read_option(Reader *r, int argc, char **argv, int *i) {
    const char *arg = argv[*i];
    for (const OptionRow *row = option_table; row < option_table + OPTION_ROWS; row++) {
        size_t n = strlen(row->name);
        if (strncmp(arg, row->name, n)) continue;
        const char *rest = arg + n;
        if (row->style == ARG_NONE && !*rest) return row->set(r, NULL);
        if (row->style == ARG_EQUALS && *rest == '=') return row->set(r, rest + 1);
        if (row->style == ARG_EQUALS && !*rest && strcmp(row->name, "--help")) return fail(r, "%s needs an argument: %s=%s", arg, arg, row->arg);
        if (row->style == ARG_NONE && *rest == '=' && n > 2) return fail(r, "%s takes no argument", row->name);
        if (row->style != ARG_JOINED && row->style != ARG_SPACED) continue;
        if (*rest) return row->set(r, rest);
        if (++*i >= argc) return fail(r, "%s needs an argument: %s", arg, row->arg);
        return row->set(r, argv[*i]);
    }
    return unknown_option(r, arg);
}

static bool read_input(Reader *r, const char *arg) {
    if (r->o->input) return fail(r, "one source at a time: '%s' and '%s'", r->o->input, arg);
    r->o->input = arg;
    return *arg || fail(r, "the source's name is empty");
}

int options_parse(Options *o, Arena *a, Diag *diag, int argc, char **argv) {
    Reader r = {.o = o, .arena = a, .diag = diag};
    *o = (Options){.level = 2, .cpu = "native", .lines = true, .passes = {.stop_after = -1}};
    bool good = true, names_only = false;
    for (int i = 1; i < argc; i++) { /* to the end, so that every mistake is shown, and as --color and --diagnostics say */
        bool option = argv[i][0] == '-' && argv[i][1] && !names_only;
        if (option && !strcmp(argv[i], "--")) names_only = true;
        else good &= option ? read_option(&r, argc, argv, &i) : read_input(&r, argv[i]);
    }
    if (good && !o->input && !o->info) good = fail(&r, "no source; try 'netc --help'");
    for (int i = 0; i < SWITCH_COUNT; i++) o->on[i] = r.toggled[i] ? r.toggled[i] > 0 : o->level > 0;
    return good ? EXIT_OK : EXIT_USAGE;
}

const Emit *options_emit(const Options *o, EmitKind kind) {
    for (int i = 0; i < o->emits.n; i++)
        if (o->emits.at[i].kind == kind) return &o->emits.at[i];
    return NULL;
}

/* ---- help ---- */

static void help_row(Text *out, const char *left, const char *doc) {
    text_printf(out, strlen(left) > 26 ? "  %s\n%30s%s\n" : "  %-28s%s%s\n", left, "", doc);
}

void options_help(Text *out) {
    char left[96];
    text_printf(out, "usage: netc [options] FILE.net\n\nCompiles a network into a program that trains and runs it. FILE.net may be - for standard input;\n"
                     "FILE.graph and FILE.loops, as --emit prints them, go on from there.\n\n");
    for (const OptionRow *row = option_table; row < option_table + OPTION_ROWS; row++) {
        const char *join = row->style == ARG_EQUALS ? "=" : row->style == ARG_SPACED ? " " : "";
        snprintf(left, sizeof left, "%s%s%s", row->name, join, row->arg ? row->arg : "");
        help_row(out, left, row->doc);
    }
    text_printf(out, "\nexit codes: 0 done, 1 errors in the source, 2 usage, 3 data, 4 input/output, 6 environment, 70 a bug of netc\n");
}

void options_help_optimizers(Text *out) {
    char left[96];
    text_printf(out, "optimisations, switched by -fNAME and -fno-NAME; on from -O1, off at -O0:\n");
    for (int i = 0; i < SWITCH_COUNT; i++) {
        snprintf(left, sizeof left, "%s", switches[i].name);
        help_row(out, left, switches[i].doc);
    }
}

void options_help_warnings(Text *out) {
    char left[96];
    text_printf(out, "warnings, switched by -WNAME and -Wno-NAME; made errors by -Werror (all) or -Werror=NAME, and warnings again by -Wno-error=NAME.\n"
                     "-Wall is those marked *, -Wunused those called unused-..., -Weverything all of them; -w is none, whatever -W says.\n");
    for (const DiagWarning *w = diag_warnings; w->name; w++) {
        snprintf(left, sizeof left, "%c %s%s", w->common ? '*' : ' ', w->name, w->on ? " (on)" : "");
        help_row(out, left, w->doc);
    }
}
