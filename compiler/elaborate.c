/* elaborate.c: see elaborate.h and elab.h; files and their definitions, statements, the network and its loss.
 *
 * Order of work: read the main file's imports (each file once, so cycles are harmless), enter the definitions, apply -D, run the
 * network's body, read train, check, add the loss. Constants are evaluated when first needed.
 */
#include "elab.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

/* ---- errors ---- */

bool elab_reported(const Elab *e, Span s) {
    for (int i = 0; s.file && i < e->reported.n; i++) {
        Span r = e->reported.at[i];
        if (r.file == s.file && r.start == s.start && r.end == s.end) return true;
    }
    return false;
}

static bool report(Elab *e, Span s, const char *fmt, va_list ap) {
    if (elab_reported(e, s)) return false;
    if (s.file && e->reported.n < 2 * DIAG_LIMIT) VEC_PUSH(e->arena, &e->reported, s);
    diag_verror(e->diag, s, fmt, ap);
    return true;
}

Span elab_place(const Elab *e, Span s) {
    s.call = e->call;
    return s;
}

bool elab_error(Elab *e, Span s, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    bool reported = report(e, s, fmt, ap);
    va_end(ap);
    return reported;
}

const char *elab_call_text(Elab *e, const Frame *f) {
    const char *s = f->block->name;
    for (int i = 0; i < f->block->nparams; i++) s = arena_printf(e->arena, "%s%s%s", s, i ? ", " : "(", value_text(e->arena, f->args[i]));
    return f->block->nparams ? arena_printf(e->arena, "%s)", s) : s;
}

void elab_stack(Elab *e) {
    enum { MOST = 6 };
    int n = 0, line, column;
    for (const Frame *f = e->frame; f; f = f->caller) {
        if (!f->block || n++ >= MOST) continue;
        diag_place(e->diag, f->call, &line, &column);
        diag_note(e->diag, f->call, "in %s, called from line %d", elab_call_text(e, f), line);
    }
    if (n > MOST) diag_note(e->diag, (Span){0}, "and %d more calls", n - MOST);
}

Value elab_fail(Elab *e, Span s, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    if (report(e, s, fmt, ap)) elab_stack(e);
    va_end(ap);
    return value_error();
}

bool elab_step(Elab *e, Span s) {
    if (e->stop) return false;
    if (--e->steps > 0) return true;
    e->stop = true;
    elab_fail(e, s, "evaluation takes more than %d steps", ELAB_MAX_STEPS);
    return false;
}

/* ---- names ---- */

const Binding *elab_find_local(const Elab *e, const char *name) {
    int at = (int)(intptr_t)map_get(&e->names, name) - 1;
    return at >= e->frame->base ? &e->bindings.at[at] : NULL;
}

bool elab_name_free(Elab *e, const char *name, Span span) {
    const Binding *local = elab_find_local(e, name);
    const Def *def = map_get(&e->frame->module->defs, name);
    if (map_get(&e->builtins, name)) {
        elab_fail(e, span, "'%s' is a builtin name and cannot be defined again", name);
        return false;
    }
    if (!local && !def) return true;
    if (elab_error(e, span, "'%s' is already defined", name)) {
        diag_note(e->diag, local ? local->span : def->span, "the first definition is here");
        elab_stack(e);
    }
    return false;
}

void elab_bind(Elab *e, const char *name, Value v, Span span) {
    if (!elab_name_free(e, name, span)) return;
    void **top = map_at(e->arena, &e->names, name);
    Binding b = {name, v, span, (int)(intptr_t)*top};
    VEC_PUSH(e->arena, &e->bindings, b);
    *top = (void *)(intptr_t)e->bindings.n;
}

void elab_unbind(Elab *e, int mark) {
    while (e->bindings.n > mark) {
        const Binding *b = &e->bindings.at[--e->bindings.n];
        *map_at(e->arena, &e->names, b->name) = (void *)(intptr_t)b->hidden;
    }
}

Value elab_constant(Elab *e, Def *def) {
    if (def->state == DEF_DONE) return def->value;
    if (def->state == DEF_RUNNING) return elab_fail(e, def->span, "the constant '%s' is defined by itself", def->name);
    Frame *frame = ARENA_NEW(e->arena, Frame), *outer_frame = e->frame;
    *frame = (Frame){.module = def->module, .caller = outer_frame, .base = e->bindings.n, .names = {"", {0}}};
    Value outer = e->it;
    def->state = DEF_RUNNING;
    e->frame = frame;
    e->it = (Value){.kind = VALUE_NONE};
    def->value = elab_eval(e, def->ast);
    e->it = outer;
    e->frame = outer_frame;
    def->state = DEF_DONE;
    return def->value;
}

/* ---- statements ---- */

static void run_statement(Elab *e, const Ast *stmt);

void elab_statements(Elab *e, const Ast *body) {
    for (int i = 0; i < body->n && !e->stop; i++) run_statement(e, body->kid[i]);
}

void elab_body(Elab *e, const Ast *body) {
    int mark = e->bindings.n;
    elab_statements(e, body);
    elab_unbind(e, mark);
}

static void run_repeat(Elab *e, const Ast *stmt) {
    Value n = elab_eval(e, stmt->kid[0]);
    if (n.kind == VALUE_ERROR) return;
    if (n.kind != VALUE_INT || n.i < 0) {
        elab_fail(e, stmt->kid[0]->span, "'repeat' needs an integer that is not negative, got %s", value_text(e->arena, n));
        return;
    }
    for (int64_t i = 0; i < n.i && elab_step(e, stmt->span); i++) elab_body(e, stmt->kid[1]);
}

/* Binds the names of a for's pattern to an element; false where it does not fit. */
static bool bind_pattern(Elab *e, const Ast *pattern, Value v) {
    if (!pattern->i) {
        elab_bind(e, pattern->kid[0]->text, v, pattern->kid[0]->span);
        return true;
    }
    if (v.kind != VALUE_TUPLE || v.tuple->n != pattern->n) {
        elab_fail(e, pattern->span, "the pattern has %d names, the element is %s", pattern->n, value_text(e->arena, v));
        return false;
    }
    for (int i = 0; i < pattern->n; i++) elab_bind(e, pattern->kid[i]->text, v.tuple->at[i], pattern->kid[i]->span);
    return true;
}

static void run_for(Elab *e, const Ast *stmt) {
    Value seq = elab_eval(e, stmt->kid[1]);
    if (seq.kind == VALUE_ERROR) return;
    if (seq.kind != VALUE_TUPLE) {
        elab_fail(e, stmt->kid[1]->span, "'for' goes through a tuple, got %s", value_text(e->arena, seq));
        return;
    }
    for (int i = 0; i < seq.tuple->n && elab_step(e, stmt->span); i++) {
        int mark = e->bindings.n;
        bool fits = bind_pattern(e, stmt->kid[0], seq.tuple->at[i]);
        if (fits) elab_statements(e, stmt->kid[2]);
        elab_unbind(e, mark);
        if (!fits) return;
    }
}

static void run_branch(Elab *e, const Ast *stmt) {
    Value c = elab_eval(e, stmt->kid[0]);
    if (c.kind == VALUE_ERROR) return;
    if (c.kind != VALUE_BOOL) {
        elab_fail(e, stmt->kid[0]->span, "'if' needs true or false, got %s", value_text(e->arena, c));
        return;
    }
    const Ast *chosen = c.i ? stmt->kid[1] : stmt->n > 2 ? stmt->kid[2] : NULL;
    if (!chosen) return;
    if (chosen->kind == AST_body) elab_body(e, chosen);
    else run_statement(e, chosen);
}

/* An expression as a statement: a layer is applied to `it`, a tensor becomes `it`. */
static void run_expression(Elab *e, const Ast *stmt) {
    Value v = elab_eval_layer(e, stmt);
    if (v.kind == VALUE_LAYER) v = elab_apply(e, v.layer, e->it);
    else if (v.kind != VALUE_TENSOR && v.kind != VALUE_ERROR) {
        elab_fail(e, stmt->span, "statement has value %s; expected a layer or tensor", value_text(e->arena, v));
        return;
    }
    e->it = v;
}

static void run_statement(Elab *e, const Ast *stmt) {
    if (!elab_step(e, stmt->span)) return;
    switch (stmt->kind) {
    case AST_assign: elab_bind(e, stmt->text, elab_eval(e, stmt->kid[0]), stmt->name_span); break;
    case AST_repeat: run_repeat(e, stmt); break;
    case AST_for: run_for(e, stmt); break;
    case AST_branch: run_branch(e, stmt); break;
    default: run_expression(e, stmt);
    }
}

/* ---- files ---- */

static Module *add_module(Elab *e, int file, const char *path, const char *real, const Ast *ast) {
    Module *m = ARENA_NEW(e->arena, Module);
    *m = (Module){.file = file, .path = path, .real = real, .ast = ast};
    VEC_PUSH(e->arena, &e->modules, m);
    Source source = {path, file};
    VEC_PUSH(e->arena, &e->model->sources, source);
    return m;
}

/* The canonical name of a path, interned; null and errno where there is no such file. */
static const char *canonical(Elab *e, const char *path) {
    char *real = realpath(path, NULL);
    if (!real) return NULL;
    const char *name = arena_name(e->arena, real);
    free(real);
    return name;
}

/* Where an import is: beside the importing file, else in the first -I folder that has it. */
static const char *find_import(Elab *e, const Module *m, const char *text) {
    const char *slash = strrchr(m->path, '/'), *beside = text;
    if (*text == '/') return text;
    if (slash) beside = arena_printf(e->arena, "%.*s/%s", (int)(slash - m->path), m->path, text);
    if (canonical(e, beside)) return beside;
    for (int i = 0; i < e->options->nincludes; i++) {
        const char *path = arena_printf(e->arena, "%s/%s", e->options->include[i], text);
        if (canonical(e, path)) return path;
    }
    return beside;
}

static Module *find_module(Elab *e, const char *real) {
    for (int i = 0; i < e->modules.n; i++)
        if (e->modules.at[i]->real == real) return e->modules.at[i];
    return NULL;
}

/* The module that an import item names, read when it is new; null after an error. */
static Module *load_import(Elab *e, const Module *m, const Ast *item) {
    const char *path = find_import(e, m, item->text), *real = canonical(e, path);
    Module *known = real ? find_module(e, real) : NULL;
    if (known) return known;
    char *text = NULL;
    size_t n = 0;
    int error = real ? file_read(real, PARSE_MAX_FILE, &text, &n) : errno;
    if (!error && e->modules.n >= ELAB_MAX_FILES) elab_error(e, item->span, "more than %d files are imported", ELAB_MAX_FILES);
    else if (error == EFBIG) elab_error(e, item->name_span, "'%s' has more than %d bytes", path, PARSE_MAX_FILE);
    else if (error) elab_error(e, item->name_span, "cannot read '%s': %s", path, strerror(error));
    else {
        int file = diag_add_file(e->diag, path, arena_str(e->arena, text, n), n);
        free(text);
        const Ast *ast = parse_file(e->arena, e->diag, file);
        return ast ? add_module(e, file, path, real, ast) : NULL;
    }
    free(text);
    return NULL;
}

/* ---- definitions ---- */

static void check_param(Elab *e, const Def *block, int i, const Ast *ast) {
    static const char *const types[] = {"int", "float", "bool", "string", "tuple"};
    SigParam *p = &block->params[i];
    *p = (SigParam){.name = ast->text, .type = PARAM_any, .required = !ast->n, .span = ast->name_span};
    if (ast->type) p->type = param_type_named(ast->type);
    if (ast->type && p->type < 0) {
        const char *near = nearest_name(ast->type, types, 5);
        elab_error(e, ast->type_span, near ? "unknown type '%s'; did you mean '%s'?"
                   : "unknown type '%s'; there are int, float, bool, string and tuple", ast->type, near);
        if (near) diag_fixit(e->diag, ast->type_span, near);
        p->type = PARAM_any;
    }
    for (int j = 0; j < i; j++)
        if (block->params[j].name == p->name && elab_error(e, p->span, "'%s' is already defined", p->name))
            diag_note(e->diag, block->params[j].span, "the first definition is here");
}

static void enter_params(Elab *e, Def *block) {
    const Ast *list = block->ast->kid[0];
    if (list->n > ELAB_MAX_PARAMS) {
        elab_error(e, list->span, "block '%s' has %d parameters; at most %d are allowed", block->name, list->n, ELAB_MAX_PARAMS);
        return;
    }
    block->params = ARENA_ARRAY(e->arena, SigParam, list->n);
    block->nparams = list->n;
    for (int i = 0; i < list->n; i++) check_param(e, block, i, list->kid[i]);
}

static void enter_def(Elab *e, Module *m, DefKind kind, const Ast *item) {
    Frame frame = {.module = m, .base = e->bindings.n}; /* so that the name is looked for in this file */
    Def *def = ARENA_NEW(e->arena, Def);
    *def = (Def){.kind = kind, .name = item->text, .span = item->name_span, .ast = kind == DEF_BLOCK ? item : item->kid[0], .module = m};
    e->frame = &frame;
    if (elab_name_free(e, def->name, def->span)) {
        *map_at(e->arena, &m->defs, def->name) = def;
        VEC_PUSH(e->arena, &m->own, def);
    }
    e->frame = NULL;
    if (kind == DEF_BLOCK) enter_params(e, def);
}

static void enter_defs(Elab *e, Module *m) {
    for (int i = 0; i < m->ast->n; i++) {
        const Ast *item = m->ast->kid[i];
        if (item->kind == AST_block) enter_def(e, m, DEF_BLOCK, item);
        if (item->kind == AST_assign) enter_def(e, m, DEF_CONSTANT, item);
    }
}

/* Enters the blocks that `from` defines into m. */
static void import_blocks(Elab *e, Module *m, const Module *from, Span span) {
    for (int i = 0; i < from->own.n; i++) {
        Def *def = from->own.at[i], *other = map_get(&m->defs, def->name);
        if (def->kind != DEF_BLOCK || other == def) continue;
        if (!other) *map_at(e->arena, &m->defs, def->name) = def;
        else if (elab_error(e, span, "'%s' is already defined", def->name)) {
            diag_note(e->diag, other->span, "the first definition is here");
            diag_note(e->diag, def->span, "the imported one is here");
        }
    }
}

/* Parameters are local names: they may not be those of the file's definitions. */
static void check_params_free(Elab *e, Module *m) {
    Frame frame = {.module = m, .base = e->bindings.n};
    e->frame = &frame;
    for (int i = 0; i < m->own.n; i++)
        for (int p = 0; p < m->own.at[i]->nparams; p++) elab_name_free(e, m->own.at[i]->params[p].name, m->own.at[i]->params[p].span);
    e->frame = NULL;
}

/* Reads imports, of imports too; enters every file's own definitions, then what it imports. */
static void load_modules(Elab *e) {
    typedef struct Import { Module *into, *from; Span span; } Import;
    VEC(Import) imports = {0};
    for (int i = 0; i < e->modules.n; i++) {
        Module *m = e->modules.at[i];
        enter_defs(e, m);
        for (int k = 0; k < m->ast->n; k++) {
            if (m->ast->kid[k]->kind != AST_import) continue;
            Import import = {m, load_import(e, m, m->ast->kid[k]), m->ast->kid[k]->span};
            if (import.from) VEC_PUSH(e->arena, &imports, import);
        }
    }
    for (int i = 0; i < imports.n; i++) import_blocks(e, imports.at[i].into, imports.at[i].from, imports.at[i].span);
    for (int i = 0; i < e->modules.n; i++) check_params_free(e, e->modules.at[i]);
}

/* ---- -D ---- */

/* "train.xx": what is misspelt is the part behind the dot. */
static void unknown_override(Elab *e, const Ast *define) {
    enum { PREFIX = sizeof "train." - 1 };
    VEC(const char *) names = {0};
    for (const char *const *path = elab_train_paths; *path; path++) VEC_PUSH(e->arena, &names, *path + PREFIX);
    const char *near = nearest_name(define->text + PREFIX, names.at, names.n);
    if (elab_error(e, define->name_span, near ? "no constant '%s'; did you mean 'train.%s'?" : "no constant '%s'", define->text, near) && near)
        diag_fixit(e->diag, define->name_span, arena_printf(e->arena, "train.%s", near));
}

static void unknown_constant(Elab *e, const Ast *define) {
    const Module *main = e->modules.at[0];
    VEC(const char *) names = {0};
    for (int i = 0; i < main->own.n; i++)
        if (main->own.at[i]->kind == DEF_CONSTANT) VEC_PUSH(e->arena, &names, main->own.at[i]->name);
    const char *near = nearest_name(define->text, names.at, names.n);
    for (const char *const *path = elab_train_paths; *path; path++)
        if (!strcmp(strchr(*path, '.') + 1, define->text)) near = *path;
    if (elab_error(e, define->name_span, near ? "no constant '%s'; did you mean '%s'?" : "no constant '%s'", define->text, near) && near)
        diag_fixit(e->diag, define->name_span, near);
}

static void apply_defines(Elab *e) {
    for (int i = 0; i < e->options->ndefines; i++) {
        const Ast *define = parse_define(e->arena, e->diag, e->options->defines[i]);
        if (!define) continue;
        VEC_PUSH(e->arena, &e->defines, define);
        Def *def = map_get(&e->modules.at[0]->defs, define->text);
        bool known = def && def->kind == DEF_CONSTANT;
        if (known) def->ast = define->kid[0];
        for (const char *const *path = elab_train_paths; *path && !known; path++) known = !strcmp(*path, define->text);
        if (known) continue;
        if (strncmp(define->text, "train.", 6)) unknown_constant(e, define);
        else unknown_override(e, define);
    }
}

/* ---- the network ---- */

/* The only item of that kind in the main file; null where there is none. */
static const Ast *only_item(Elab *e, AstKind kind, const char *what) {
    const Ast *found = NULL, *file = e->modules.at[0]->ast;
    for (int i = 0; i < file->n; i++) {
        const Ast *item = file->kid[i];
        if (item->kind != kind) continue;
        if (found && elab_error(e, (Span){.file = item->span.file, .start = item->span.start, .end = item->kid[item->n - 1]->span.start},
                                "a file describes one %s; this is the second", what))
            diag_note(e->diag, (Span){.file = found->span.file, .start = found->span.start, .end = found->kid[found->n - 1]->span.start}, "the first is here");
        if (!found) found = item;
    }
    return found;
}

/* Dimensions (one or three integers) as a batched type; rank -1 after an error. */
static Type dims_type(Elab *e, Span span, const char *what, int n, const Value *dims) {
    Type t = type_batched(n, 0, 0, 0), bad = {.rank = -1};
    if (n != 1 && n != 3) {
        elab_fail(e, span, "%s has one dimension or three (channels, height, width), got %d", what, n);
        return bad;
    }
    for (int i = 0; i < n; i++) {
        if (dims[i].kind == VALUE_ERROR) return bad;
        if (dims[i].kind != VALUE_INT || dims[i].i < 1 || dims[i].i > VALUE_MAX_DIM) {
            elab_fail(e, span, "a dimension of %s is an integer from 1 to %d, got %s", what, VALUE_MAX_DIM, value_text(e->arena, dims[i]));
            return bad;
        }
        t.dim[i] = dims[i].i;
    }
    const char *error = layer_size_error(e->arena, t);
    if (!error) return t;
    elab_fail(e, span, "%s", error);
    return bad;
}

static Type input_type(Elab *e, const Ast *dims) {
    Value *v = ARENA_ARRAY(e->arena, Value, dims->n);
    for (int i = 0; i < dims->n; i++) v[i] = elab_eval(e, dims->kid[i]);
    return dims_type(e, dims->span, "a network's input", dims->n, v);
}

static Type declared_type(Elab *e, const Ast *ast) {
    Value v = elab_eval(e, ast);
    if (v.kind == VALUE_ERROR) return (Type){.rank = -1};
    bool tuple = v.kind == VALUE_TUPLE;
    return dims_type(e, ast->span, "a network's output", tuple ? v.tuple->n : 1, tuple ? v.tuple->at : &v);
}

static Attr type_attr(Type t) { return (Attr){.i = {t.rank, t.dim[0], t.dim[1], t.dim[2]}}; }

/* Runs the body; the output, or null after an error. */
static const Tensor *run_network(Elab *e, const Ast *network) {
    Frame frame = {.module = e->modules.at[0], .base = e->bindings.n, .names = {"", {0}}};
    e->frame = &frame;
    e->it = (Value){.kind = VALUE_NONE};
    Type in = input_type(e, network->kid[0]), declared = declared_type(e, network->kid[1]);
    Tensor input = {.type = in, .span = network->kid[0]->span};
    e->it = value_error();
    if (in.rank > 0) {
        e->model->input = in;
        e->graph->span = input.span;
        e->graph->layer = "";
        e->graph->pass = NRT_FORWARD;
        input.node = graph_node(e->graph, OP_input, type_attr(in), 0, NULL);
        e->it = (Value){.kind = VALUE_TENSOR, .tensor = &input};
        e->it.tensor = arena_copy(e->arena, &input, sizeof input);
    }
    elab_body(e, network->kid[2]);
    Value out = e->it;
    e->frame = NULL;
    if (out.kind != VALUE_TENSOR || declared.rank < 0 || e->stop) return NULL;
    if (type_equal(out.tensor->type, declared)) return out.tensor;
    if (elab_error(e, network->kid[1]->span, "network '%s' ends in %s, declared %s", network->text, type_text(e->arena,
            out.tensor->type), type_text(e->arena, declared)))
        diag_note(e->diag, out.tensor->span, "the output is made here");
    return NULL;
}

/* The loss of each image, and the two roots. */
static void add_loss(Elab *e, const Ast *network, const Tensor *output) {
    Graph *g = e->graph;
    Node *z = output->node, *loss;
    g->span = network->kid[1]->span;
    g->layer = "loss";
    g->pass = NRT_FORWARD;
    if (e->model->train.loss == NRT_CROSS_ENTROPY) {
        Node *labels = graph_node(g, OP_labels, (Attr){.i = {output->type.dim[0]}}, 0, NULL);
        Node *args[3] = {z, graph_unary(g, OP_logsumexp, z), labels};
        loss = graph_node(g, OP_nll, (Attr){0}, 3, args);
    } else {
        loss = graph_binary(g, OP_sq_err, z, graph_node(g, OP_target, type_attr(output->type), 0, NULL));
    }
    graph_root(g, ROOT_OUTPUT, z, NULL);
    graph_root(g, ROOT_LOSS, loss, NULL);
}

static void elaborate_network(Elab *e, int file) {
    const Ast *network = only_item(e, AST_network, "network"), *train = only_item(e, AST_train, "train");
    if (!network) {
        elab_error(e, (Span){.file = file}, "the file has no network; 'network NAME(channels, height, width) -> outputs { ... }' is missing");
        return;
    }
    e->model->name = network->text;
    e->model->span = (Span){.file = network->span.file, .start = network->span.start, .end = network->kid[1]->span.end};
    const Tensor *output = run_network(e, network);
    if (e->stop) return;
    if (output) e->model->output = output->type;
    elab_train(e, train, network, output);
    Module *main = e->modules.at[0];
    for (int i = 0; i < main->own.n; i++)
        if (main->own.at[i]->kind == DEF_CONSTANT && !e->stop) elab_constant(e, main->own.at[i]);
    if (diag_errors(e->diag)) return;
    if (output->node) {
        add_loss(e, network, output);
        elab_dead_layers(e);
    }
    elab_unused(e);
}

static Model *new_model(Arena *a, const Diag *diag, const char *path) {
    Model *m = ARENA_NEW(a, Model);
    m->name = m->source = path;
    m->train = train_defaults();
    m->diag = diag;
    return m;
}

Elaborated *elaborate(Arena *a, Diag *diag, int file, const Ast *ast, const ElaborateOptions *options) {
    const char *path = diag_path(diag, file);
    Elaborated *result = ARENA_NEW(a, Elaborated);
    result->model = new_model(a, diag, path);
    result->graph = graph_new(a, result->model);
    Elab e = {.arena = a, .diag = diag, .model = result->model, .graph = result->graph, .result = result, .options = options,
              .steps = ELAB_MAX_STEPS};
    const char *real = canonical(&e, path);
    elab_builtins(&e);
    add_module(&e, file, path, real ? real : path, ast);
    load_modules(&e);
    apply_defines(&e);
    if (!diag_errors(diag)) elaborate_network(&e, file);
    return diag_errors(diag) ? NULL : result;
}
