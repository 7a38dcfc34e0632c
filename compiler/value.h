/* value.h: what expressions of the language evaluate to, and the parameter lists that values are checked against.
 *
 * Values are small and immutable; what they point to lives in the compilation's arena. VALUE_ERROR stands for the result
 * of something that has been reported already: whatever is computed from it is an error again, silently.
 */
#ifndef NETC_VALUE_H
#define NETC_VALUE_H

#include "model.h"

typedef enum ValueKind {
    VALUE_ERROR, VALUE_NONE, VALUE_INT, VALUE_FLOAT, VALUE_BOOL, VALUE_STRING, VALUE_TUPLE,
    VALUE_PAIR,   /* height and width: only as a checked argument */
    VALUE_TENSOR, /* of the network */
    VALUE_LAYER,  /* something that can be applied to a tensor: LayerValue in elab.h */
    VALUE_RECORD  /* of train: a kind of data, an optimiser, ...: Record in elab.h */
} ValueKind;

/* A tensor of the network while it is elaborated. */
typedef struct Tensor {
    struct Node *node;          /* of the graph; null behind a layer without operator */
    Type type;
    Span span;                  /* where it was made */
    const struct LayerInfo *by; /* the layer that made it, or null */
    bool never_negative;        /* that is known */
} Tensor;

typedef struct Value Value;
typedef struct Tuple { int n; const Value *at; } Tuple;
struct Value {
    ValueKind kind;
    union {
        int64_t i; /* INT, BOOL */
        double f;
        const char *s; /* interned */
        const Tuple *tuple;
        int64_t pair[2];
        const Tensor *tensor;
        const struct LayerValue *layer;
        const struct Record *record;
    };
};

Value value_int(int64_t i);
Value value_float(double f);
Value value_bool(bool b);
Value value_string(const char *interned);
Value value_error(void);

/* The value as the language writes it, for messages; long ones are cut ("(1, 2, ...)"). */
const char *value_text(Arena *a, Value v);
/* Are two values the same? Integers and fractions compare as numbers. `steps` counts down; at 0 the answer is false. */
bool value_equal(Value a, Value b, int64_t *steps);
/* Of an INT or FLOAT. */
double value_number(Value v);
bool value_is_number(Value v);

/* ---- parameters ---- */

/* PARAM_TYPE(name in signatures, what a message says must come) */
#define PARAM_TYPES(PARAM_TYPE)                                              \
    PARAM_TYPE(any, "anything")                                              \
    PARAM_TYPE(int, "an integer")                                            \
    PARAM_TYPE(float, "a number")                                            \
    PARAM_TYPE(bool, "true or false")                                        \
    PARAM_TYPE(string, "a string")                                           \
    PARAM_TYPE(tuple, "a tuple")                                             \
    PARAM_TYPE(count, "an integer from 1 to 1073741824")                     \
    PARAM_TYPE(natural, "an integer from 0 to 1073741824")                   \
    PARAM_TYPE(seed, "an integer that is not negative")                      \
    PARAM_TYPE(counts, "an integer from 1 to 1073741824, or (height, width)") \
    PARAM_TYPE(pads, "an integer from 0 to 1073741824, or (height, width)")  \
    PARAM_TYPE(size, "none, an integer of at least 1, or (height, width)")   \
    PARAM_TYPE(positive, "a number above 0")                                 \
    PARAM_TYPE(nonneg, "a number that is not negative")                      \
    PARAM_TYPE(share, "a number from 0 to below 1")                          \
    PARAM_TYPE(levels, "a number that is not negative, or a tuple of one for each channel") \
    PARAM_TYPE(spreads, "a number above 0, or a tuple of one for each channel") \
    PARAM_TYPE(reduction, "\"mean\" or \"sum\"")

typedef enum ParamType {
#define PARAM_TYPE(name, doc) PARAM_##name,
    PARAM_TYPES(PARAM_TYPE)
#undef PARAM_TYPE
    PARAM_TYPE_COUNT
} ParamType;

enum { VALUE_MAX_DIM = 1 << 30, SIGNATURE_MAX = 8 };

typedef struct Param {
    const char *name;    /* interned */
    ParamType type;
    bool required;
    Value fallback;      /* when not required */
    int same_as;         /* its default is the value of that earlier parameter; -1: no */
} Param;

typedef struct Signature { int n; Param param[SIGNATURE_MAX]; } Signature;

/* Reads "channels:count stride:counts=1 window:counts pad:pads=window": the form in which the builtin tables are written. */
Signature signature_parse(Arena *a, const char *text);
/* Turns *v into what the type wants (an integer into a fraction or a pair); null, or what must come instead. */
const char *param_check(ParamType type, Value *v);
/* The type that the language calls `name` (int, float, bool, string, tuple), or -1. */
int param_type_named(const char *name);

#endif
