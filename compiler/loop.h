/* loop.h: the loops, second of netc's intermediate forms: loop nests over buffers in memory, with nothing left to choose.
 *
 * A Program is a model, its buffers, kernels, and two entries (step, infer) that run segments of kernels.
 *
 * A *kernel* is a function of a range [lo, hi) of lane blocks or of work items. Its body is a tree of statements: loops and
 * stores. Indices are affine in the loop variables. Expressions are scalar; inside a LANE loop they stand for all lanes at
 * once: statements of its body run in lockstep over the lanes, which is what makes them vector code. A lane variable may
 * appear only with coefficient 0 or 1 in the index that the emitter vectorises (stride one: a vector load or store; stride
 * zero: one number for all lanes; any other stride: lane by lane, correct but slow). A store whose address is the same in
 * all lanes needs a value that is (a LANE_SUM, or one without lane-dependent loads). Loops inside a lane loop have bounds without the
 * lane variable.
 *
 * UNROLL loops are expanded when code is emitted; their variables become constants. A LOCAL buffer all of whose indices
 * (but the lane's) are constants after unrolling lives in registers; other locals live on the stack.
 *
 * A *segment* is what one nrt_parallel_for runs. A BLOCKS segment runs all its kernels, one after the other, on one chunk of
 * `chunk` lane blocks a task: depth first, while the data is in the cache. An ITEMS segment runs independent kernels; kernel
 * k is cut into ceil(items/per_task) tasks. Chunks are fixed when compiling, so that no sum depends on the number of threads.
 */
#ifndef NETC_LOOP_H
#define NETC_LOOP_H

#include "model.h"

/* ---- variables and affine forms ---- */

typedef struct Var { const char *name; } Var; /* identity is the pointer; names are unique within a kernel */

typedef struct AffineTerm { const Var *var; int64_t k; } AffineTerm;
typedef struct Affine { int64_t c; int n; const AffineTerm *term; } Affine; /* c + sum k*var; no var twice, no k == 0 */

Affine affine_const(int64_t c);
Affine affine_var(Arena *a, const Var *v);
Affine affine_add(Arena *a, Affine x, Affine y);
Affine affine_offset(Affine x, int64_t c);
Affine affine_scale(Arena *a, Affine x, int64_t k);
/* x*k + y: the place of y in row x of rows of k. */
Affine affine_pair(Arena *a, Affine x, int64_t k, Affine y);
/* The quotient of x = k * quotient + rest: terms that k does not divide, and what it leaves of the constant, are in the rest. */
Affine affine_divide(Arena *a, Affine x, int64_t k, Affine *rest);
/* x with v replaced by y. */
Affine affine_subst(Arena *a, Affine x, const Var *v, Affine y);
/* Coefficient of v in x, 0 where it has none. */
int64_t affine_coef(Affine x, const Var *v);
bool affine_equal(Affine x, Affine y);

/* ---- buffers ---- */

typedef enum Space {
    SPACE_STATE,   /* ctx->state */
    SPACE_ARENA,   /* ctx->arena: the whole batch */
    SPACE_SCRATCH, /* ctx->scratch of this worker: one chunk of lane blocks; index of the block counts from the chunk's first */
    SPACE_X, SPACE_LABELS, SPACE_TARGET, SPACE_OUT, SPACE_LOSS, /* the context's canonical arrays */
    SPACE_LOCAL    /* of one kernel: registers or stack */
} Space;

/* Bytes of an element: a u8 has one, all others four. */
int64_t elem_bytes(Elem e);

enum { BUFFER_RANK = 6 };
enum { LINE = 64 }; /* bytes of a line of the caches */

typedef struct Buffer {
    const char *name;            /* unique in the program (locals: in the kernel) */
    Elem elem;
    Space space;
    int rank;
    int64_t dim[BUFFER_RANK];    /* logical extents; -1: as many as the batch needs (first dimension of batched buffers) */
    int64_t low[BUFFER_RANK], high[BUFFER_RANK]; /* halo: indices from -low to dim-1+high are addressable */
    int64_t stride[BUFFER_RANK]; /* in elements */
    int64_t base;                /* elements from the buffer's start to index (0, 0, ...) */
    int64_t offset;              /* bytes from the start of its space */
    int64_t bytes;               /* size, halo included, at the compiled batch (locals too) */
} Buffer;

/* ---- expressions ---- */

typedef enum ExprKind {
    EXPR_REAL,   /* an f32 constant: real */
    EXPR_INT,    /* an i32 constant: index.c */
    EXPR_INDEX,  /* the i32 value of an affine form: index */
    EXPR_LOAD,   /* buffer[at...]: an f32, or i32 (u8 is widened) */
    EXPR_LR,     /* ctx->lr */
    EXPR_SEED,   /* the low 32 bits of ctx->seed, an i32 */
    EXPR_STEP,   /* the low 32 bits of ctx->step */
    EXPR_IMAGE_WEIGHT, /* ctx->image_weight */
#define EXPR(name, text, operands, doc) EXPR_##name,
#include "expr.def"
    EXPR_KINDS
} ExprKind;

typedef struct Expr Expr;
struct Expr {
    ExprKind kind;
    double real;
    Affine index;
    const Buffer *buffer;
    const Affine *at;      /* buffer->rank of them */
    const Expr *arg[3];
};
typedef enum { VALUE_F32, VALUE_I32, VALUE_BOOL } ValueType;

const Expr *expr_real(Arena *a, double x);
const Expr *expr_int(Arena *a, int64_t x);
const Expr *expr_index(Arena *a, Affine x);
const Expr *expr_leaf(Arena *a, ExprKind kind); /* LR, SEED, STEP, IMAGE_WEIGHT */
const Expr *expr_load(Arena *a, const Buffer *b, const Affine *at);
const Expr *expr_unary(Arena *a, ExprKind kind, const Expr *x);
const Expr *expr_binary(Arena *a, ExprKind kind, const Expr *x, const Expr *y);
const Expr *expr_ternary(Arena *a, ExprKind kind, const Expr *x, const Expr *y, const Expr *z);
/* Type of the value; operands must agree (checked by loop_verify). */
ValueType expr_type(const Expr *e);
/* Operands of a kind (0 for leaves and loads) and its text in expr.def. */
int expr_operands(ExprKind kind);
const char *expr_text(ExprKind kind);

/* ---- statements ---- */

typedef enum { LOOP_SERIAL, LOOP_UNROLL, LOOP_LANE } LoopKind;
typedef enum { STMT_FOR, STMT_STORE, STMT_PREFETCH, STMT_COMMENT } StmtKind;
enum { BOUND_MAX = 3 };

typedef struct Stmt Stmt;
struct Stmt {
    StmtKind kind;
    Span span;                   /* where in the source this comes from (STORE, outermost FOR) */
    /* FOR: var = max(lo[]), while var < min(hi[]), var += step. UNROLL and LANE: constant bounds after the loops around are unrolled. */
    const Var *var;
    LoopKind loop;
    int nlo, nhi;
    Affine lo[BOUND_MAX], hi[BOUND_MAX];
    int64_t step;
    VEC(Stmt *) body;
    /* STORE: buffer[at] = value; streamed: past the caches where that is possible, since nobody reads it soon, and whole lines of memory are stored.
     * PREFETCH: buffer[at], which may lie outside of the buffer, will be read soon: its line, or those of all lanes, may be fetched. */
    const Buffer *buffer;
    const Affine *at;
    const Expr *value;
    bool streamed;
    /* COMMENT */
    const char *text;
};

Stmt *stmt_for(Arena *a, const Var *v, LoopKind kind, Affine lo, Affine hi, int64_t step);
Stmt *stmt_store(Arena *a, const Buffer *b, const Affine *at, const Expr *value, Span span);
Stmt *stmt_prefetch(Arena *a, const Buffer *b, const Affine *at, Span span);
Stmt *stmt_comment(Arena *a, const char *text);
void stmt_add(Arena *a, Stmt *loop, Stmt *child);
/* Bytes from the start of the buffer's space to buffer[at]. */
Affine buffer_byte(Arena *a, const Buffer *b, const Affine *at);
/* Does the loop, inside of a lane loop over `lane`, copy a square of lanes x lanes f32 that lie in rows along the loop to where they lie in rows
 * along the lanes? Then it is no copy of single numbers: whole rows are loaded, turned in registers, and stored. */
bool stmt_turns(const Stmt *loop, const Var *lane, int64_t lanes);

/* ---- kernels and programs ---- */

typedef struct Kernel {
    const char *name;       /* "conv1.forward"; unique; the emitter prefixes the network's name */
    const char *layer;
    nrt_pass pass;
    Span span;
    int64_t flops, bytes, slots; /* as in nrt_kernel */
    VEC(int) nodes;         /* ids of the graph's nodes that it computes; none where the loops were read as text */
    const char *plan;       /* one line for people: algorithm, lane axis, tile, fused set */
    /* What the body may use, i64: its range, the task's number, images and lane blocks of the batch, and the number of
     * chunks (tasks of a BLOCKS segment) that the batch fills. */
    const Var *lo, *hi, *task, *n, *blocks, *chunks;
    VEC(Buffer *) locals;
    int serial;             /* names given so far, to keep them unique */
    Stmt *body;             /* a FOR-less list: kind STMT_FOR with var null holds the top-level statements */
} Kernel;

typedef enum { SEGMENT_BLOCKS, SEGMENT_ITEMS } SegmentKind;
typedef struct SegmentPart { Kernel *kernel; int64_t items, per_task; } SegmentPart; /* BLOCKS: both 0; the range is the chunk */
typedef struct Segment {
    const char *name;
    SegmentKind kind;
    VEC(SegmentPart) parts;
} Segment;
typedef struct Entry { const char *name; VEC(Segment *) segments; } Entry; /* "step", "infer" */

typedef struct Program {
    Arena *arena;
    Model *model;
    int lanes;
    int64_t chunk;          /* lane blocks in a chunk */
    int64_t state_bytes, arena_bytes, scratch_bytes;
    VEC(nrt_tensor) tensors;/* strings interned */
    VEC(Buffer *) buffers;  /* all but locals */
    VEC(Kernel *) kernels;
    Entry step, infer;      /* infer's segments may share kernels with nobody */
} Program;

Program *program_new(Arena *a, Model *model);
/* null, or (arena text) what is wrong: indices inside the buffers' halos wherever bounds are constant, types, lane rules above, unique names,
 * buffers inside their spaces, locals of their kernel only. Runs after lowering in debug and test builds, and on every parsed text. */
const char *loop_verify(const Program *p);
/* The same; *part is then what is at fault: a statement, buffer, tensor, segment or kernel of the program, or the program. */
const char *loop_verify_part(const Program *p, const void **part);

#endif
