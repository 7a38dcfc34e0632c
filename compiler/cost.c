/* cost.c: see cost.h. The figures are those of Zen 3 and 4 (Agner Fog, "Instruction tables"; AMD, "Software Optimization Guide for Zen 4"), and near
 * enough for Intel's cores since Haswell: a load of a vector for each multiply-add, half as many stores, four cycles until a sum can be used again. */
#include "cost.h"

#include <string.h>

#include "map.h"

/* In slots. */
enum { STORE = 2, TURN = 4 /* shuffles of a vector */, GATHER_LANE = 2, DIVIDE = 8, ROOT = 12, CURVE = 24, HASH = 9, LANE_SUM = 3, LOOP = 1 };
enum { ENTER = 6, LATENCY_CYCLES = 4 };

enum { DEPTH = 80, KEYS = 4096 };

typedef struct Bound { const Var *var; int64_t value; bool constant; } Bound;

/* A straight run of statements. */
typedef struct Run {
    double products, sums, other;  /* multiplications, fused or not; additions and comparisons; what is dearer */
    double loads, stores;
    int64_t values;                /* locals that are given a new one */
    int64_t updates, accs;         /* of locals that are given one made of their own, and how many such locals there are */
} Run;

typedef struct Cost {
    Arena *a;
    const Machine *m;
    Bound bound[DEPTH];
    int depth;
    const Var *lane;               /* or null */
    Run run;
    int nkeys, nrun;               /* the run's keys, and its number from 1 on */
    uint64_t key[KEYS];            /* addresses that it has loaded from, ... */
    int key_run[KEYS];             /* ... if its number stands here */
    Map known;                     /* from a loop without loops inside to what one pass of it takes */
} Cost;

/* ---- variables ---- */

static const Bound *find_bound(const Cost *c, const Var *v) {
    for (int i = c->depth - 1; i >= 0; i--)
        if (c->bound[i].var == v) return &c->bound[i];
    return NULL;
}

static int64_t value_of(const Cost *c, Affine x) {
    int64_t sum = x.c;
    for (int i = 0; i < x.n; i++) {
        const Bound *b = find_bound(c, x.term[i].var);
        sum += b ? x.term[i].k * b->value : 0;
    }
    return sum;
}

static void push(Cost *c, const Var *v, int64_t value, bool constant) {
    ENSURE(c->depth < DEPTH);
    c->bound[c->depth++] = (Bound){v, value, constant};
}

/* ---- a straight run ---- */

static uint64_t mix(uint64_t h, uint64_t x) {
    h = (h ^ x) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

/* Tells elements apart as far as the run knows: constants by value, other variables by name. `varies`: has it one that is no constant? */
static uint64_t place_key(const Cost *c, const Buffer *b, const Affine *at, int64_t *lane, bool *varies) {
    uint64_t h = mix(1, (uint64_t)(uintptr_t)b);
    int64_t fixed = 0;
    *lane = 0;
    *varies = false;
    for (int d = 0; d < b->rank; d++) {
        fixed += at[d].c * b->stride[d];
        for (int i = 0; i < at[d].n; i++) {
            const Var *v = at[d].term[i].var;
            int64_t k = at[d].term[i].k * b->stride[d];
            const Bound *bound = find_bound(c, v);
            if (v == c->lane) *lane += k;
            else if (bound && bound->constant) fixed += k * bound->value;
            else {
                h += mix((uint64_t)(uintptr_t)v, (uint64_t)k); /* in any order */
                *varies = true;
            }
        }
    }
    return mix(h, (uint64_t)fixed);
}

/* Says whether the run meets the key for the first time. */
static bool add_key(Cost *c, uint64_t key) {
    uint64_t i = key % KEYS;
    for (; c->key_run[i] == c->nrun; i = (i + 1) % KEYS)
        if (c->key[i] == key) return false;
    if (c->nkeys >= KEYS / 2) return true; /* a run so long that its loads are few beside the rest */
    c->key[i] = key;
    c->key_run[i] = c->nrun;
    c->nkeys++;
    return true;
}

/* Loads or stores of one access: lanes that do not lie side by side go one by one. */
static double access_cost(const Cost *c, int64_t lane) { return !c->lane || lane == 0 || lane == 1 ? 1 : GATHER_LANE * c->m->lanes; }

static void add_load(Cost *c, const Expr *e) {
    int64_t lane;
    bool varies;
    uint64_t key = place_key(c, e->buffer, e->at, &lane, &varies);
    if (e->buffer->space == SPACE_LOCAL && !varies) return; /* a register */
    if (add_key(c, key)) c->run.loads += access_cost(c, lane);
}

static void add_expr(Cost *c, const Expr *e) {
    for (int i = 0, n = expr_operands(e->kind); i < n; i++) add_expr(c, e->arg[i]);
    switch (e->kind) {
    case EXPR_LOAD: add_load(c, e); break;
    case EXPR_FMA: case EXPR_MUL: c->run.products++; break;
    case EXPR_ADD: case EXPR_SUB: case EXPR_MIN: case EXPR_MAX: case EXPR_LT: case EXPR_LE: case EXPR_EQ: case EXPR_NE: case EXPR_SELECT:
    case EXPR_AND: case EXPR_OR: case EXPR_NEG: case EXPR_ABS: case EXPR_TO_F32:
        c->run.sums++;
        break;
    case EXPR_DIV: c->run.other += DIVIDE; break;
    case EXPR_SQRT: c->run.other += ROOT; break;
    case EXPR_EXP: case EXPR_LOG: case EXPR_SIGMOID: case EXPR_TANH: case EXPR_ERF: c->run.other += CURVE; break;
    case EXPR_HASH: c->run.other += HASH; break;
    case EXPR_LANE_SUM: c->run.other += LANE_SUM; break;
    default: break;
    }
}

static bool reads(const Expr *e, const Buffer *b) {
    if (e->kind == EXPR_LOAD && e->buffer == b) return true;
    for (int i = 0, n = expr_operands(e->kind); i < n; i++)
        if (reads(e->arg[i], b)) return true;
    return false;
}

static void add_store(Cost *c, const Stmt *s) {
    int64_t lane;
    bool varies;
    uint64_t key = place_key(c, s->buffer, s->at, &lane, &varies);
    add_expr(c, s->value);
    if (s->buffer->space != SPACE_LOCAL || varies) {
        c->run.stores += access_cost(c, lane);
        return;
    }
    if (!reads(s->value, s->buffer)) {
        c->run.values++;
        return;
    }
    c->run.updates++;
    c->run.accs += add_key(c, mix(key, 2));
}

/* Slots of the run since the last call. Values beyond the registers go to the stack and come back. */
static double end_run(Cost *c) {
    Run r = c->run;
    double spilled = r.values > c->m->registers ? (double)(r.values - c->m->registers) : 0;
    double stores = STORE * (r.stores + spilled), loads = r.loads + spilled;
    double most = r.products > r.sums ? r.products : r.sums, least = r.products > r.sums ? r.sums : r.products;
    double arithmetic = most + least / 2 + r.other;
    double longest = arithmetic;
    if (loads > longest) longest = loads;
    if (stores > longest) longest = stores;
    double chain = r.accs ? LATENCY_CYCLES * c->m->fmas * (double)r.updates / (double)r.accs : 0;
    if (chain > longest) longest = chain;
    memset(&c->run, 0, sizeof c->run);
    c->nkeys = 0;
    c->nrun++;
    return longest;
}

/* ---- loops ---- */

static bool has_serial(const Stmt *s) {
    if (s->kind != STMT_FOR) return false;
    if (s->var && s->loop == LOOP_SERIAL) return true;
    for (int i = 0; i < s->body.n; i++)
        if (has_serial(s->body.at[i])) return true;
    return false;
}

static bool bounds_use(const Stmt *s, const Var *v) {
    if (s->kind != STMT_FOR) return false;
    for (int i = 0; i < s->nlo; i++)
        if (affine_coef(s->lo[i], v)) return true;
    for (int i = 0; i < s->nhi; i++)
        if (affine_coef(s->hi[i], v)) return true;
    for (int i = 0; i < s->body.n; i++)
        if (bounds_use(s->body.at[i], v)) return true;
    return false;
}

static void range_of(const Cost *c, const Stmt *s, int64_t *lo, int64_t *hi) {
    *lo = value_of(c, s->lo[0]);
    *hi = value_of(c, s->hi[0]);
    for (int i = 1; i < s->nlo; i++) *lo = i64_max(*lo, value_of(c, s->lo[i]));
    for (int i = 1; i < s->nhi; i++) *hi = i64_min(*hi, value_of(c, s->hi[i]));
}

static double list_cost(Cost *c, const Stmt *list);

static double pass_cost(Cost *c, const Stmt *s, int64_t value) {
    push(c, s->var, value, false);
    double pass = list_cost(c, s) + end_run(c);
    c->depth--;
    return pass + LOOP;
}

/* One pass of a loop is like another unless its variable bounds what is inside. */
static double serial_cost(Cost *c, const Stmt *s) {
    enum { PASSES_MOST = 64 };
    int64_t lo, hi;
    double sum = ENTER;
    range_of(c, s, &lo, &hi);
    int64_t passes = ceil_div(hi - lo, s->step);
    if (hi <= lo) return 0;
    if (passes <= PASSES_MOST && bounds_use(s, s->var)) {
        for (int64_t i = lo; i < hi; i += s->step) sum += pass_cost(c, s, i);
        return sum;
    }
    bool innermost = true;
    for (int i = 0; i < s->body.n; i++) innermost = innermost && !has_serial(s->body.at[i]);
    double *known = innermost ? map_get(&c->known, s) : NULL;
    if (!known) {
        known = ARENA_NEW(c->a, double);
        *known = pass_cost(c, s, lo + (hi - lo) / 2);
        if (innermost) *map_at(c->a, &c->known, s) = known;
    }
    return sum + (double)passes * *known;
}

/* What unrolled loops and the lanes hold is part of the run around them. */
static double open_cost(Cost *c, const Stmt *s) {
    int64_t lo, hi;
    double sum = 0;
    const Var *lane = c->lane;
    range_of(c, s, &lo, &hi);
    if (s->loop == LOOP_LANE) {
        c->lane = s->var;
        sum = list_cost(c, s);
        c->lane = lane;
        return sum;
    }
    if (stmt_turns(s, c->lane, c->m->lanes)) {
        c->run.stores += (double)c->m->lanes;
        c->run.other += TURN * c->m->lanes;
        return 0;
    }
    for (int64_t i = lo; i < hi; i += s->step) {
        push(c, s->var, i, true);
        sum += list_cost(c, s);
        c->depth--;
    }
    return sum;
}

static double list_cost(Cost *c, const Stmt *list) {
    double sum = 0;
    for (int i = 0; i < list->body.n; i++) {
        const Stmt *s = list->body.at[i];
        if (s->kind == STMT_STORE) add_store(c, s);
        if (s->kind != STMT_FOR) continue;
        if (!s->var) sum += list_cost(c, s);
        else if (s->loop != LOOP_SERIAL) sum += open_cost(c, s);
        else sum += end_run(c) + serial_cost(c, s);
    }
    return sum;
}

double cost_work(const Kernel *k, const Machine *m, int64_t hi, int64_t blocks, int64_t images) {
    Arena *scratch = arena_new(); /* a Cost is large, and a network has thousands of kernels */
    Cost *c = ARENA_NEW(scratch, Cost);
    c->a = scratch;
    c->m = m;
    c->nrun = 1;
    push(c, k->lo, 0, false);
    push(c, k->hi, hi, false);
    push(c, k->task, 0, false);
    push(c, k->n, images, false);
    push(c, k->blocks, blocks, false);
    push(c, k->chunks, blocks, false);
    double slots = list_cost(c, k->body);
    slots += end_run(c);
    arena_free(scratch);
    return slots;
}

double cost_memory(const Machine *m, double bytes, double among) {
    return bytes / schedule_bytes_per_cycle(among) * m->fmas;
}
