/* emit_kernel.c: one kernel's loops as one function.
 *
 * Variables. The loops around are a stack of bindings: unroll variables (and a lane loop of one lane) are constants, the
 * others are phis. A lane loop is no loop at all: while its body is emitted, values that differ from lane to lane are vectors,
 * all others stay scalar and are spread where they meet a vector.
 *
 * Addresses. Byte offsets of an access are sorted by depth of their variables: constant parts, halos' and unrolled
 * variables' go into one last constant offset, which the code generator folds into the instruction; for each loop there is
 * one addition, made where the loop's variable is (its *home*, a block of its own at the top of the loop) and shared by all
 * accesses that agree up to there, named after the way it went: scratch.b0.h2. So an inner loop sees one pointer for each distinct pattern, however often it is unrolled.
 * A pointer whose steps no addressing mode scales walks: it is a phi that the end of the loop moves on. LLVM's loop strength reduction, which would find that, stays off
 * (emit_llvm.c).
 *
 * Locals are one stack slot each. If all their indices are constants then, after unrolling, sroa splits the slot into registers.
 *
 * Kernels alike (loop_alike.h) have one body. It takes the offsets of its buffers as one argument more, and reads them once; each kernel
 * is a function of its own that calls it with a constant table.
 *
 * Loops test before the first pass and after each: `if (lo < hi) do ... while ((v += step) < hi)`.
 */
#include "emit_internal.h"

#include <stddef.h>
#include <string.h>

#include "map.h"

enum { DEPTH_MAX = 80, LANES_MAX = 64, SPACES = SPACE_LOCAL + 1 };

typedef struct Address { LLVMValueRef from; int64_t scale; LLVMValueRef at, first; } Address; /* first: that of the first turn, if `at` is a phi */

typedef struct Bind {
    const Var *var;
    bool constant;
    int64_t c;               /* constant's value; of a run-time variable, `multiple` divides it */
    int64_t multiple;
    LLVMValueRef value;
    LLVMBasicBlockRef home;  /* ends in a branch; addresses go before that */
    LLVMBasicBlockRef before; /* a loop's variable: where its loop is entered from, with the value `lo` */
    LLVMValueRef lo;
    VEC(Address) addresses;
} Bind;

typedef struct Body {
    Emit *e;
    const Kernel *k;
    LLVMValueRef fn, ctx, worker;
    LLVMBasicBlockRef entry;
    Bind bind[DEPTH_MAX];
    int depth;
    const Var *lane_var;     /* null outside lane loops */
    int64_t lane_lo;
    unsigned lanes;          /* 1 outside */
    LLVMValueRef space[SPACES], lr, image_weight, seed, step;
    LLVMMetadataRef scopes[SPACES]; /* one scope for each space, */
    LLVMValueRef scope_list[SPACES], other_list[SPACES]; /* itself and all the others, as metadata of an access */
    VEC(LLVMValueRef) slots; /* of locals, in their order */
    const Likeness *shared;  /* the body of kernels alike: its buffers, in the order of the table of offsets; or null */
    LLVMValueRef *starts;    /* where those buffers begin; null until used */
    bool streams;            /* has stores past the caches */
    LLVMMetadataRef subprogram, place; /* place: in the source, while the builder is away at a home */
} Body;

typedef struct Value { LLVMValueRef v; bool wide; } Value; /* wide: a vector of body->lanes */

/* ---- places ---- */

/* Moves the builder in front of the branch that ends a home block; returns where it was. */
static LLVMBasicBlockRef go_home(Body *b, LLVMBasicBlockRef home) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b->e->b);
    b->place = LLVMGetCurrentDebugLocation2(b->e->b); /* moving the builder changes it */
    LLVMPositionBuilderBefore(b->e->b, LLVMGetBasicBlockTerminator(home));
    return here;
}

static void go_back(Body *b, LLVMBasicBlockRef here) {
    LLVMPositionBuilderAtEnd(b->e->b, here);
    LLVMSetCurrentDebugLocation2(b->e->b, b->place);
}

/* A new block that the builder's block jumps to and where it then stands; the old one becomes a home. */
static LLVMBasicBlockRef leave_home(Body *b, const char *name) {
    LLVMBasicBlockRef home = LLVMGetInsertBlock(b->e->b), body = emit_block(b->e, name);
    LLVMBuildBr(b->e->b, body);
    LLVMPositionBuilderAtEnd(b->e->b, body);
    return home;
}

/* ---- affine forms ---- */

static Bind *find_bind(Body *b, const Var *v) {
    for (int i = b->depth - 1; i >= 0; i--)
        if (b->bind[i].var == v) return &b->bind[i];
    BUG("kernel '%s': variable '%s' is not bound", b->k->name, v->name);
}

/* A form with its variables looked up: c + lane * (number of the lane, from 0) + sum k[i] * bind[i]. */
typedef struct Resolved { int64_t c, lane; int top; int64_t k[DEPTH_MAX]; } Resolved;

static void resolve_add(Body *b, Affine x, int64_t scale, Resolved *r) {
    r->c += x.c * scale;
    for (int i = 0; i < x.n; i++) {
        int64_t k = x.term[i].k * scale;
        if (x.term[i].var == b->lane_var) {
            r->lane += k;
            r->c += k * b->lane_lo;
            continue;
        }
        Bind *at = find_bind(b, x.term[i].var);
        int place = (int)(at - b->bind);
        if (at->constant) {
            r->c += k * at->c;
            continue;
        }
        for (; r->top <= place; r->top++) r->k[r->top] = 0;
        r->k[place] += k;
    }
}

static LLVMValueRef affine_value(Body *b, Affine x) {
    Resolved r;
    r.c = r.lane = 0;
    r.top = 0;
    resolve_add(b, x, 1, &r);
    LLVMBuilderRef ir = b->e->b;
    LLVMValueRef sum = NULL;
    for (int i = 0; i < r.top; i++) {
        if (r.k[i] == 0) continue;
        LLVMValueRef term = r.k[i] == 1 ? b->bind[i].value : LLVMBuildNSWMul(ir, b->bind[i].value, emit_i64(b->e, r.k[i]), "");
        sum = sum ? LLVMBuildNSWAdd(ir, sum, term, "") : term;
    }
    if (!sum) return emit_i64(b->e, r.c);
    return r.c == 0 ? sum : LLVMBuildNSWAdd(ir, sum, emit_i64(b->e, r.c), "");
}

/* ---- spaces and addresses ---- */

static LLVMTypeRef elem_type(Body *b, const Buffer *buffer) {
    return buffer->elem == ELEM_F32 ? b->e->f32 : buffer->elem == ELEM_U8 ? b->e->i8 : b->e->i32;
}

static LLVMValueRef load_space(Body *b, Space s) {
    static const struct { size_t field; const char *name; } fields[] = {
        [SPACE_STATE] = { offsetof(nrt_ctx, state), "state" }, [SPACE_ARENA] = { offsetof(nrt_ctx, arena), "arena" },
        [SPACE_SCRATCH] = { offsetof(nrt_ctx, scratch), "all_scratch" }, [SPACE_X] = { offsetof(nrt_ctx, x), "x" },
        [SPACE_LABELS] = { offsetof(nrt_ctx, labels), "labels" }, [SPACE_TARGET] = { offsetof(nrt_ctx, target), "target" },
        [SPACE_OUT] = { offsetof(nrt_ctx, out), "out" }, [SPACE_LOSS] = { offsetof(nrt_ctx, loss), "loss" },
    };
    Emit *e = b->e;
    LLVMValueRef at = emit_field(e, b->ctx, e->ptr, fields[s].field, fields[s].name);
    if (s != SPACE_SCRATCH) return at;
    LLVMValueRef skip = LLVMBuildMul(e->b, b->worker, emit_i64(e, e->p->scratch_bytes), "");
    return LLVMBuildGEP2(e->b, e->i8, at, &skip, 1, "scratch");
}

/* Where a buffer's space begins: made once, in the entry block. */
static LLVMValueRef space_start(Body *b, Space space) {
    if (!b->space[space]) {
        LLVMBasicBlockRef here = go_home(b, b->entry);
        b->space[space] = load_space(b, space);
        go_back(b, here);
    }
    return b->space[space];
}

/* Where buffer number i of kernels alike begins: its offset stands in the table that is the last argument. */
static LLVMValueRef shared_start(Body *b, int i) {
    if (!b->starts[i]) {
        LLVMValueRef space = space_start(b, b->shared->buffers.at[i]->space), index = emit_i64(b->e, i);
        LLVMBasicBlockRef here = go_home(b, b->entry);
        LLVMValueRef at = LLVMBuildGEP2(b->e->b, b->e->i64, LLVMGetParam(b->fn, SHARED_OFFSETS), &index, 1, "");
        LLVMValueRef offset = LLVMBuildLoad2(b->e->b, b->e->i64, at, "");
        LLVMSetMetadata(offset, b->e->md_invariant, LLVMMetadataAsValue(b->e->cx, LLVMMDNodeInContext2(b->e->cx, NULL, 0)));
        b->starts[i] = LLVMBuildGEP2(b->e->b, b->e->i8, space, &offset, 1, b->shared->buffers.at[i]->name);
        go_back(b, here);
    }
    return b->starts[i];
}

/* Where a buffer's own numbers, or those of its space, begin, and the constant way from there to the buffer. */
static LLVMValueRef buffer_start(Body *b, const Buffer *buffer, int64_t *rest) {
    *rest = buffer->offset;
    if (buffer->space == SPACE_LOCAL) {
        for (int i = 0; i < b->k->locals.n; i++)
            if (b->k->locals.at[i] == buffer) return b->slots.at[i];
        BUG("kernel '%s': local '%s' is not its own", b->k->name, buffer->name);
    }
    if (!b->shared) return space_start(b, buffer->space);
    *rest = 0;
    for (int i = 0; i < b->shared->buffers.n; i++)
        if (b->shared->buffers.at[i] == buffer) return shared_start(b, i);
    BUG("kernel '%s': buffer '%s' has no number", b->k->name, buffer->name);
}

/* What an instruction of x86 adds without an instruction more. (Elsewhere loop strength reduction has the last word.) */
static bool is_scale(int64_t x) { return x == 1 || x == 2 || x == 4 || x == 8; }

/* from + scale * x, x being the variable's value or its first one. */
static LLVMValueRef scaled_address(Body *b, LLVMValueRef from, LLVMValueRef x, int64_t scale, const char *name) {
    LLVMValueRef offset = scale == 1 ? x : LLVMBuildNSWMul(b->e->b, x, emit_i64(b->e, scale), "");
    return LLVMBuildGEP2(b->e->b, b->e->i8, from, &offset, 1, name);
}

/* A pointer that goes on with its loop; walk_on says how far. */
static void walk_address(Body *b, const Bind *v, Address *x, const char *name) {
    LLVMBasicBlockRef here = go_home(b, v->before);
    x->first = scaled_address(b, x->from, v->lo, x->scale, "");
    LLVMPositionBuilderBefore(b->e->b, LLVMGetFirstInstruction(v->home));
    x->at = LLVMBuildPhi(b->e->b, b->e->ptr, name);
    go_back(b, here);
}

/* from + scale * variable number i, in bytes, at the variable's home. */
static LLVMValueRef step_address(Body *b, LLVMValueRef from, int i, int64_t scale) {
    Bind *v = &b->bind[i];
    for (int j = 0; j < v->addresses.n; j++)
        if (v->addresses.at[j].from == from && v->addresses.at[j].scale == scale) return v->addresses.at[j].at;
    size_t n;
    const char *name = arena_printf(b->e->a, "%s.%s", LLVMGetValueName2(from, &n), v->var->name);
    Address x = { .from = from, .scale = scale };
    if (v->before && !is_scale(scale)) walk_address(b, v, &x, name);
    else {
        LLVMBasicBlockRef here = go_home(b, v->home);
        x.at = scaled_address(b, from, v->value, scale, name);
        go_back(b, here);
    }
    VEC_PUSH(b->e->a, &v->addresses, x);
    return x.at;
}

typedef struct Place { LLVMValueRef base; int64_t offset, lane_bytes; unsigned align; } Place;

/* The address of buffer[at]: base + offset bytes, for lane number l another l * lane_bytes. */
static Place find_place(Body *b, const Buffer *buffer, const Affine *at) {
    int64_t bytes = elem_bytes(buffer->elem);
    bool aligned = buffer->space <= SPACE_SCRATCH || buffer->space == SPACE_LOCAL;
    Resolved r;
    int64_t rest;
    LLVMValueRef start = buffer_start(b, buffer, &rest);
    r.lane = 0;
    r.top = 0;
    r.c = buffer->base * bytes + rest;
    for (int i = 0; i < buffer->rank; i++) resolve_add(b, at[i], buffer->stride[i] * bytes, &r);
    Place p = { start, r.c, r.lane, 0 };
    int64_t divisor = gcd_i64(aligned ? LINE : bytes, r.c < 0 ? -r.c : r.c);
    if (aligned && b->shared && buffer->space != SPACE_LOCAL) divisor = gcd_i64(divisor, buffer->offset); /* which is not in r.c: kernels alike have it aligned alike */
    for (int i = 0; i < r.top; i++) {
        if (r.k[i] == 0) continue;
        p.base = step_address(b, p.base, i, r.k[i]);
        uint64_t scale = (uint64_t)(r.k[i] < 0 ? -r.k[i] : r.k[i]);
        divisor = gcd_i64(divisor, (int64_t)(scale * (uint64_t)b->bind[i].multiple % LINE)); /* which divisor divides */
    }
    p.align = (unsigned)(divisor & -divisor);
    return p;
}

static LLVMValueRef place_lane(Body *b, const Place *p, unsigned lane) {
    int64_t offset = p->offset + (int64_t)lane * p->lane_bytes;
    LLVMValueRef index = emit_i64(b->e, offset);
    return offset == 0 ? p->base : LLVMBuildGEP2(b->e->b, b->e->i8, p->base, &index, 1, "");
}

/* ---- memory ---- */

/* Declares which space an access belongs to, and that it touches no other. */
static LLVMValueRef mark(Body *b, LLVMValueRef access, Space s, unsigned align) {
    if (s != SPACE_LOCAL) {
        LLVMSetMetadata(access, b->e->md_scope, b->scope_list[s]);
        LLVMSetMetadata(access, b->e->md_noalias, b->other_list[s]);
    }
    LLVMSetAlignment(access, align);
    return access;
}

static unsigned lane_align(const Place *p, unsigned lane) {
    int64_t offset = (int64_t)lane * (p->lane_bytes < 0 ? -p->lane_bytes : p->lane_bytes);
    int64_t divisor = gcd_i64(p->align, offset);
    return (unsigned)divisor;
}

static LLVMValueRef load_one(Body *b, const Buffer *buffer, const Place *p, unsigned lane) {
    LLVMValueRef v = LLVMBuildLoad2(b->e->b, elem_type(b, buffer), place_lane(b, p, lane), buffer->name);
    mark(b, v, buffer->space, lane_align(p, lane));
    return buffer->elem == ELEM_U8 ? LLVMBuildZExt(b->e->b, v, b->e->i32, "") : v;
}

static LLVMValueRef load_lanes(Body *b, const Buffer *buffer, const Place *p) {
    LLVMTypeRef type = LLVMVectorType(elem_type(b, buffer), b->lanes);
    if (p->lane_bytes == elem_bytes(buffer->elem)) {
        LLVMValueRef v = mark(b, LLVMBuildLoad2(b->e->b, type, place_lane(b, p, 0), buffer->name), buffer->space, p->align);
        return buffer->elem == ELEM_U8 ? LLVMBuildZExt(b->e->b, v, LLVMVectorType(b->e->i32, b->lanes), "") : v;
    }
    LLVMValueRef v = LLVMGetPoison(buffer->elem == ELEM_U8 ? LLVMVectorType(b->e->i32, b->lanes) : type);
    for (unsigned i = 0; i < b->lanes; i++) v = LLVMBuildInsertElement(b->e->b, v, load_one(b, buffer, p, i), emit_i32(b->e, i), "");
    return v;
}

static Value load(Body *b, const Expr *x) {
    Place p = find_place(b, x->buffer, x->at);
    if (b->lanes > 1 && p.lane_bytes != 0) return (Value){ load_lanes(b, x->buffer, &p), true };
    return (Value){ load_one(b, x->buffer, &p, 0), false };
}

static LLVMValueRef widen(Body *b, Value x) {
    if (x.wide || b->lanes == 1) return x.v;
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(x.v), b->lanes);
    if (LLVMIsConstant(x.v)) {
        LLVMValueRef all[LANES_MAX];
        for (unsigned i = 0; i < b->lanes; i++) all[i] = x.v;
        return LLVMConstVector(all, b->lanes);
    }
    LLVMValueRef one = LLVMBuildInsertElement(b->e->b, LLVMGetPoison(type), x.v, emit_i32(b->e, 0), "");
    return LLVMBuildShuffleVector(b->e->b, one, LLVMGetPoison(type), LLVMConstNull(LLVMVectorType(b->e->i32, b->lanes)), "");
}

/* Past the caches, which takes a vector that is aligned. */
static void stream(Body *b, LLVMValueRef store, unsigned align) {
    if (!b->e->target->x86 || align < 4 * b->lanes) return;
    LLVMMetadataRef one = LLVMValueAsMetadata(emit_i32(b->e, 1));
    LLVMSetMetadata(store, b->e->md_nontemporal, LLVMMetadataAsValue(b->e->cx, LLVMMDNodeInContext2(b->e->cx, &one, 1)));
    b->streams = true;
}

/* Names what is computed, if that has no name yet, after where it goes. */
static void name_value(LLVMValueRef v, const char *name) {
    size_t n;
    LLVMGetValueName2(v, &n);
    if (!n && LLVMIsAInstruction(v)) LLVMSetValueName2(v, name, strlen(name));
}

static void store(Body *b, const Stmt *s, Value x) {
    const Buffer *buffer = s->buffer;
    Place p = find_place(b, buffer, s->at);
    LLVMBuilderRef ir = b->e->b;
    bool wide = b->lanes > 1 && p.lane_bytes != 0;
    LLVMValueRef v = wide ? widen(b, x) : x.v;
    name_value(v, buffer->name);
    if (buffer->elem == ELEM_U8) v = LLVMBuildTrunc(ir, v, wide ? LLVMVectorType(b->e->i8, b->lanes) : b->e->i8, "");
    if (!wide || p.lane_bytes == elem_bytes(buffer->elem)) {
        LLVMValueRef access = mark(b, LLVMBuildStore(ir, v, place_lane(b, &p, 0)), buffer->space, p.align);
        if (s->streamed && wide) stream(b, access, p.align);
        return;
    }
    for (unsigned i = 0; i < b->lanes; i++) {
        LLVMValueRef one = LLVMBuildExtractElement(ir, v, emit_i32(b->e, i), "");
        mark(b, LLVMBuildStore(ir, one, place_lane(b, &p, i)), buffer->space, lane_align(&p, i));
    }
}

/* ---- expressions ---- */

/* The i32 value of a form; a vector that counts up (or by more) where it has the lane variable. */
static Value index_value(Body *b, Affine x) {
    Emit *e = b->e;
    int64_t lane = b->lane_var ? affine_coef(x, b->lane_var) : 0;
    Affine rest = x;
    AffineTerm term[DEPTH_MAX] = { 0 };
    rest.term = term;
    rest.n = 0;
    for (int i = 0; i < x.n; i++)
        if (x.term[i].var != b->lane_var) term[rest.n++] = x.term[i];
    rest.c += lane * b->lane_lo;
    LLVMValueRef base = LLVMBuildTrunc(e->b, affine_value(b, rest), e->i32, "");
    if (lane == 0 || b->lanes == 1) return (Value){ base, false };
    LLVMValueRef count[LANES_MAX];
    for (unsigned i = 0; i < b->lanes; i++) count[i] = emit_i32(e, lane * (int64_t)i);
    return (Value){ LLVMBuildAdd(e->b, widen(b, (Value){ base, false }), LLVMConstVector(count, b->lanes), ""), true };
}

static Value leaf(Body *b, LLVMValueRef *cache, LLVMTypeRef type, size_t field, const char *name) {
    if (!*cache) {
        LLVMBasicBlockRef here = go_home(b, b->entry);
        *cache = emit_field(b->e, b->ctx, type, field, name);
        go_back(b, here);
    }
    return (Value){ *cache, false };
}

/* The low half of a 64-bit field. */
static Value low_word(Body *b, LLVMValueRef *cache, size_t field, const char *name) {
    LLVMValueRef x = leaf(b, cache, b->e->i64, field, name).v;
    return (Value){ LLVMBuildTrunc(b->e->b, x, b->e->i32, ""), false };
}

/* The first or second half of a vector of n lanes. */
static LLVMValueRef half(Body *b, LLVMValueRef v, unsigned n, unsigned first) {
    LLVMValueRef pick[LANES_MAX];
    for (unsigned i = 0; i < n / 2; i++) pick[i] = emit_i32(b->e, first + i);
    return LLVMBuildShuffleVector(b->e->b, v, LLVMGetPoison(LLVMTypeOf(v)), LLVMConstVector(pick, n / 2), "");
}

/* Adds the upper half of the lanes to the lower, until one is left; missing lanes count as -0, which changes no sum. */
static Value lane_sum(Body *b, Value x) {
    Emit *e = b->e;
    LLVMValueRef v = widen(b, x);
    unsigned n = 1;
    if (b->lanes == 1) return (Value){ v, false };
    while (n < b->lanes) n *= 2;
    if (n != b->lanes) {
        LLVMValueRef none[LANES_MAX], pick[LANES_MAX];
        for (unsigned i = 0; i < b->lanes; i++) none[i] = LLVMConstReal(e->f32, -0.0);
        for (unsigned i = 0; i < n; i++) pick[i] = emit_i32(e, i < b->lanes ? i : b->lanes);
        v = LLVMBuildShuffleVector(e->b, v, LLVMConstVector(none, b->lanes), LLVMConstVector(pick, n), "");
    }
    for (; n > 2; n /= 2) v = LLVMBuildFAdd(e->b, half(b, v, n, 0), half(b, v, n, n / 2), "");
    LLVMValueRef low = LLVMBuildExtractElement(e->b, v, emit_i32(e, 0), ""), high = LLVMBuildExtractElement(e->b, v, emit_i32(e, 1), "");
    return (Value){ LLVMBuildFAdd(e->b, low, high, ""), false };
}

/* MurmurHash3's finaliser, as expr.def gives it. */
static LLVMValueRef hash(Emit *e, LLVMValueRef x) {
    static const struct { unsigned shift, factor; } rounds[] = { { 16, 0x85ebca6b }, { 13, 0xc2b2ae35 }, { 16, 1 } };
    LLVMTypeRef type = LLVMTypeOf(x);
    for (int i = 0; i < 3; i++) {
        x = LLVMBuildXor(e->b, x, LLVMBuildLShr(e->b, x, emit_spread(type, emit_i32(e, rounds[i].shift)), ""), "");
        x = LLVMBuildMul(e->b, x, emit_spread(type, emit_i32(e, rounds[i].factor)), "");
    }
    return x;
}

static LLVMValueRef unary(Emit *e, ExprKind kind, ValueType type, LLVMValueRef x) {
    bool real = type == VALUE_F32;
    LLVMTypeRef shape = LLVMTypeOf(x);
    bool wide = LLVMGetTypeKind(shape) == LLVMVectorTypeKind;
    switch (kind) {
    case EXPR_NEG: return real ? LLVMBuildFNeg(e->b, x, "") : LLVMBuildNeg(e->b, x, "");
    case EXPR_ABS:
        if (real) return emit_intrinsic(e, "llvm.fabs", shape, &x, 1);
        return emit_intrinsic(e, "llvm.abs", shape, (LLVMValueRef[]){ x, LLVMConstInt(e->i1, 0, false) }, 2);
    case EXPR_EXP: case EXPR_LOG: case EXPR_SIGMOID: case EXPR_TANH: case EXPR_ERF: return emit_math(e, kind, x);
    case EXPR_HASH: return hash(e, x);
    case EXPR_SQRT: return emit_intrinsic(e, "llvm.sqrt", shape, &x, 1);
    case EXPR_TO_F32: return LLVMBuildSIToFP(e->b, x, wide ? LLVMVectorType(e->f32, LLVMGetVectorSize(shape)) : e->f32, "");
    default: BUG("no unary operator %d", (int)kind);
    }
}

static LLVMValueRef compare(Emit *e, ExprKind kind, bool real, LLVMValueRef x, LLVMValueRef y) {
    switch (kind) {
    case EXPR_LT: return real ? LLVMBuildFCmp(e->b, LLVMRealOLT, x, y, "") : LLVMBuildICmp(e->b, LLVMIntSLT, x, y, "");
    case EXPR_LE: return real ? LLVMBuildFCmp(e->b, LLVMRealOLE, x, y, "") : LLVMBuildICmp(e->b, LLVMIntSLE, x, y, "");
    case EXPR_EQ: return real ? LLVMBuildFCmp(e->b, LLVMRealOEQ, x, y, "") : LLVMBuildICmp(e->b, LLVMIntEQ, x, y, "");
    default: return real ? LLVMBuildFCmp(e->b, LLVMRealUNE, x, y, "") : LLVMBuildICmp(e->b, LLVMIntNE, x, y, "");
    }
}

static LLVMValueRef binary(Emit *e, ExprKind kind, ValueType type, LLVMValueRef x, LLVMValueRef y) {
    bool real = type == VALUE_F32;
    LLVMValueRef less;
    switch (kind) {
    case EXPR_ADD: return real ? LLVMBuildFAdd(e->b, x, y, "") : LLVMBuildAdd(e->b, x, y, "");
    case EXPR_SUB: return real ? LLVMBuildFSub(e->b, x, y, "") : LLVMBuildSub(e->b, x, y, "");
    case EXPR_MUL: return real ? LLVMBuildFMul(e->b, x, y, "") : LLVMBuildMul(e->b, x, y, "");
    case EXPR_DIV: return real ? LLVMBuildFDiv(e->b, x, y, "") : LLVMBuildSDiv(e->b, x, y, "");
    case EXPR_MIN:
        less = real ? LLVMBuildFCmp(e->b, LLVMRealOLT, x, y, "") : LLVMBuildICmp(e->b, LLVMIntSLT, x, y, "");
        return LLVMBuildSelect(e->b, less, x, y, "");
    case EXPR_MAX:
        less = real ? LLVMBuildFCmp(e->b, LLVMRealOGT, x, y, "") : LLVMBuildICmp(e->b, LLVMIntSGT, x, y, "");
        return LLVMBuildSelect(e->b, less, x, y, "");
    case EXPR_AND: return LLVMBuildAnd(e->b, x, y, "");
    case EXPR_OR: return LLVMBuildOr(e->b, x, y, "");
    default: return compare(e, kind, real, x, y);
    }
}

/* The least value of the variable; false: not known. */
static bool first_value(Body *b, const Var *var, int64_t *first) {
    *first = b->lane_lo;
    if (var == b->lane_var) return true;
    const Bind *v = find_bind(b, var);
    bool counts_up = !v->constant && v->lo && LLVMIsConstant(v->lo);
    *first = counts_up ? LLVMConstIntGetSExtValue(v->lo) : v->c;
    return counts_up || v->constant;
}

/* Is the form at least `bound`, by where the loops around begin? (LLVM is not told that they count up.) */
static bool is_at_least(Body *b, Affine x, int64_t bound) {
    int64_t least = x.c, first, term;
    for (int i = 0; i < x.n; i++)
        if (x.term[i].k < 0 || !first_value(b, x.term[i].var, &first) || !checked_mul(x.term[i].k, first, &term) || !checked_add(least, term, &least)) return false;
    return least >= bound;
}

/* Does x ask of a point that is not a picture's first whether it is? */
static bool asks_in_vain(Body *b, const Expr *x) { return x->kind == EXPR_LT && x->arg[0]->kind == EXPR_INDEX && x->arg[1]->kind == EXPR_INT && is_at_least(b, x->arg[0]->index, x->arg[1]->index.c); }

static Value expr(Body *b, const Expr *x);

static Value operator(Body *b, const Expr *x) {
    Emit *e = b->e;
    int n = expr_operands(x->kind);
    Value arg[3];
    LLVMValueRef v[3];
    bool wide = false;
    if (asks_in_vain(b, x)) return (Value){ LLVMConstInt(e->i1, 0, false), false };
    for (int i = 0; i < n; i++) {
        arg[i] = expr(b, x->arg[i]);
        wide |= arg[i].wide;
    }
    for (int i = 0; i < n; i++) v[i] = wide ? widen(b, arg[i]) : arg[i].v;
    ValueType type = expr_type(x->arg[0]);
    if (n == 1) return (Value){ unary(e, x->kind, type, v[0]), wide };
    if (n == 2) return (Value){ binary(e, x->kind, type, v[0], v[1]), wide };
    if (x->kind == EXPR_FMA) return (Value){ emit_fma(e, v[0], v[1], v[2]), wide };
    return (Value){ LLVMBuildSelect(e->b, v[0], v[1], v[2], ""), wide };
}

static Value expr(Body *b, const Expr *x) {
    switch (x->kind) {
    case EXPR_REAL: return (Value){ LLVMConstReal(b->e->f32, x->real), false };
    case EXPR_INT: return (Value){ emit_i32(b->e, x->index.c), false };
    case EXPR_INDEX: return index_value(b, x->index);
    case EXPR_LOAD: return load(b, x);
    case EXPR_LR: return leaf(b, &b->lr, b->e->f32, offsetof(nrt_ctx, lr), "lr");
    case EXPR_SEED: return low_word(b, &b->seed, offsetof(nrt_ctx, seed), "seed");
    case EXPR_STEP: return low_word(b, &b->step, offsetof(nrt_ctx, step), "step");
    case EXPR_IMAGE_WEIGHT: return leaf(b, &b->image_weight, b->e->f32, offsetof(nrt_ctx, image_weight), "image_weight");
    case EXPR_LANE_SUM: return lane_sum(b, expr(b, x->arg[0]));
    default: return operator(b, x);
    }
}

/* ---- statements ---- */

/* Where code comes from. The body of kernels alike stands for several calls of blocks, and tells of none: their functions do. */
static Span place_of(const Body *b, Span span) {
    if (b->shared) span.call = 0;
    return span;
}

static void set_place(Body *b, const Stmt *s) {
    LLVMSetCurrentDebugLocation2(b->e->b, emit_place(b->e, place_of(b, s->span.file > 0 ? s->span : b->k->span), b->subprogram));
}

static Bind *push(Body *b, const Var *v) {
    ENSURE(b->depth < DEPTH_MAX);
    Bind *bind = &b->bind[b->depth++];
    *bind = (Bind){ .var = v, .multiple = 1 };
    return bind;
}

static void push_constant(Body *b, const Var *v, int64_t c) {
    Bind *bind = push(b, v);
    bind->constant = true;
    bind->c = c;
}

static void push_value(Body *b, const Var *v, LLVMValueRef value, LLVMBasicBlockRef home, int64_t multiple) {
    Bind *bind = push(b, v);
    bind->value = value;
    bind->home = home;
    bind->multiple = multiple;
}

/* The value of a form whose variables are all constants; false where one is not. */
static bool constant_value(Body *b, Affine x, int64_t *out) {
    *out = x.c;
    for (int i = 0; i < x.n; i++) {
        Bind *v = find_bind(b, x.term[i].var);
        if (!v->constant) return false;
        *out += x.term[i].k * v->c;
    }
    return true;
}

/* max(lo[]) and min(hi[]), where constant. */
static bool constant_bounds(Body *b, const Stmt *s, int64_t *lo, int64_t *hi) {
    int64_t x;
    for (int i = 0; i < s->nlo; i++) {
        if (!constant_value(b, s->lo[i], &x)) return false;
        *lo = i == 0 ? x : i64_max(*lo, x);
    }
    for (int i = 0; i < s->nhi; i++) {
        if (!constant_value(b, s->hi[i], &x)) return false;
        *hi = i == 0 ? x : i64_min(*hi, x);
    }
    return true;
}

static void stmt(Body *b, const Stmt *s);

static void list(Body *b, const Stmt *s) {
    for (int i = 0; i < s->body.n; i++) stmt(b, s->body.at[i]);
}

/* The loop of stmt_turns: row by row in, turned, and row by row out. */
static void turn_square(Body *b, const Stmt *loop) {
    const Stmt *s = loop->body.at[0];
    LLVMTypeRef type = LLVMVectorType(b->e->f32, b->lanes);
    LLVMValueRef row[LANES_MAX];
    set_place(b, s);
    push_constant(b, loop->var, loop->lo[0].c);
    Place from = find_place(b, s->value->buffer, s->value->at);
    b->depth--;
    for (unsigned i = 0; i < b->lanes; i++)
        row[i] = mark(b, LLVMBuildLoad2(b->e->b, type, place_lane(b, &from, i), s->value->buffer->name), s->value->buffer->space, lane_align(&from, i));
    emit_transpose(b->e, row, b->lanes);
    for (unsigned i = 0; i < b->lanes; i++) {
        push_constant(b, loop->var, loop->lo[0].c + i);
        store(b, s, (Value){ row[i], true });
        b->depth--;
    }
}

static void unroll_loop(Body *b, const Stmt *s) {
    int64_t lo = 0, hi = 0;
    if (!constant_bounds(b, s, &lo, &hi)) BUG("kernel '%s': bounds of '%s' are not constant", b->k->name, s->var->name);
    if (stmt_turns(s, b->lane_var, b->lanes)) {
        turn_square(b, s);
        return;
    }
    for (int64_t i = lo; i < hi; i += s->step) {
        push_constant(b, s->var, i);
        list(b, s);
        b->depth--;
    }
}

static void lane_loop(Body *b, const Stmt *s) {
    int64_t lo = 0, hi = 0;
    if (!constant_bounds(b, s, &lo, &hi)) BUG("kernel '%s': bounds of '%s' are not constant", b->k->name, s->var->name);
    if (lo >= hi) return;
    ENSURE(!b->lane_var && hi - lo <= LANES_MAX);
    b->lane_var = s->var;
    b->lane_lo = lo;
    b->lanes = (unsigned)(hi - lo);
    list(b, s);
    b->lane_var = NULL;
    b->lanes = 1;
}

static LLVMValueRef run_time_bound(Body *b, const Affine *x, int n, bool largest) {
    LLVMValueRef v = affine_value(b, x[0]);
    for (int i = 1; i < n; i++) v = largest ? emit_max(b->e, v, affine_value(b, x[i])) : emit_min(b->e, v, affine_value(b, x[i]));
    return v;
}

/* A number that divides every value of the loop's variable; 0 is divided by all. */
static int64_t loop_multiple(const Stmt *s) {
    if (s->nlo != 1 || s->lo[0].n != 0) return 1;
    int64_t lo = s->lo[0].c < 0 ? -s->lo[0].c : s->lo[0].c;
    return gcd_i64(lo, s->step);
}

/* The address of the next turn, at the end of a loop that is entered from `before`. */
static void walk_on(Body *b, const Address *x, LLVMBasicBlockRef before, LLVMBasicBlockRef latch, int64_t step) {
    if (!x->first) return;
    LLVMValueRef by = emit_i64(b->e, (int64_t)((uint64_t)x->scale * (uint64_t)step)), next = LLVMBuildGEP2(b->e->b, b->e->i8, x->at, &by, 1, "");
    LLVMAddIncoming(x->at, (LLVMValueRef[]){ x->first, next }, (LLVMBasicBlockRef[]){ before, latch }, 2);
}

static void serial_loop(Body *b, const Stmt *s) {
    Emit *e = b->e;
    int64_t clo = 0, chi = 0;
    bool known = constant_bounds(b, s, &clo, &chi);
    if (known && clo >= chi) return;
    if (known && chi - clo <= s->step) { /* one pass */
        push_constant(b, s->var, clo);
        list(b, s);
        b->depth--;
        return;
    }
    LLVMValueRef lo = known ? emit_i64(e, clo) : run_time_bound(b, s->lo, s->nlo, true);
    LLVMValueRef hi = known ? emit_i64(e, chi) : run_time_bound(b, s->hi, s->nhi, false);
    const char *name = s->var->name;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(e->b), home = emit_block(e, arena_printf(e->a, "%s" LOOP_SUFFIX, name));
    LLVMBasicBlockRef body = emit_block(e, arena_printf(e->a, "%s.body", name)), after = emit_block(e, arena_printf(e->a, "%s.end", name));
    if (known) LLVMBuildBr(e->b, home);
    else LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, lo, hi, ""), home, after);
    LLVMPositionBuilderAtEnd(e->b, home);
    LLVMValueRef v = LLVMBuildPhi(e->b, e->i64, name);
    LLVMBuildBr(e->b, body);
    LLVMPositionBuilderAtEnd(e->b, body);
    push_value(b, s->var, v, home, loop_multiple(s));
    Bind *bind = &b->bind[b->depth - 1];
    bind->before = before;
    bind->lo = lo;
    list(b, s);
    b->depth--;
    LLVMValueRef next = LLVMBuildNSWAdd(e->b, v, emit_i64(e, s->step), "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(e->b);
    for (int i = 0; i < bind->addresses.n; i++) walk_on(b, &bind->addresses.at[i], before, latch, s->step);
    LLVMBuildCondBr(e->b, LLVMBuildICmp(e->b, LLVMIntSLT, next, hi, ""), home, after);
    LLVMAddIncoming(v, (LLVMValueRef[]){ lo, next }, (LLVMBasicBlockRef[]){ before, latch }, 2);
    LLVMMoveBasicBlockAfter(after, latch);
    LLVMPositionBuilderAtEnd(e->b, after);
}

/* The line of buffer[at], or that of each lane. */
static void prefetch(Body *b, const Stmt *s) {
    enum { READ = 0, EVERY_CACHE = 3, DATA = 1 };
    Place p = find_place(b, s->buffer, s->at);
    unsigned lines = b->lanes > 1 && p.lane_bytes != 0 && p.lane_bytes != elem_bytes(s->buffer->elem) ? b->lanes : 1;
    for (unsigned i = 0; i < lines; i++) {
        LLVMValueRef args[] = { place_lane(b, &p, i), emit_i32(b->e, READ), emit_i32(b->e, EVERY_CACHE), emit_i32(b->e, DATA) };
        emit_intrinsic(b->e, "llvm.prefetch", b->e->ptr, args, 4);
    }
}

static void stmt(Body *b, const Stmt *s) {
    switch (s->kind) {
    case STMT_COMMENT: break;
    case STMT_PREFETCH:
        set_place(b, s);
        prefetch(b, s);
        break;
    case STMT_STORE:
        set_place(b, s);
        store(b, s, expr(b, s->value));
        break;
    case STMT_FOR:
        if (!s->var) list(b, s);
        else if (s->loop == LOOP_SERIAL) serial_loop(b, s);
        else if (s->loop == LOOP_UNROLL) unroll_loop(b, s);
        else lane_loop(b, s);
        break;
    }
}

/* ---- kernels ---- */

/* Spaces as alias scopes: an access is in its own space's, and aliases nothing in the others'. */
static void make_scopes(Body *b) {
    static const char *const names[SPACES] = { "state", "arena", "scratch", "x", "labels", "target", "out", "loss", "local" };
    Emit *e = b->e;
    LLVMMetadataRef text = LLVMMDStringInContext2(e->cx, "spaces", 6), domain = LLVMMDNodeInContext2(e->cx, &text, 1);
    for (int i = 0; i < SPACE_LOCAL; i++) {
        size_t n = 0;
        while (names[i][n]) n++;
        LLVMMetadataRef parts[2] = { LLVMMDStringInContext2(e->cx, names[i], n), domain };
        b->scopes[i] = LLVMMDNodeInContext2(e->cx, parts, 2);
    }
    for (int i = 0; i < SPACE_LOCAL; i++) {
        LLVMMetadataRef others[SPACES];
        size_t n = 0;
        for (int j = 0; j < SPACE_LOCAL; j++)
            if (j != i) others[n++] = b->scopes[j];
        b->scope_list[i] = LLVMMetadataAsValue(e->cx, LLVMMDNodeInContext2(e->cx, &b->scopes[i], 1));
        b->other_list[i] = LLVMMetadataAsValue(e->cx, LLVMMDNodeInContext2(e->cx, others, n));
    }
}

static void make_slots(Body *b) {
    for (int i = 0; i < b->k->locals.n; i++) {
        const Buffer *local = b->k->locals.at[i];
        LLVMTypeRef type = LLVMArrayType2(b->e->i8, (uint64_t)local->bytes);
        LLVMValueRef slot = LLVMBuildAlloca(b->e->b, type, local->name);
        LLVMSetAlignment(slot, 64);
        VEC_PUSH(b->e->a, &b->slots, slot);
    }
}

/* The variables that every kernel may use. */
static void bind_arguments(Body *b) {
    Emit *e = b->e;
    const Kernel *k = b->k;
    const Var *const given[] = { k->lo, k->hi, k->task };
    LLVMValueRef n = emit_field(e, b->ctx, e->i64, offsetof(nrt_ctx, n), "n");
    LLVMValueRef blocks = emit_field(e, b->ctx, e->i64, offsetof(nrt_ctx, blocks), "blocks");
    LLVMValueRef more = LLVMBuildNSWAdd(e->b, blocks, emit_i64(e, e->p->chunk - 1), "");
    LLVMValueRef chunks = e->p->chunk == 1 ? blocks : LLVMBuildSDiv(e->b, more, emit_i64(e, e->p->chunk), "chunks");
    for (unsigned i = 0; i < 3; i++)
        if (given[i]) push_value(b, given[i], LLVMGetParam(b->fn, 2 + i), b->entry, 1);
    if (k->n) push_value(b, k->n, n, b->entry, 1);
    if (k->blocks) push_value(b, k->blocks, blocks, b->entry, 1);
    if (k->chunks) push_value(b, k->chunks, chunks, b->entry, 1);
}

/* Of a kernel's function, or of a body that several share. */
static void name_parameters(LLVMValueRef fn) {
    static const char *const names[] = { "ctx", "worker", "lo", "hi", "task", [SHARED_OFFSETS] = "offsets" };
    for (unsigned i = 0; i < LLVMCountParams(fn); i++) LLVMSetValueName2(LLVMGetParam(fn, i), names[i], strlen(names[i]));
}

/* A function of this name that does what the kernel says: on the kernel's own buffers, or (shared) on those of a table. */
static LLVMValueRef kernel_function(Emit *e, const Kernel *k, const char *name, LLVMLinkage linkage, const Likeness *shared) {
    Body *b = ARENA_NEW(e->a, Body);
    b->e = e;
    b->k = k;
    b->lanes = 1;
    b->shared = shared;
    if (shared) b->starts = ARENA_ARRAY(e->a, LLVMValueRef, i64_max(shared->buffers.n, 1));
    LLVMSetCurrentDebugLocation2(e->b, NULL);
    b->fn = emit_function(e, name, shared ? e->shared_type : e->kernel_type, linkage);
    b->subprogram = emit_subprogram(e, b->fn, name, k->span);
    LLVMSetCurrentDebugLocation2(e->b, emit_entry_place(e, k->span, b->subprogram));
    b->ctx = LLVMGetParam(b->fn, 0);
    b->worker = LLVMGetParam(b->fn, 1);
    b->entry = LLVMGetEntryBasicBlock(b->fn);
    name_parameters(b->fn);
    make_scopes(b);
    make_slots(b);
    bind_arguments(b);
    leave_home(b, "body");
    LLVMSetCurrentDebugLocation2(e->b, emit_place(e, place_of(b, k->span), b->subprogram));
    list(b, k->body);
    LLVMSetCurrentDebugLocation2(e->b, emit_entry_place(e, k->span, b->subprogram));
    if (b->streams) emit_intrinsic(e, "llvm.x86.sse.sfence", NULL, NULL, 0); /* such stores are not in order with what tells other threads of them */
    LLVMBuildRetVoid(e->b);
    return b->fn;
}

static LLVMValueRef offset_table(Emit *e, const char *name, const Likeness *l) {
    LLVMValueRef *offsets = ARENA_ARRAY(e->a, LLVMValueRef, i64_max(l->buffers.n, 1));
    for (int i = 0; i < l->buffers.n; i++) offsets[i] = emit_i64(e, l->buffers.at[i]->offset);
    LLVMTypeRef type = LLVMArrayType2(e->i64, (uint64_t)l->buffers.n);
    LLVMValueRef table = LLVMAddGlobal(e->module, type, name);
    LLVMSetInitializer(table, LLVMConstArray2(e->i64, offsets, (uint64_t)l->buffers.n));
    LLVMSetGlobalConstant(table, true);
    LLVMSetLinkage(table, LLVMInternalLinkage);
    return table;
}

/* The kernel as a call of the body that it shares. */
static LLVMValueRef shared_kernel(Emit *e, const Kernel *k, const char *name, LLVMValueRef body, const Likeness *l) {
    LLVMValueRef args[SHARED_OFFSETS + 1];
    LLVMSetCurrentDebugLocation2(e->b, NULL);
    LLVMValueRef fn = emit_function(e, name, e->kernel_type, emit_linkage(e));
    LLVMSetCurrentDebugLocation2(e->b, emit_place(e, k->span, emit_subprogram(e, fn, name, k->span)));
    name_parameters(fn);
    for (unsigned i = 0; i < SHARED_OFFSETS; i++) args[i] = LLVMGetParam(fn, i);
    args[SHARED_OFFSETS] = offset_table(e, arena_printf(e->a, "%s.offsets", name), l);
    LLVMBuildCall2(e->b, e->shared_type, body, args, SHARED_OFFSETS + 1, "");
    LLVMBuildRetVoid(e->b);
    return fn;
}

/* A kernel whose code is in another part. */
static LLVMValueRef declare_kernel(Emit *e, const char *name) {
    LLVMValueRef fn = LLVMAddFunction(e->module, name, e->kernel_type);
    LLVMSetVisibility(fn, LLVMHiddenVisibility);
    return fn;
}

void emit_kernels(Emit *e) {
    int n = e->p->kernels.n;
    Map bodies = {0}; /* by family */
    e->kernels = ARENA_ARRAY(e->a, LLVMValueRef, i64_max(n, 1));
    for (int i = 0; i < n; i++) {
        const Kernel *k = e->p->kernels.at[i];
        const Family *f = e->parts->family[i];
        const char *name = arena_printf(e->a, "%s.%s", e->p->model->name, k->name);
        if (f->part != e->part) {
            if (e->part == EMIT_MAIN_PART) e->kernels[i] = declare_kernel(e, name);
            continue;
        }
        if (f->size == 1) {
            e->kernels[i] = kernel_function(e, k, name, emit_linkage(e), NULL);
            continue;
        }
        const Likeness *like = &e->parts->like[i];
        void **body = map_at(e->a, &bodies, f);
        if (!*body) *body = kernel_function(e, k, arena_printf(e->a, "%s" SHARED_SUFFIX, name), LLVMInternalLinkage, like);
        e->kernels[i] = shared_kernel(e, k, name, *body, like);
    }
}
