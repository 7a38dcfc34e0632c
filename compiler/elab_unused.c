/* elab_unused.c: warnings about what the main file defines and never uses.
 *
 * The text decides, not the run: what stands in the branch of an `if` that is not taken is used. No name hides another, so
 * one walk with a stack of the names in scope is enough. Names that begin with '_' are meant to be unused.
 */
#include "elab.h"

#include <stdlib.h>

typedef enum NameKind { NAME_BLOCK, NAME_CONSTANT, NAME_VALUE, NAME_GIVEN /* a parameter, or of a pattern: not of its own free will */ } NameKind;
typedef struct Known { const char *name; Span span; NameKind kind; bool used; } Known;

typedef struct Walk {
    Elab *e;
    VEC(Known) known, unused;
    Map at; /* name -> index + 1 in `known`, or 0 */
} Walk;

static Known *find(const Walk *w, const char *name) {
    int at = (int)(intptr_t)map_get(&w->at, name);
    return at ? &w->known.at[at - 1] : NULL;
}

static void enter(Walk *w, const char *name, Span span, NameKind kind) {
    Known known = {name, span, kind, *name == '_'};
    VEC_PUSH(w->e->arena, &w->known, known);
    *map_at(w->e->arena, &w->at, name) = (void *)(intptr_t)w->known.n;
}

static void report(Diag *d, const Known *k) {
    if (k->kind == NAME_BLOCK) diag_warning(d, k->span, "unused-block", "block '%s' is never called", k->name);
    if (k->kind == NAME_CONSTANT) diag_warning(d, k->span, "unused-constant", "constant '%s' is never read", k->name);
    if (k->kind == NAME_VALUE) diag_warning(d, k->span, "unused-value", "'%s' is never read", k->name);
}

/* Ends the scope of the names from index `mark` on. */
static void leave(Walk *w, int mark) {
    for (int i = mark; i < w->known.n; i++) {
        if (!w->known.at[i].used) VEC_PUSH(w->e->arena, &w->unused, w->known.at[i]);
        *map_at(w->e->arena, &w->at, w->known.at[i].name) = NULL;
    }
    w->known.n = mark;
}

static void walk(Walk *w, const Ast *ast);

static void walk_kids(Walk *w, const Ast *ast) {
    for (int i = 0; i < ast->n; i++) walk(w, ast->kid[i]);
}

static void walk_body(Walk *w, const Ast *body) {
    int mark = w->known.n;
    walk_kids(w, body);
    leave(w, mark);
}

static void walk_for(Walk *w, const Ast *ast) {
    const Ast *pattern = ast->kid[0];
    int mark = w->known.n;
    walk(w, ast->kid[1]);
    for (int i = 0; i < pattern->n; i++) enter(w, pattern->kid[i]->text, pattern->kid[i]->span, NAME_GIVEN);
    walk(w, ast->kid[2]);
    leave(w, mark);
}

/* A block that only calls itself is not used. */
static void walk_block(Walk *w, const Ast *ast) {
    const Ast *params = ast->kid[0];
    int mark = w->known.n;
    bool used = find(w, ast->text)->used;
    for (int i = 0; i < params->n; i++) {
        walk_kids(w, params->kid[i]);
        enter(w, params->kid[i]->text, params->kid[i]->name_span, NAME_GIVEN);
    }
    walk(w, ast->kid[1]);
    leave(w, mark);
    find(w, ast->text)->used = used;
}

static void walk(Walk *w, const Ast *ast) {
    Known *known = ast->kind == AST_name || ast->kind == AST_call ? find(w, ast->text) : NULL;
    if (known) known->used = true;
    switch (ast->kind) {
    case AST_body: walk_body(w, ast); break;
    case AST_for: walk_for(w, ast); break;
    case AST_block: walk_block(w, ast); break;
    case AST_assign:
        walk_kids(w, ast);
        enter(w, ast->text, ast->name_span, NAME_VALUE);
        break;
    default: walk_kids(w, ast);
    }
}

/* The values of settings and constants, whose names are no locals. */
static void walk_values(Walk *w, const Ast *list) {
    for (int i = 0; i < list->n; i++)
        if (list->kid[i]->kind == AST_assign) walk_kids(w, list->kid[i]);
}

static int by_place(const void *a, const void *b) {
    int64_t x = ((const Known *)a)->span.start, y = ((const Known *)b)->span.start;
    return (x > y) - (x < y);
}

void elab_unused(Elab *e) {
    Walk w = {.e = e};
    const Module *main = e->modules.at[0];
    for (int i = 0; i < main->own.n; i++) {
        const Def *def = main->own.at[i];
        enter(&w, def->name, def->span, def->kind == DEF_BLOCK ? NAME_BLOCK : NAME_CONSTANT);
    }
    for (int i = 0; i < main->ast->n; i++) {
        const Ast *item = main->ast->kid[i];
        if (item->kind == AST_train) walk_values(&w, item->kid[0]);
        else if (item->kind != AST_assign) walk(&w, item);
    }
    walk_values(&w, main->ast);
    for (int i = 0; i < e->defines.n; i++) walk_kids(&w, e->defines.at[i]);
    leave(&w, 0);
    if (w.unused.n) qsort(w.unused.at, (size_t)w.unused.n, sizeof *w.unused.at, by_place);
    for (int i = 0; i < w.unused.n; i++) report(e->diag, &w.unused.at[i]);
}
