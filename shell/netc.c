/* netc.c: netc's command line, and what its manual page and the editors' grammars tell of the language, from the compiler's tables. */
#include "cli.h"
#include "elab.h"
#include "options.h"

#include <string.h>

enum { MOST = 80 }; /* rows of a table */

static const CliTerm switches[] = {
#define SWITCH(id, name, doc) {name, doc},
#include "switches.def"
    {NULL, NULL}};
static const CliTerm passes[] = {
#define PASS(id, name, doc) {name, doc},
#include "passes.def"
    {NULL, NULL}};

/* "conv(channels, kernel, stride=1)" from the signature "channels:count kernel:counts stride:counts=1". */
static const char *layer_heading(Arena *a, const LayerInfo *l) {
    const char *heading = l->name, *between = "(";
    for (const char *s = l->arguments; *s; s += *s == ' ') {
        size_t word = strcspn(s, " "), name = strcspn(s, ":"), type = strcspn(s, "= ");
        heading = arena_printf(a, "%s%s%.*s%.*s", heading, between, (int)name, s, (int)(word - type), s + type);
        between = ", ";
        s += word;
    }
    return *between == ',' ? arena_printf(a, "%s)", heading) : heading;
}

/* What the lists are filled with: each keeps a row for the null name behind the last. */
typedef struct Terms { CliTerm at[MOST]; int n; } Terms;
static void add(Terms *t, const char *name, const char *doc) {
    ENSURE(t->n + 1 < MOST);
    t->at[t->n++] = (CliTerm){name, doc};
}

static Terms warnings, signatures, layers, functions, records, settings;

static void add_settings(void) {
    for (const char *const *path = elab_train_paths; *path; path++) add(&settings, *path + strlen("train."), "");
}

static void fill_lists(Arena *a) {
    for (const DiagWarning *w = diag_warnings; w->name; w++) add(&warnings, w->name, w->on ? arena_printf(a, "%s (on)", w->doc) : w->doc);
    for (const LayerInfo *l = layer_table; l->name; l++) {
        add(&layers, l->name, l->doc);
        add(&signatures, layer_heading(a, l), l->doc);
    }
    for (const FunctionInfo *f = elab_functions; f->name; f++) add(&functions, f->name, "");
    for (const RecordInfo *r = elab_records; r->name; r++) add(&records, r->name, r->setting);
    add_settings();
}

static const CliList lists[] = {
    {"switches", switches},         {"passes", passes},           {"warnings", warnings.at}, {"signatures", signatures.at},
    {"layers", layers.at},          {"functions", functions.at},  {"records", records.at},   {"settings", settings.at},
    {NULL, NULL},
};

/* ---- what arguments can be ---- */

static const char **names_of(Arena *a, const CliTerm *terms, bool negated) {
    const char **words = ARENA_ARRAY(a, const char *, 2 * MOST);
    for (int n = 0; terms->name; terms++) {
        words[n++] = terms->name;
        if (negated) words[n++] = arena_printf(a, "no-%s", terms->name);
    }
    return words;
}

/* The words of "auto|always|never", or of "0..3". */
static const char **choices(Arena *a, const char *arg) {
    const char **words = ARENA_ARRAY(a, const char *, MOST);
    int n = 0;
    if (strlen(arg) == 4 && !strncmp(arg + 1, "..", 2)) {
        for (char c = arg[0]; c <= arg[3]; c++) words[n++] = arena_str(a, &c, 1);
        return words;
    }
    for (const char *s = arg; *s; s += *s == '|') {
        size_t length = strcspn(s, "|");
        words[n++] = arena_str(a, s, length);
        s += length;
    }
    return words;
}

static const char **kinds(Arena *a) {
    const char **words = ARENA_ARRAY(a, const char *, EMIT_COUNT + 2);
    for (int i = 0; i < EMIT_COUNT; i++) words[i] = emit_names[i];
    words[EMIT_COUNT] = "graph:forward";
    return words;
}

/* Null where the argument is the user's own: a file, a name. */
static const char *const *words_of(Arena *a, const OptionRow *row) {
    if (!row->arg) return NULL;
    if (!strcmp(row->name, "--emit")) return kinds(a);
    if (!strcmp(row->name, "-f")) return names_of(a, switches, true);
    if (!strcmp(row->name, "-W")) return names_of(a, warnings.at, true);
    if (!strcmp(row->arg, "PASS")) return names_of(a, passes, false);
    bool chosen = strchr(row->arg, '|') || strstr(row->arg, "..") || (row->arg[0] >= 'a' && row->arg[0] <= 'z');
    return chosen ? choices(a, row->arg) : NULL;
}

const Cli *cli_describe(void) {
    static const CliForm forms[] = {[ARG_NONE] = CLI_FLAG, [ARG_JOINED] = CLI_TIGHT, [ARG_SPACED] = CLI_SPACED, [ARG_EQUALS] = CLI_EQUALS};
    static const char *const suffixes[] = {"net", "graph", "loops", NULL};
    static CliOption options[MOST];
    static Cli cli = {.program = "netc", .suffixes = suffixes, .options = options, .lists = lists};
    static Arena *a; /* lives as long as the process */
    a = arena_new();
    fill_lists(a);
    for (int i = 0; option_table[i].name; i++) {
        const OptionRow *row = &option_table[i];
        ENSURE(i + 1 < MOST);
        options[i] = (CliOption){forms[row->style], row->name, row->arg, row->doc, words_of(a, row), ~0u};
    }
    return &cli;
}
