/* elab.h: what the files of the elaborator share; nobody else includes it, but for the tables of builtins (shell/netc.c).
 *
 *   elaborate.c    files and their definitions, statements, the network
 *   elab_expr.c    expressions
 *   elab_call.c    calls: arguments, functions, blocks, applying layers
 *   elab_train.c   the settings of train
 *   elab_unused.c  warnings about names that are never used
 *   elab_dead.c    warnings about layers without effect
 *
 * Local names live on one stack of bindings; a frame (the network's, or a block call's) sees those from its base upwards.
 * `names` gives the topmost binding of each name, and each binding the one that it hides (of a caller), so that look-up is one
 * probe. An error is reported where it is found and becomes VALUE_ERROR, which silences what depends on it.
 */
#ifndef NETC_ELAB_H
#define NETC_ELAB_H

#include "elaborate.h"
#include "layers.h"
#include "map.h"

typedef enum DefKind { DEF_CONSTANT, DEF_BLOCK } DefKind;
typedef enum DefState { DEF_NEW, DEF_RUNNING, DEF_DONE } DefState;

typedef struct Module Module;
typedef struct Def { /* of a file */
    DefKind kind;
    const char *name;
    Span span;         /* of the name */
    const Ast *ast;    /* the value; the block */
    Module *module;
    DefState state;    /* of a constant */
    Value value;
    struct SigParam *params; /* of a block */
    int nparams;
} Def;

struct Module { /* a file */
    int file;
    const char *path, *real; /* as found; its canonical name, interned */
    const Ast *ast;
    Map defs;          /* name -> Def, imported blocks too */
    VEC(Def *) own;
};

/* A parameter as arguments are bound to it, of a builtin or of a block. */
typedef struct SigParam { const char *name; int type; bool required; Span span; } SigParam;

typedef struct Binding { const char *name; Value value; Span span; int hidden; } Binding; /* hidden: index + 1 of the one beneath, or 0 */

typedef struct Names { const char *prefix; Map counts; } Names; /* where layers get their names: "stage1." and how many of each kind */

typedef struct Frame Frame;
struct Frame {
    const Def *block;    /* null: the network, a constant, train */
    const Value *args;
    Frame *maker;        /* whose text wrote the call: the chain in which no block may appear twice */
    Frame *caller;       /* who applied it */
    Span call;
    Module *module;
    int base;
    Names names;
};

typedef enum LayerValueKind { LAYER_BUILTIN, LAYER_OF_BLOCK, LAYER_CHAIN } LayerValueKind;
typedef struct LayerValue {
    LayerValueKind kind;
    Span span, name_span;
    const Ast *ast;                      /* BUILTIN: where it is written */
    const LayerInfo *info;               /* BUILTIN */
    const Def *block;                    /* OF_BLOCK */
    Frame *maker;
    const Value *args;
    const struct LayerValue *first, *second; /* CHAIN */
} LayerValue;

typedef enum BuiltinKind { BUILTIN_LAYER, BUILTIN_FUNCTION, BUILTIN_RECORD, BUILTIN_NONE, BUILTIN_CONCAT } BuiltinKind;
typedef struct Elab Elab;
typedef Value FunctionCall(Elab *e, Span span, int n, const Value *args);
typedef struct FunctionInfo { const char *name; FunctionCall *call; } FunctionInfo;
typedef struct Builtin {
    BuiltinKind kind;
    const char *name;
    const LayerInfo *layer;
    const struct RecordInfo *record;
    FunctionCall *function;
    Signature signature;
    SigParam params[SIGNATURE_MAX];
} Builtin;

/* A kind of data, optimiser, schedule, loss or initialisation, as a value. */
typedef struct RecordInfo { const char *setting, *name; int number; const char *arguments; } RecordInfo;
typedef struct Record { const RecordInfo *info; const Value *args; Span span, name_span; } Record;

typedef struct Made { struct Written *by; const Node *node; } Made; /* an application of a layer and its result */

struct Elab {
    Arena *arena;
    Diag *diag;
    Model *model;
    Graph *graph;
    Elaborated *result;
    const ElaborateOptions *options;
    Map builtins;            /* name -> Builtin */
    VEC(const char *) builtin_names;
    VEC(Module *) modules;   /* the first is the main file */
    VEC(const Ast *) defines;
    VEC(Binding) bindings;
    Map names;               /* name -> index + 1 of its topmost binding */
    Frame *frame;
    Value it;                /* TENSOR, ERROR, or NONE where there is none */
    VEC(Span) reported;
    Map written;             /* of elab_dead.c: Ast -> Written */
    VEC(struct Written *) written_order;
    VEC(Made) made;
    int64_t steps;
    int layers, depth;
    int call;                /* of the block whose body runs: its number in model->blocks; 0: the network's */
    bool stop;               /* a limit is passed: everything returns at once */
};

/* ---- places ---- */

/* Where nodes come from that are made of the text at s: the same, reached through the call whose body runs. */
Span elab_place(const Elab *e, Span s);

/* ---- errors ---- */

/* Reports an error, unless its place has had one already (a loop passes it again); was it reported? */
bool elab_error(Elab *e, Span s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Has that place had an error? Then the words of another need not be looked for: a loop may pass there a million times. */
bool elab_reported(const Elab *e, Span s);
/* "residual(64, 1, false)": the block of a frame, with its arguments. */
const char *elab_call_text(Elab *e, const Frame *f);
/* Notes the block calls that lead here. */
void elab_stack(Elab *e);
/* elab_error, elab_stack, and the error value. */
Value elab_fail(Elab *e, Span s, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Counts a step of work; false, reported once, when it was one too many. */
bool elab_step(Elab *e, Span s);

/* ---- names ---- */

/* Binds a local name; reports where it is taken. */
void elab_bind(Elab *e, const char *name, Value v, Span span);
/* Forgets the bindings from index `mark` on. */
void elab_unbind(Elab *e, int mark);
/* The binding that the current frame sees, or null. */
const Binding *elab_find_local(const Elab *e, const char *name);
/* Is the name free? Reports where it is not. */
bool elab_name_free(Elab *e, const char *name, Span span);
void elab_builtins(Elab *e);
extern const FunctionInfo elab_functions[]; /* ends with a null name */

/* ---- running ---- */

Value elab_eval(Elab *e, const Ast *ast);
/* As elab_eval, where a layer is likely meant: only the words of errors differ. */
Value elab_eval_layer(Elab *e, const Ast *ast);
Value elab_constant(Elab *e, Def *def);
Value elab_call(Elab *e, const Ast *ast);
/* The value of a builtin or block named without arguments. */
Value elab_bare(Elab *e, const Ast *ast, bool layer_wanted);
Value elab_apply(Elab *e, const LayerValue *layer, Value tensor);
Value elab_arithmetic(Elab *e, const Ast *ast, Value a, Value b);
/* Runs a body; e->it flows through. */
void elab_body(Elab *e, const Ast *body);
/* Runs the statements without a scope of their own. */
void elab_statements(Elab *e, const Ast *body);

/* ---- warnings ---- */

/* A layer has been applied: remembers it, and says of *out whether it can be negative. */
void elab_applied(Elab *e, const LayerValue *layer, const Tensor *in, Tensor *out);
/* What is written at `ast`, and called `name` in messages, made *out. */
void elab_made(Elab *e, const Ast *ast, const char *name, const Tensor *out);
/* -Wdead-layer, when the graph has its roots. */
void elab_dead_layers(Elab *e);
/* -Wunused-block, -Wunused-constant, -Wunused-value, of a main file without errors. */
void elab_unused(Elab *e);

/* ---- train ---- */

extern const RecordInfo elab_records[]; /* ends with a null name */
/* Settings of train and their overrides; `train` may be null. Writes model->train and checks it against the network. */
void elab_train(Elab *e, const Ast *train, const Ast *network, const Tensor *output);
/* The settings that -D train.NAME can reach, null-terminated, each "train.NAME". */
extern const char *const elab_train_paths[];

#endif
