/* elab_dead.c: warnings about layers that change nothing, and about those whose result nobody uses.
 *
 * A layer is written once and may be applied many times, by a loop or by calls of its block: it is dead where every
 * application is. What depends on the values of arguments counts only where these are written down as numbers:
 * `dropout(p)` with p = 0 is what `-D p=0` asked for. What stands in imported files is for others, too, and is left alone.
 */
#include "elab.h"

#include <string.h>

typedef struct Written {  /* a layer, or arithmetic on tensors, in the text */
    const char *name;     /* as messages call it */
    Span span, input;     /* input: where that of the last application was made */
    int applied, idle;    /* how often, and how often without effect */
    const char *why;      /* the last time that it had none */
    bool reaches, unread; /* in some application: is its result part of the output, does nothing read it? */
} Written;

static bool is_one_of(const char *name, const char *const *list) {
    for (; *list; list++)
        if (!strcmp(name, *list)) return true;
    return false;
}

static bool never_negative(const LayerInfo *by, const Tensor *in) {
    static const char *const makers[] = {"relu", "sigmoid", "softmax", NULL};
    static const char *const keepers[] = {"max_pool", "avg_pool", "adaptive_avg_pool", "global_avg_pool", "global_max_pool", "dropout", "flatten", NULL};
    return is_one_of(by->name, makers) || (in->never_negative && is_one_of(by->name, keepers));
}

static bool is_number(const Ast *ast) {
    bool numbers = ast->kind == AST_tuple || ast->kind == AST_arg;
    for (int i = 0; i < ast->n && numbers; i++) numbers = is_number(ast->kid[i]);
    return numbers || ast->kind == AST_int || ast->kind == AST_float;
}

static bool are_numbers(const Ast *call) {
    for (int i = 0; i < call->n; i++)
        if (!is_number(call->kid[i])) return false;
    return true;
}

/* Why the layer changes nothing; null where it does. */
static const char *idle_reason(const LayerValue *layer, const Tensor *in) {
    const char *name = layer->info->name;
    const Value *arg = layer->args;
    bool leaky = !strcmp(name, "leaky_relu"), pool = !strcmp(name, "max_pool") || !strcmp(name, "avg_pool");
    if ((leaky || !strcmp(name, "relu")) && in->never_negative) return "its input is never negative";
    if (!strcmp(name, "flatten") && in->type.rank == 1) return "its input is flat";
    if (!are_numbers(layer->ast)) return NULL;
    if (!strcmp(name, "dropout") && arg[0].f == 0) return "it drops nothing";
    if (leaky && arg[0].f == 1) return "its slope is 1 everywhere";
    bool one = pool && arg[0].pair[0] == 1 && arg[0].pair[1] == 1 && arg[1].pair[0] == 1 && arg[1].pair[1] == 1;
    return one ? "its window is 1, its stride too" : NULL;
}

static Written *written_at(Elab *e, const Ast *ast, const char *name) {
    void **at = map_at(e->arena, &e->written, ast);
    if (*at) return *at;
    Written *w = ARENA_NEW(e->arena, Written);
    *w = (Written){.name = name, .span = ast->span};
    VEC_PUSH(e->arena, &e->written_order, w);
    return *at = w;
}

void elab_made(Elab *e, const Ast *ast, const char *name, const Tensor *out) {
    Made made = {written_at(e, ast, name), out->node};
    made.by->applied++;
    VEC_PUSH(e->arena, &e->made, made);
}

void elab_applied(Elab *e, const LayerValue *layer, const Tensor *in, Tensor *out) {
    elab_made(e, layer->ast, layer->info->name, out);
    Written *w = e->made.at[e->made.n - 1].by;
    const char *why = idle_reason(layer, in);
    out->never_negative = never_negative(layer->info, in);
    if (!why) return;
    w->idle++;
    w->why = why;
    w->input = in->span;
}

/* Which nodes does the network's output or its loss need? By their place in the graph, where arguments come first. */
static const bool *mark_needed(Elab *e) {
    const Graph *g = e->graph;
    bool *needed = ARENA_ARRAY(e->arena, bool, g->nodes.n);
    for (int i = 0; i < g->roots.n; i++) needed[g->roots.at[i].node->id] = g->roots.at[i].kind != ROOT_UPDATE;
    for (int i = g->nodes.n - 1; i >= 0; i--)
        for (int k = 0; k < g->nodes.at[i]->nargs && needed[i]; k++) needed[g->nodes.at[i]->arg[k]->id] = true;
    return needed;
}

static const bool *mark_read(Elab *e) {
    const Graph *g = e->graph;
    bool *read = ARENA_ARRAY(e->arena, bool, g->nodes.n);
    for (int i = 0; i < g->nodes.n; i++)
        for (int k = 0; k < g->nodes.at[i]->nargs; k++) read[g->nodes.at[i]->arg[k]->id] = true;
    return read;
}

/* Of a chain of layers that nobody needs, the last is named. */
void elab_dead_layers(Elab *e) {
    const bool *needed = mark_needed(e), *read = mark_read(e);
    for (int i = 0; i < e->made.n; i++) {
        const Made *made = &e->made.at[i];
        made->by->reaches |= !made->node || needed[made->node->id];
        made->by->unread |= made->node && !read[made->node->id];
    }
    for (int i = 0; i < e->written_order.n; i++) {
        const Written *w = e->written_order.at[i];
        if (w->span.file != e->modules.at[0]->file) continue;
        if (!w->reaches && w->unread) {
            diag_warning(e->diag, w->span, "dead-layer", "the result of %s is not used", w->name);
        } else if (w->idle == w->applied) {
            diag_warning(e->diag, w->span, "dead-layer", "%s has no effect: %s", w->name, w->why);
            diag_note(e->diag, w->input, "its input is made here");
        }
    }
}
