/* elab_call.c: what has a name and can be called: arguments bound to parameters, functions, layers, blocks; and layers
 * applied to tensors, where layers get their names and the graph grows. */
#include "elab.h"

#include <math.h>
#include <string.h>

/* ---- arguments ---- */

/* "(channels, kernel, stride=...)" for a note. */
static const char *params_text(Elab *e, const SigParam *params, int n) {
    const char *s = "";
    for (int i = 0; i < n; i++) s = arena_printf(e->arena, "%s%s%s%s", s, i ? ", " : "", params[i].name, params[i].required ? "" : "=...");
    return s;
}

static bool unknown_argument(Elab *e, const Ast *arg, const char *callee, const SigParam *params, int n) {
    const char *names[ELAB_MAX_PARAMS];
    if (elab_reported(e, arg->name_span)) return false;
    for (int i = 0; i < n; i++) names[i] = params[i].name;
    const char *near = nearest_name(arg->text, names, n);
    if (!elab_error(e, arg->name_span, near ? "%s has no argument '%s'; did you mean '%s'?" : "%s has no argument '%s'", callee,
                    arg->text, near)) return false;
    if (near) diag_fixit(e->diag, arg->name_span, near);
    else diag_note(e->diag, (Span){0}, "its arguments: %s(%s)", callee, params_text(e, params, n));
    elab_stack(e);
    return false;
}

/* The parameter that argument number i is for, or -1 after an error. */
static int param_of(Elab *e, const Ast *ast, int i, const SigParam *params, int n, bool named_before) {
    const Ast *arg = ast->kid[i];
    if (arg->kind == AST_arg) {
        for (int p = 0; p < n; p++)
            if (params[p].name == arg->text) return p;
        unknown_argument(e, arg, ast->text, params, n);
        return -1;
    }
    if (named_before) elab_fail(e, arg->span, "an argument without a name cannot follow one with a name");
    else if (i >= n) elab_fail(e, arg->span, n ? "%s takes at most %d argument%s, got %d" : "%s takes no arguments", ast->text, n,
                               n == 1 ? "" : "s", ast->n);
    else return i;
    return -1;
}

/* Evaluates an argument and checks it against its parameter's type. */
static bool take_argument(Elab *e, const char *callee, const Ast *arg, const SigParam *param, Value *out) {
    *out = elab_eval(e, arg);
    if (out->kind == VALUE_ERROR) return false;
    Value given = *out;
    const char *wanted = param_check((ParamType)param->type, out);
    if (!wanted) return true;
    elab_fail(e, arg->span, "'%s' of %s must be %s, got %s", param->name, callee, wanted, value_text(e->arena, given));
    return false;
}

/* Binds the arguments of a call (an AST_name has none) to n parameters; false after an error. */
static bool bind_arguments(Elab *e, const Ast *ast, const SigParam *params, int n, Value *out, bool *given) {
    bool good = true, named = false;
    for (int i = 0; i < ast->n; i++) {
        const Ast *arg = ast->kid[i], *value = arg->kind == AST_arg ? arg->kid[0] : arg;
        int p = param_of(e, ast, i, params, n, named && arg->kind != AST_arg);
        named |= arg->kind == AST_arg;
        if (p >= 0 && given[p]) {
            elab_fail(e, arg->span, "argument '%s' of %s is given twice", params[p].name, ast->text);
            p = -1;
        }
        if (p >= 0) given[p] = true;
        good &= p >= 0 && take_argument(e, ast->text, value, &params[p], &out[p]);
        if (p < 0 || e->stop) return false;
    }
    for (int p = 0; p < n && good; p++) {
        if (given[p] || !params[p].required) continue;
        if (elab_error(e, ast->span, "%s needs '%s'", ast->text, params[p].name)) {
            diag_note(e->diag, params[p].span, "its arguments: %s(%s)", ast->text, params_text(e, params, n));
            elab_stack(e);
        }
        return false;
    }
    return good;
}

/* ---- functions ---- */

static bool one_argument(Elab *e, Span span, const char *name, int n) {
    if (n != 1) elab_fail(e, span, "%s takes one argument, got %d", name, n);
    return n == 1;
}

static Value function_rounding(Elab *e, Span span, const char *name, int n, const Value *v, double (*rounding)(double)) {
    if (!one_argument(e, span, name, n)) return value_error();
    if (v->kind == VALUE_INT) return *v;
    if (v->kind != VALUE_FLOAT) return elab_fail(e, span, "only numbers can be rounded, got %s", value_text(e->arena, *v));
    double r = rounding(v->f);
    if (fabs(r) >= 0x1p63) return elab_fail(e, span, "%s does not fit a 64-bit integer", value_text(e->arena, *v));
    return value_int((int64_t)r);
}

static Value call_round(Elab *e, Span span, int n, const Value *v) { return function_rounding(e, span, "round", n, v, round); }
static Value call_floor(Elab *e, Span span, int n, const Value *v) { return function_rounding(e, span, "floor", n, v, floor); }
static Value call_ceil(Elab *e, Span span, int n, const Value *v) { return function_rounding(e, span, "ceil", n, v, ceil); }

static Value call_len(Elab *e, Span span, int n, const Value *v) {
    if (!one_argument(e, span, "len", n)) return value_error();
    if (v->kind != VALUE_TUPLE) return elab_fail(e, span, "len needs a tuple, got %s", value_text(e->arena, *v));
    return value_int(v->tuple->n);
}

/* The smallest (sign 1) or largest (sign -1) of the arguments, or of one tuple. */
static Value extreme(Elab *e, Span span, const char *name, int n, const Value *v, int sign) {
    if (n == 1 && v->kind == VALUE_TUPLE) {
        n = v->tuple->n;
        v = v->tuple->at;
    }
    if (!n) return elab_fail(e, span, "%s needs at least one number", name);
    Value best = v[0];
    for (int i = 0; i < n; i++) {
        if (!elab_step(e, span)) return value_error();
        if (!value_is_number(v[i])) return elab_fail(e, span, "%s needs numbers, got %s", name, value_text(e->arena, v[i]));
        if (sign * value_number(v[i]) < sign * value_number(best)) best = v[i];
    }
    return best;
}

static Value call_min(Elab *e, Span span, int n, const Value *v) { return extreme(e, span, "min", n, v, 1); }
static Value call_max(Elab *e, Span span, int n, const Value *v) { return extreme(e, span, "max", n, v, -1); }

/* Evaluates the arguments of a function, which have no names; false after an error. */
static bool plain_arguments(Elab *e, const Ast *ast, Value *out) {
    bool good = true;
    for (int i = 0; i < ast->n; i++) {
        if (ast->kid[i]->kind == AST_arg) {
            elab_fail(e, ast->kid[i]->name_span, "the arguments of %s have no names", ast->text);
            return false;
        }
        out[i] = elab_eval(e, ast->kid[i]);
        good &= out[i].kind != VALUE_ERROR;
    }
    return good;
}

static Value call_function(Elab *e, const Ast *ast, const Builtin *b) {
    Value *args = ARENA_ARRAY(e->arena, Value, ast->n);
    return plain_arguments(e, ast, args) ? b->function(e, ast->span, ast->n, args) : value_error();
}

/* ---- names of layers ---- */

/* The next name of that kind in the current scope; null, and all stops, past the limits. */
static const char *next_name(Elab *e, const char *kind, Span span) {
    if (++e->layers > ELAB_MAX_LAYERS) {
        e->stop = true;
        elab_fail(e, span, "the network has more than %d layers and block calls", ELAB_MAX_LAYERS);
        return NULL;
    }
    Names *names = &e->frame->names;
    void **count = map_at(e->arena, &names->counts, kind);
    *count = (void *)((intptr_t)*count + 1);
    const char *name = arena_printf(e->arena, "%s%s%lld", names->prefix, kind, (long long)(intptr_t)*count);
    if (strlen(name) <= ELAB_MAX_LAYER_NAME) return arena_name(e->arena, name);
    e->stop = true;
    elab_fail(e, span, "a layer's full name is longer than %d characters: %.60s...", ELAB_MAX_LAYER_NAME, name);
    return NULL;
}

static Value tensor_value(Elab *e, Tensor t) { return (Value){.kind = VALUE_TENSOR, .tensor = arena_copy(e->arena, &t, sizeof t)}; }

static void add_row(Elab *e, const char *name, const char *kind, Span span, Type out, int64_t params, int64_t macs) {
    Layer row = {.name = name, .kind = kind, .span = span, .out = out, .params = params, .macs = macs};
    VEC_PUSH(e->arena, &e->model->layers, row);
}

static Value call_concat(Elab *e, const Ast *ast, const Builtin *b) {
    Value *args = ARENA_ARRAY(e->arena, Value, ast->n);
    if (!plain_arguments(e, ast, args)) return value_error();
    const Tensor **in = ARENA_ARRAY(e->arena, const Tensor *, ast->n);
    for (int i = 0; i < ast->n; i++) {
        if (args[i].kind != VALUE_TENSOR) return elab_fail(e, ast->kid[i]->span, "concat needs tensors, got %s", value_text(e->arena, args[i]));
        in[i] = args[i].tensor;
    }
    if (!ast->n) return elab_fail(e, ast->span, "concat needs at least one tensor");
    Tensor out = {.span = ast->span};
    const char *error = NULL, *name = next_name(e, b->name, ast->span);
    if (!name) return value_error();
    e->graph->span = elab_place(e, ast->span);
    e->graph->layer = name;
    if (!layer_concat(e->arena, e->graph, in, ast->n, &out, &error)) {
        if (elab_error(e, ast->span, "%s", error)) {
            for (int i = 0; i < ast->n && i < 4; i++) diag_note(e->diag, in[i]->span, "%s comes from here", type_text(e->arena, in[i]->type));
            elab_stack(e);
        }
        return value_error();
    }
    out.never_negative = true;
    for (int i = 0; i < ast->n; i++) out.never_negative &= in[i]->never_negative;
    elab_made(e, ast, b->name, &out);
    add_row(e, name, b->name, ast->span, out.type, 0, 0);
    return tensor_value(e, out);
}

/* ---- applying layers ---- */

static void input_note(Elab *e, const Tensor *in) { diag_note(e->diag, in->span, "input shape %s inferred here", type_text(e->arena, in->type)); }

static Value apply_builtin(Elab *e, const LayerValue *layer, const Tensor *in) {
    const LayerInfo *info = layer->info;
    const char *kind = arena_name(e->arena, info->name), *name = next_name(e, kind, layer->span);
    if (!name) return value_error();
    e->graph->span = elab_place(e, layer->span);
    e->graph->layer = name;
    LayerCall call = {.arena = e->arena, .graph = e->graph, .name = name, .arg = layer->args, .in = *in};
    info->build(&call);
    if (call.error) {
        if (!elab_error(e, layer->span, "%s", call.error)) return value_error();
        if (call.fixit) diag_fixit(e->diag, (Span){.file = layer->span.file, .start = layer->span.start, .end = layer->span.start}, call.fixit);
        input_note(e, in);
        elab_stack(e);
        return value_error();
    }
    call.out.span = layer->span;
    call.out.by = info;
    elab_applied(e, layer, in, &call.out);
    add_row(e, name, kind, layer->span, call.out.type, call.params, call.macs);
    return tensor_value(e, call.out);
}

/* "block 'a' calls itself: a -> b -> a", where `maker` is the frame whose text calls `block`; is that so? */
static bool is_recursive(Elab *e, const LayerValue *layer) {
    const Frame *f = layer->maker;
    while (f && f->block != layer->block) f = f->maker;
    if (!f) return false;
    const char *path = layer->block->name;
    for (const Frame *g = layer->maker; g != f; g = g->maker)
        if (g->block) path = arena_printf(e->arena, "%s -> %s", g->block->name, path);
    elab_fail(e, layer->name_span, "block '%s' calls itself: %s -> %s", layer->block->name, layer->block->name, path);
    return true;
}

static Value apply_block(Elab *e, const LayerValue *layer, Value tensor) {
    const Def *block = layer->block;
    if (is_recursive(e, layer)) return value_error();
    const char *name = next_name(e, block->name, layer->span);
    if (!name) return value_error();
    Frame *frame = ARENA_NEW(e->arena, Frame), *caller = e->frame;
    *frame = (Frame){.block = block, .args = layer->args, .maker = layer->maker, .caller = caller, .call = layer->span, .module = block->module,
                     .base = e->bindings.n, .names = {arena_printf(e->arena, "%s.", name), {0}}};
    BlockCall call = {.name = name, .text = elab_call_text(e, frame), .span = elab_place(e, layer->span)};
    VEC_PUSH(e->arena, &e->model->blocks, call);
    int around = e->call;
    Value outer = e->it;
    e->frame = frame;
    e->it = tensor;
    e->call = e->model->blocks.n;
    for (int i = 0; i < block->nparams; i++) elab_bind(e, block->params[i].name, layer->args[i], block->params[i].span);
    elab_statements(e, block->ast->kid[1]);
    Value result = e->it;
    elab_unbind(e, frame->base);
    e->call = around;
    e->frame = caller;
    e->it = outer;
    return result;
}

Value elab_apply(Elab *e, const LayerValue *layer, Value tensor) {
    if (tensor.kind != VALUE_TENSOR || !elab_step(e, layer->span)) return value_error();
    if (e->depth >= ELAB_MAX_DEPTH) {
        e->stop = true;
        return elab_fail(e, layer->span, "blocks and expressions are nested deeper than %d levels", ELAB_MAX_DEPTH);
    }
    Value v;
    e->depth++;
    switch (layer->kind) {
    case LAYER_BUILTIN: v = apply_builtin(e, layer, tensor.tensor); break;
    case LAYER_OF_BLOCK: v = apply_block(e, layer, tensor); break;
    default: v = elab_apply(e, layer->second, elab_apply(e, layer->first, tensor));
    }
    e->depth--;
    return v;
}

/* ---- calls ---- */

static Value layer_value(Elab *e, LayerValue v) { return (Value){.kind = VALUE_LAYER, .layer = arena_copy(e->arena, &v, sizeof v)}; }

/* Arguments of a builtin with a signature, defaults filled in; null after an error. */
static Value *builtin_arguments(Elab *e, const Ast *ast, const Builtin *b) {
    const Signature *s = &b->signature;
    Value *args = ARENA_ARRAY(e->arena, Value, s->n);
    bool given[SIGNATURE_MAX] = {false};
    if (!bind_arguments(e, ast, b->params, s->n, args, given)) return NULL;
    for (int i = 0; i < s->n; i++)
        if (!given[i]) args[i] = s->param[i].same_as >= 0 ? args[s->param[i].same_as] : s->param[i].fallback;
    return args;
}

/* A default of a block's parameter, which may use the parameters before it. */
static bool default_argument(Elab *e, const Def *block, int i, Value *args) {
    const SigParam *p = &block->params[i];
    const Ast *param = block->ast->kid[0]->kid[i];
    return take_argument(e, block->name, param->kid[0], p, &args[i]);
}

static bool fill_defaults(Elab *e, const Def *block, const bool *given, Value *args) {
    Frame *frame = ARENA_NEW(e->arena, Frame), *caller = e->frame; /* layers among the defaults keep it as their maker */
    *frame = (Frame){.module = block->module, .maker = caller, .caller = caller, .base = e->bindings.n};
    Value outer = e->it;
    bool good = true;
    e->frame = frame;
    e->it = (Value){.kind = VALUE_NONE};
    for (int i = 0; i < block->nparams && good; i++) {
        if (!given[i]) good = default_argument(e, block, i, args);
        if (good) elab_bind(e, block->params[i].name, args[i], block->params[i].span);
    }
    elab_unbind(e, frame->base);
    e->frame = caller;
    e->it = outer;
    return good;
}

static Value call_block(Elab *e, const Ast *ast, const Def *block) {
    Value *args = ARENA_ARRAY(e->arena, Value, block->nparams);
    bool given[ELAB_MAX_PARAMS] = {false};
    if (!bind_arguments(e, ast, block->params, block->nparams, args, given) || !fill_defaults(e, block, given, args)) return value_error();
    return layer_value(e, (LayerValue){.kind = LAYER_OF_BLOCK, .span = ast->span, .name_span = ast->name_span, .block = block,
                                       .maker = e->frame, .args = args});
}

static Value call_builtin(Elab *e, const Ast *ast, const Builtin *b) {
    if (b->kind == BUILTIN_NONE && ast->kind == AST_name) return (Value){.kind = VALUE_NONE};
    if (b->kind == BUILTIN_NONE) return elab_fail(e, ast->name_span, "'none' cannot be called");
    if ((b->kind == BUILTIN_FUNCTION || b->kind == BUILTIN_CONCAT) && ast->kind == AST_name)
        return elab_fail(e, ast->name_span, "'%s' needs its arguments in parentheses", b->name);
    if (b->kind == BUILTIN_FUNCTION) return call_function(e, ast, b);
    if (b->kind == BUILTIN_CONCAT) return call_concat(e, ast, b);
    Value *args = builtin_arguments(e, ast, b);
    if (!args) return value_error();
    LayerValue layer = {.kind = LAYER_BUILTIN, .span = ast->span, .name_span = ast->name_span, .ast = ast, .info = b->layer, .args = args};
    if (b->kind == BUILTIN_LAYER) return layer_value(e, layer);
    Record *r = ARENA_NEW(e->arena, Record);
    *r = (Record){b->record, args, ast->span, ast->name_span};
    return (Value){.kind = VALUE_RECORD, .record = r};
}

/* ---- names ---- */

static Value unknown_name(Elab *e, const Ast *ast, bool layer) {
    const char *what = layer ? "layer" : "name", *near = NULL;
    if (elab_reported(e, ast->name_span)) return value_error();
    if (diag_errors(e->diag) < DIAG_LIMIT) { /* what nobody will read need not be searched for */
        VEC(const char *) all = {0};
        for (int i = 0; i < e->builtin_names.n; i++) VEC_PUSH(e->arena, &all, e->builtin_names.at[i]);
        const Map *defs = &e->frame->module->defs;
        for (int i = 0; i < defs->cap; i++)
            if (defs->slots[i].key) VEC_PUSH(e->arena, &all, ((const Def *)defs->slots[i].value)->name);
        for (int i = e->frame->base; i < e->bindings.n; i++) VEC_PUSH(e->arena, &all, e->bindings.at[i].name);
        near = nearest_name(ast->text, all.at, all.n);
    }
    if (!elab_error(e, ast->name_span, near ? "unknown %s '%s'; did you mean '%s'?" : "unknown %s '%s'", what, ast->text,
                    near)) return value_error();
    if (near) diag_fixit(e->diag, ast->name_span, near);
    elab_stack(e);
    return value_error();
}

/* A name with (call) or without arguments; the words of errors tell whether a layer was wanted. */
static Value resolve(Elab *e, const Ast *ast, bool layer) {
    bool is_call = ast->kind == AST_call;
    const Binding *local = elab_find_local(e, ast->text);
    Def *def = map_get(&e->frame->module->defs, ast->text);
    const Builtin *builtin = map_get(&e->builtins, ast->text);
    if (is_call && (local || (def && def->kind == DEF_CONSTANT)))
        return elab_fail(e, ast->name_span, "'%s' is a value and cannot be called; write it without parentheses", ast->text);
    if (local) return local->value;
    if (def) return def->kind == DEF_CONSTANT ? elab_constant(e, def) : call_block(e, ast, def);
    return builtin ? call_builtin(e, ast, builtin) : unknown_name(e, ast, layer || is_call);
}

Value elab_call(Elab *e, const Ast *ast) { return resolve(e, ast, true); }
Value elab_bare(Elab *e, const Ast *ast, bool layer_wanted) { return resolve(e, ast, layer_wanted); }

/* ---- the table of builtins ---- */

static void add_builtin(Elab *e, Builtin b, const char *arguments) {
    Builtin *all = ARENA_NEW(e->arena, Builtin);
    b.name = arena_name(e->arena, b.name);
    b.signature = signature_parse(e->arena, arguments);
    for (int i = 0; i < b.signature.n; i++)
        b.params[i] = (SigParam){.name = b.signature.param[i].name, .type = (int)b.signature.param[i].type,
                                 .required = b.signature.param[i].required};
    *all = b;
    *map_at(e->arena, &e->builtins, b.name) = all;
    VEC_PUSH(e->arena, &e->builtin_names, b.name);
}

const FunctionInfo elab_functions[] = {
    {"round", call_round}, {"floor", call_floor}, {"ceil", call_ceil}, {"min", call_min}, {"max", call_max}, {"len", call_len}, {NULL, NULL},
};

void elab_builtins(Elab *e) {
    for (const LayerInfo *l = layer_table; l->name; l++)
        add_builtin(e, (Builtin){.kind = BUILTIN_LAYER, .name = l->name, .layer = l}, l->arguments);
    for (const FunctionInfo *f = elab_functions; f->name; f++)
        add_builtin(e, (Builtin){.kind = BUILTIN_FUNCTION, .name = f->name, .function = f->call}, "");
    for (const RecordInfo *r = elab_records; r->name; r++)
        add_builtin(e, (Builtin){.kind = BUILTIN_RECORD, .name = r->name, .record = r}, r->arguments);
    add_builtin(e, (Builtin){.kind = BUILTIN_CONCAT, .name = "concat"}, "");
    add_builtin(e, (Builtin){.kind = BUILTIN_NONE, .name = "none"}, "");
}
