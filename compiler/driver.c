/* driver.c: see driver.h; the pipeline, from the command line to the files that are written.
 *
 * Each stage is a function that returns false when netc is to end, its exit code then in d->code: either something is
 * wrong (and reported), or what was asked for is done. Outputs are written at the end of the stage that makes them.
 */
#include "driver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "algorithm.h"
#include "elaborate.h"
#include "emit_llvm.h"
#include "grad.h"
#include "graph_dot.h"
#include "graph_text.h"
#include "html.h"
#include "infer.h"
#include "link.h"
#include "loop_text.h"
#include "map.h"
#include "options.h"
#include "parse.h"
#include "program.h"
#include "rematerialize.h"
#include "scan_text.h"
#include "summary.h"
#include "target.h"
#include "timing.h"
#include "tune.h"

enum { MAX_TIMING_FILE = 1 << 26 };

typedef struct Driver {
    Arena *arena;
    Diag *diag;
    Options options;
    Passes passes;
    int code;
    int file;        /* of the source, in the Diag */
    const Ast *ast;
    Graph *graph;
    const Target *target;
    Tuned tuned;     /* what --tune has found for it */
    Program *program;
    const Timing *timing;
    Emitted *code_module;
} Driver;

static bool stop(Driver *d, int code) {
    d->code = code;
    return false;
}

/* One message that is not about a place in the source. */
static bool fail(Driver *d, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool fail(Driver *d, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    diag_verror(d->diag, (Span){0}, fmt, ap);
    va_end(ap);
    return stop(d, code);
}

static bool has_suffix(const char *s, const char *suffix) {
    size_t n = strlen(s), m = strlen(suffix);
    return n > m && !strcmp(s + n - m, suffix);
}

/* ---- outputs ---- */

static bool is_text(EmitKind kind) { return kind != EMIT_LLVM_BC && kind != EMIT_OBJ && kind != EMIT_HTML && kind != EMIT_EXE; }

/* Behind the stem, in the names of outputs that do not go to standard output. */
static const char *suffix(EmitKind kind) { return kind == EMIT_OBJ ? ".o" : kind == EMIT_LLVM_BC ? ".bc" : kind == EMIT_HTML ? ".html" : ""; }

/* The source's name without its folder and suffix: what outputs are named after. Null where it has no suffix to drop. */
static const char *stem(const Driver *d) {
    const char *path = d->options.input, *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    const char *const suffixes[] = {".net", ".graph", ".loops"};
    for (int i = 0; i < 3; i++)
        if (has_suffix(base, suffixes[i])) return arena_str(d->arena, base, strlen(base) - strlen(suffixes[i]));
    return NULL;
}

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Where an output goes: its own PATH, else -o, else (text) stdout or (binary) a name made from the source's. Null after an error. */
static const char *output_path(Driver *d, const Emit *emit) {
    const char *path = emit->path ? emit->path : d->options.output;
    if (!path && is_text(emit->kind)) path = "-";
    if (!path && !stem(d)) {
        fail(d, EXIT_USAGE, "no name for the output can be made from '%s': say -o FILE", d->options.input);
        return NULL;
    }
    if (!path) path = arena_printf(d->arena, "%s%s", stem(d), suffix(emit->kind));
    if (strcmp(path, "-") && same_file(path, d->options.input)) {
        fail(d, EXIT_USAGE, "output '%s' is the source itself", path);
        return NULL;
    }
    return path;
}

static bool write_output(Driver *d, const Emit *emit, const Text *text) {
    const char *path = output_path(d, emit);
    if (!path) return false;
    int error = file_write(path, text->at ? text->at : "", text->n, 0644);
    return !error || fail(d, EXIT_IO, "cannot write '%s': %s", strcmp(path, "-") ? path : "standard output", strerror(error));
}

/* Writes every output of this kind, as `print` prints it. */
static bool write_all(Driver *d, EmitKind kind, bool forward, void (*print)(void *d, Text *out)) {
    for (int i = 0; i < d->options.emits.n; i++) {
        const Emit *e = &d->options.emits.at[i];
        if (e->kind != kind || e->forward != forward) continue;
        Text t = {0};
        print(d, &t);
        bool good = write_output(d, e, &t);
        text_free(&t);
        if (!good) return false;
    }
    return true;
}

/* Is every output that was asked for one of the stages up to `last`? Kinds are in the order of the stages. */
static bool nothing_after(const Driver *d, EmitKind last) {
    for (int i = 0; i < d->options.emits.n; i++)
        if (d->options.emits.at[i].kind > last) return false;
    return d->options.emits.n > 0;
}

/* The path that the command line gives an output, or null where it gives none. */
static const char *given_path(const Driver *d, int i) {
    const char *path = d->options.emits.at[i].path;
    return path ? path : d->options.output;
}

/* The first output that can be made from this kind of source, by its suffix. */
static EmitKind first_output(const Driver *d) {
    const char *path = d->options.input;
    return has_suffix(path, ".loops") ? EMIT_PLAN : has_suffix(path, ".graph") ? EMIT_GRAPH : EMIT_TOKENS;
}

/* Every output has a name of its own, and the source is early enough for it. */
static bool check_outputs(Driver *d) {
    const Emit *emit = d->options.emits.at;
    int nameless = 0, n = d->options.emits.n;
    for (int i = 0; i < n; i++) nameless += !emit[i].path;
    if (nameless > 1 && d->options.output)
        return fail(d, EXIT_USAGE, "-o %s names one output, but %d have no =PATH of their own", d->options.output, nameless);
    for (int i = 0; i < n; i++) {
        const char *path = given_path(d, i);
        for (int j = 0; path && strcmp(path, "-") && j < i; j++)
            if (given_path(d, j) && !strcmp(path, given_path(d, j))) return fail(d, EXIT_USAGE, "two outputs have the same name '%s'", path);
        if (emit[i].kind < first_output(d))
            return fail(d, EXIT_USAGE, "--emit=%s: '%s' comes after that stage", emit_names[emit[i].kind], d->options.input);
    }
    return true;
}

/* What was measured has no other place than the page. */
static bool check_timing(Driver *d) {
    return !d->options.timing || options_emit(&d->options, EMIT_HTML) || fail(d, EXIT_USAGE, "--timing=%s is shown by --emit=html, which is not asked for", d->options.timing);
}

/* Constants and settings stand in a .net file; later forms have neither. */
static bool check_defines(Driver *d) {
    return !d->options.defines.n || first_output(d) == EMIT_TOKENS ||
           fail(d, EXIT_USAGE, "-D %s: '%s' has no constants any more; -D works on a .net file", d->options.defines.at[0], d->options.input);
}

static void print_tokens(void *d, Text *out) { parse_tokens(out, ((Driver *)d)->arena, ((Driver *)d)->diag, ((Driver *)d)->file); }
static void print_ast(void *d, Text *out) { ast_print(out, ((Driver *)d)->diag, ((Driver *)d)->ast); }
static void print_graph(void *d, Text *out) { graph_print(((Driver *)d)->graph, out, false); }
static void print_forward(void *d, Text *out) { graph_print(((Driver *)d)->graph, out, true); }
static void print_dot(void *d, Text *out) { graph_print_dot(((Driver *)d)->graph, out); }
static void print_plan(void *d, Text *out) { program_print_plan(((Driver *)d)->program, out); }
static void print_loops(void *d, Text *out) { loop_print(((Driver *)d)->program, out); }
static void print_ir(void *d, Text *out) { emit_write(((Driver *)d)->code_module, EMIT_IR, out); }
static void print_bitcode(void *d, Text *out) { emit_write(((Driver *)d)->code_module, EMIT_BITCODE, out); }
static void print_assembly(void *d, Text *out) { emit_write(((Driver *)d)->code_module, EMIT_ASSEMBLY, out); }
static void print_object(void *d, Text *out) { emit_write(((Driver *)d)->code_module, EMIT_OBJECT, out); }

/* Ends a pass: false where --stop-after says so. */
static bool end_pass(Driver *d, PassId id, const char *form, void (*print)(void *, Text *)) {
    return pass_end(&d->passes, id, form, print, d) || stop(d, diag_errors(d->diag) ? EXIT_SOURCE : EXIT_OK);
}

/* ---- stages ---- */

static bool print_info(Driver *d) {
    Text t = {0};
    switch (d->options.info) {
    case INFO_NONE: return true;
    case INFO_HELP: options_help(&t); break;
    case INFO_HELP_OPTIMIZERS: options_help_optimizers(&t); break;
    case INFO_HELP_WARNINGS: options_help_warnings(&t); break;
    case INFO_VERSION: text_printf(&t, "netc %s\n", NETC_VERSION); break;
    case INFO_PASSES: pass_list(&t); break;
    case INFO_TARGETS: target_print(stdout); break;
    }
    if (t.n) fwrite(t.at, 1, t.n, stdout);
    text_free(&t);
    return stop(d, fflush(stdout) ? EXIT_IO : EXIT_OK);
}

static bool read_source(Driver *d) {
    const char *path = d->options.input;
    bool ir = has_suffix(path, ".graph") || has_suffix(path, ".loops");
    char *text;
    size_t n, most = ir ? SCAN_MAX_TEXT : PARSE_MAX_FILE;
    int error = file_read(path, most, &text, &n);
    if (error == EFBIG) return fail(d, EXIT_SOURCE, "'%s' has more than %zu bytes", path, most);
    if (error) return fail(d, EXIT_IO, "cannot read '%s': %s", path, strerror(error));
    d->file = diag_add_file(d->diag, strcmp(path, "-") ? path : "<stdin>", arena_str(d->arena, text, n), n);
    free(text);
    return true;
}

/* The text's tokens and tree, where they are asked for; d->ast. */
static bool parse_source(Driver *d) {
    if (options_emit(&d->options, EMIT_TOKENS)) {
        if (!write_all(d, EMIT_TOKENS, false, print_tokens)) return false;
        if (diag_errors(d->diag)) return stop(d, EXIT_SOURCE);
        if (nothing_after(d, EMIT_TOKENS)) return stop(d, EXIT_OK);
    }
    pass_begin(&d->passes, PASS_PARSE);
    d->ast = parse_file(d->arena, d->diag, d->file);
    if (diag_errors(d->diag)) return stop(d, EXIT_SOURCE);
    bool goes_on = end_pass(d, PASS_PARSE, "ast", print_ast);
    if (!write_all(d, EMIT_AST, false, print_ast) || !goes_on) return false;
    return !nothing_after(d, EMIT_AST) || stop(d, EXIT_OK);
}

/* The -D definitions as files of the Diag, so that errors in them have places. */
static const int *define_files(Driver *d) {
    int *files = ARENA_ARRAY(d->arena, int, d->options.defines.n);
    for (int i = 0; i < d->options.defines.n; i++) {
        const char *text = d->options.defines.at[i];
        files[i] = diag_add_file(d->diag, "-D", text, strlen(text));
    }
    return files;
}

static bool print_summary(Driver *d, const Model *m) {
    Text t = {0};
    summary_print(&t, d->arena, m);
    int error = file_write("-", t.at, t.n, 0);
    text_free(&t);
    return !error || fail(d, EXIT_IO, "cannot write 'standard output': %s", strerror(error));
}

/* In debug and test builds: a form that its verifier refuses is a bug of ours. */
static void verify_graph(const Graph *g) {
    const char *error = NETC_VERIFY ? graph_verify(g) : NULL;
    if (error) BUG("%s", error);
}

static void verify_loops(const Program *p) {
    const char *error = NETC_VERIFY ? loop_verify(p) : NULL;
    if (error) BUG("%s", error);
}

static bool only_shapes(const Driver *d) { return d->options.check || d->options.summary; }

/* Stops here where only shapes were asked for. */
static bool want_graph(Driver *d, const Model *m) {
    if (d->options.summary && !print_summary(d, m)) return false;
    return !only_shapes(d) || stop(d, diag_errors(d->diag) ? EXIT_SOURCE : EXIT_OK);
}

/* From the tree to the graph of the forward pass. */
static bool elaborate_source(Driver *d) {
    ElaborateOptions options = {d->options.include.at, d->options.include.n, define_files(d), d->options.defines.n};
    pass_begin(&d->passes, PASS_ELABORATE);
    Elaborated *e = elaborate(d->arena, d->diag, d->file, d->ast, &options);
    if (!e) return stop(d, EXIT_SOURCE);
    if (only_shapes(d)) end_pass(d, PASS_ELABORATE, NULL, NULL); /* layers without operators leave no graph to show */
    if (!want_graph(d, e->model)) return false;
    d->graph = e->graph;
    graph_sweep(d->graph);
    verify_graph(d->graph);
    bool goes_on = end_pass(d, PASS_ELABORATE, "graph", print_graph);
    return write_all(d, EMIT_GRAPH, true, print_forward) && goes_on;
}

static bool read_graph(Driver *d) {
    d->graph = graph_parse(d->arena, d->diag, d->file);
    if (!d->graph) return stop(d, EXIT_SOURCE);
    return want_graph(d, d->graph->model) && write_all(d, EMIT_GRAPH, true, print_forward);
}

/* The network of inference beside the one that is trained. */
static bool add_inference(Driver *d) {
    pass_begin(&d->passes, PASS_INFER);
    infer_build(d->graph);
    return end_pass(d, PASS_INFER, "graph", print_graph);
}

/* The training graph: forward, backward, update. */
static bool differentiate(Driver *d) {
    pass_begin(&d->passes, PASS_DIFFERENTIATE);
    const char *error = grad_build(d->graph);
    if (error) return fail(d, EXIT_SOURCE, "%s", error);
    if (!end_pass(d, PASS_DIFFERENTIATE, "graph", print_graph)) return false;
    pass_begin(&d->passes, PASS_SWEEP);
    graph_sweep(d->graph);
    verify_graph(d->graph);
    bool goes_on = end_pass(d, PASS_SWEEP, "graph", print_graph);
    if (!write_all(d, EMIT_GRAPH, false, print_graph) || !write_all(d, EMIT_DOT, false, print_dot) || !goes_on) return false;
    return !nothing_after(d, EMIT_DOT) || stop(d, EXIT_OK);
}

static bool choose_target(Driver *d) {
    const char *error = NULL, *march = strcmp(d->options.cpu, "native") ? d->options.cpu : NULL;
    d->target = target_new(d->arena, march, d->options.target, &error);
    return d->target || fail(d, EXIT_USAGE, "%s", error);
}

static PlanOptions plan_switches(const Driver *d) {
    PlanOptions p = plan_options(d->target, d->options.level);
    p.fuse = d->options.on[SWITCH_FUSE];
    p.depth_first = d->options.on[SWITCH_DEPTH_FIRST];
    p.tile = d->options.on[SWITCH_TILE];
    p.partial = d->options.on[SWITCH_PARTIAL];
    p.rematerialize = d->options.on[SWITCH_REMATERIALIZE];
    p.winograd = d->options.on[SWITCH_WINOGRAD];
    p.tuned = d->options.on[SWITCH_TUNED] ? &d->tuned : NULL;
    p.prefetch = d->options.on[SWITCH_PREFETCH];
    if (!d->options.on[SWITCH_STREAM]) p.stream_bytes = 0;
    return p;
}

/* What earlier runs of --tune have found. A file that cannot be used stops a new run, which would replace it; others go on without. */
static bool load_tuned(Driver *d) {
    const char *path = tuned_path(d->arena), *machine = arena_printf(d->arena, "%s %s", d->target->tune, d->target->cpu);
    d->tuned = (Tuned){.arena = d->arena, .machine = machine};
    if (!d->options.on[SWITCH_TUNED] || !path) return true;
    const char *why = tuned_load(&d->tuned, d->arena, machine, path);
    if (why && d->options.tune > 0) return fail(d, EXIT_IO, "%s", why);
    if (why) diag_warning(d->diag, (Span){0}, "tuned", "%s; the file is not used", why);
    return true;
}

static EmitOptions emit_switches(const Driver *d, int parts) {
    return (EmitOptions){.opt_level = d->options.level, .debug = d->options.lines, .share = d->options.on[SWITCH_SHARE], .parts = parts};
}

/* --tune: measures, and keeps what it finds for this compilation and later ones. */
static bool tune(Driver *d) {
    if (d->options.tune <= 0) return true;
    const char *path = tuned_path(d->arena);
    if (!d->target->host || !d->target->native) return fail(d, EXIT_USAGE, "--tune measures on this machine, which cannot run code for %s", d->target->cpu);
    if (!d->options.on[SWITCH_TUNED] || !d->options.on[SWITCH_WINOGRAD]) return fail(d, EXIT_USAGE, "--tune needs -ftuned and -fwinograd");
    if (!path) return fail(d, EXIT_IO, "--tune: neither XDG_CACHE_HOME nor HOME says where to keep what it finds");
    TuneJob job = {.diag = d->diag, .graph = d->graph, .target = d->target, .plan = plan_switches(d), .emit = emit_switches(d, EMIT_PARTS_MAX), .seconds = d->options.tune};
    job.plan.tuned = NULL;
    job.emit.debug = false;
    int code = tune_network(&job, &d->tuned);
    if (code) return stop(d, code);
    int error = tuned_save(&d->tuned, path);
    if (error) return fail(d, EXIT_IO, "cannot write '%s': %s", path, strerror(error));
    fprintf(stderr, "tuning: kept in %s\n", path);
    return true;
}

static bool write_loops(Driver *d) {
    if (!write_all(d, EMIT_PLAN, false, print_plan) || !write_all(d, EMIT_LOOPS, false, print_loops)) return false;
    return !nothing_after(d, EMIT_LOOPS) || stop(d, EXIT_OK);
}

static bool rematerialize_maps(Driver *d) {
    PlanOptions options = plan_switches(d);
    pass_begin(&d->passes, PASS_REMATERIALIZE);
    rematerialize(d->graph, &options);
    verify_graph(d->graph);
    return end_pass(d, PASS_REMATERIALIZE, "graph", print_graph);
}

/* Each convolution as it is to be computed. */
static bool choose_algorithms(Driver *d) {
    PlanOptions options = plan_switches(d);
    pass_begin(&d->passes, PASS_ALGORITHM);
    algorithm_choose(d->graph, &options);
    graph_sweep(d->graph);
    verify_graph(d->graph);
    return end_pass(d, PASS_ALGORITHM, "graph", print_graph);
}

/* The graph as kernels. */
static bool lower_graph(Driver *d) {
    PlanOptions options = plan_switches(d);
    pass_begin(&d->passes, PASS_LOWER);
    d->program = program_lower(d->arena, d->diag, d->graph, &options);
    if (diag_errors(d->diag)) return stop(d, EXIT_SOURCE); /* warnings that are errors */
    verify_loops(d->program);
    bool goes_on = end_pass(d, PASS_LOWER, "loops", print_loops);
    return write_loops(d) && goes_on;
}

static bool read_loops(Driver *d) {
    d->program = loop_parse(d->arena, d->diag, d->file);
    if (!d->program) return stop(d, EXIT_SOURCE);
    return want_graph(d, d->program->model) && write_loops(d);
}

/* Does somebody look at the module? Then it has to be one. */
static bool shows_module(const Driver *d) {
    static const EmitKind forms[] = {EMIT_LLVM_IR, EMIT_LLVM_BC, EMIT_ASM, EMIT_OBJ, EMIT_HTML};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (options_emit(&d->options, forms[i])) return true;
    const PassOptions *p = &d->options.passes;
    return p->print_changed || p->print_after[PASS_EMIT] || p->print_after[PASS_CODEGEN];
}

/* The first kernel of the timing that the program does not have, or null. */
static const char *strange_kernel(const Program *p, const Timing *t) {
    Map known = {0};
    for (int i = 0; i < p->kernels.n; i++) *map_at(p->arena, &known, arena_name(p->arena, p->kernels.at[i]->name)) = p->kernels.at[i];
    for (int i = 0; i < t->kernels.n; i++)
        if (!map_get(&known, arena_name(p->arena, t->kernels.at[i].name))) return t->kernels.at[i].name;
    return NULL;
}

/* d->timing, where it is asked for. */
static bool read_timing(Driver *d) {
    const char *path = d->options.timing, *wrong = NULL;
    char *text;
    size_t n, at = 0;
    if (!path) return true;
    int error = file_read(path, MAX_TIMING_FILE, &text, &n);
    if (error) return fail(d, EXIT_IO, "cannot read '%s': %s", path, strerror(error));
    d->timing = timing_parse(d->arena, text, n, &at, &wrong);
    free(text);
    if (!d->timing) return fail(d, EXIT_DATA, "'%s', byte %zu: %s; what 'NAME time --json' prints is wanted", path, at, wrong);
    const char *strange = strange_kernel(d->program, d->timing);
    return !strange || fail(d, EXIT_DATA, "'%s' tells of a kernel '%s' that is not here: it was measured for another network, other options or another processor", path, strange);
}

static void print_page(void *context, Text *out) {
    Driver *d = context;
    Text ir = {0}, assembly = {0};
    PlanOptions plan = plan_switches(d);
    print_ir(d, &ir);
    print_assembly(d, &assembly);
    HtmlPage page = {.input = d->options.input, .defines = d->options.defines.at, .ndefines = d->options.defines.n, .diag = d->diag,
                     .graph = d->graph, .program = d->program, .machine = &plan.machine, .target = d->target->cpu, .timing = d->timing, .ir = &ir, .assembly = &assembly};
    html_print(d->arena, &page, out);
    text_free(&ir);
    text_free(&assembly);
}

/* Machine code that is asked for as such. */
static bool write_code(Driver *d) {
    if (!options_emit(&d->options, EMIT_ASM) && !options_emit(&d->options, EMIT_OBJ)) return true;
    pass_begin(&d->passes, PASS_CODEGEN);
    if (!write_all(d, EMIT_ASM, false, print_assembly) || !write_all(d, EMIT_OBJ, false, print_object)) return false;
    return end_pass(d, PASS_CODEGEN, "asm", print_assembly);
}

/* The kernels as LLVM IR, and what is made of that but for the executable. */
static bool generate(Driver *d) {
    EmitOptions options = emit_switches(d, shows_module(d) ? 1 : EMIT_PARTS_MAX);
    if (!read_timing(d)) return false;
    pass_begin(&d->passes, PASS_EMIT);
    d->code_module = emit_program(d->arena, d->program, d->diag, d->target, &options);
    bool goes_on = end_pass(d, PASS_EMIT, "llvm-ir", print_ir);
    if (!write_all(d, EMIT_LLVM_IR, false, print_ir) || !write_all(d, EMIT_LLVM_BC, false, print_bitcode) || !goes_on) return false;
    if (!write_code(d) || !write_all(d, EMIT_HTML, false, print_page)) return false;
    return !nothing_after(d, EMIT_HTML) || stop(d, EXIT_OK);
}

static bool link_to(Driver *d, const Text *objects, int n, const char *path) {
    Type in = d->program->model->input;
    bool pictures = in.rank == 3 && (in.dim[0] == 1 || in.dim[0] == 3); /* what `predict FILE` and images() can feed */
    LinkOptions options = {.pictures = pictures, .strip = !d->options.lines, .verbose = d->options.verbose, .dry_run = d->options.dry_run};
    pass_begin(&d->passes, PASS_LINK);
    int code = link_executable(d->arena, d->diag, objects, n, path, &options);
    return code ? stop(d, code) : end_pass(d, PASS_LINK, NULL, NULL);
}

static bool make_executable(Driver *d) {
    const Emit *asked = options_emit(&d->options, EMIT_EXE);
    const char *path = output_path(d, asked ? asked : &(Emit){.kind = EMIT_EXE});
    if (!path) return false;
    if (!d->target->host) return fail(d, EXIT_USAGE, "an executable for '%s' cannot be linked here: say --emit=obj", d->target->triple);
    Text objects[EMIT_PARTS_MAX];
    pass_begin(&d->passes, PASS_CODEGEN);
    int n = emit_objects(d->code_module, objects);
    bool good = end_pass(d, PASS_CODEGEN, "asm", print_assembly) && link_to(d, objects, n, path);
    for (int i = 0; i < n; i++) text_free(&objects[i]);
    return good;
}

/* From the source, or from a text form of a later stage, to the graph or the program. */
static bool front_end(Driver *d) {
    if (!check_outputs(d) || !check_timing(d) || !check_defines(d) || !choose_target(d) || !read_source(d)) return false;
    if (has_suffix(d->options.input, ".loops")) return read_loops(d);
    bool good = has_suffix(d->options.input, ".graph") ? read_graph(d) : parse_source(d) && elaborate_source(d);
    return good && add_inference(d) && differentiate(d) && rematerialize_maps(d) && load_tuned(d) && tune(d) && choose_algorithms(d) && lower_graph(d);
}

static void run(Driver *d) {
    if (print_info(d) && front_end(d) && generate(d)) make_executable(d);
    if (d->code_module) emit_free(d->code_module);
    const char *missing = d->code || diag_errors(d->diag) ? NULL : pass_not_run(&d->passes);
    if (missing) diag_note(d->diag, (Span){0}, "pass '%s' of --print-after did not run: what was asked for needs no more than the passes before, or begins behind it", missing);
    if (!d->passes.options.time) return;
    Text t = {0};
    pass_print_times(&d->passes, &t);
    fputs(t.at, stderr);
    text_free(&t);
}

int driver_main(int argc, char **argv) {
    Driver d = {.arena = arena_new()};
    d.diag = diag_new(d.arena);
    d.code = options_parse(&d.options, d.arena, d.diag, argc, argv);
    if (!d.code) {
        d.passes.options = d.options.passes;
        run(&d);
        if (!d.code && diag_errors(d.diag)) d.code = EXIT_SOURCE; /* a warning that is an error */
        pass_free(&d.passes);
    }
    diag_flush(d.diag, stderr, d.options.color, d.options.json);
    arena_free(d.arena);
    return d.code;
}
