/* ops.c: the operator table, and what the rules of ops/ share. See ops.h and graph.h. */
#include "ops.h"

#include <string.h>

const OpInfo op_table[OP_COUNT] = {
#define OP(op, n, schema, text) [OP_##op] = {#op, n, schema, text, op##_shape, op##_grad, op##_eval},
#define OP_NOGRAD(op, n, schema, text) [OP_##op] = {#op, n, schema, text, op##_shape, NULL, op##_eval},
#define OP_SOURCE(op, n, schema, text) [OP_##op] = {#op, n, schema, text, op##_shape, NULL, NULL},
#include "ops.def"
};

/* ---- schemas ---- */

static void read_kind(AttrField *f, const char *kind, int *ints, int *reals) {
    f->kind = *kind == 'f' ? FIELD_REAL : *kind == 'r' ? FIELD_ROLE : *kind == 't' ? FIELD_SHAPE : FIELD_INTS;
    f->n = f->kind == FIELD_SHAPE ? kind[1] - '0' + 1 : f->kind == FIELD_INTS ? *kind - '0' : 1;
    int *used = f->kind == FIELD_REAL ? reals : ints;
    f->slot = *used;
    *used += f->n;
}

bool attr_next(const char **p, AttrField *f) {
    while (**p == ' ') (*p)++;
    if (!**p) return false;
    int ints = f->ints_used, reals = f->reals_used;
    const char *colon = strchr(*p, ':');
    *f = (AttrField){.name = *p, .name_n = (int)(colon - *p)};
    read_kind(f, colon + 1, &ints, &reals);
    f->ints_used = ints;
    f->reals_used = reals;
    for (*p = colon + 1; **p && **p != ' '; (*p)++)
        if (**p == '=') {
            f->has_default = true;
            f->initial = (*p)[1] - '0';
        }
    return true;
}

/* Attributes that the schema does not have must be 0, so that equal operators are equal bytes. */
static bool unused_are_zero(const OpInfo *op, const Attr *attr) {
    AttrField f = {0};
    const char *p = op->attrs;
    while (attr_next(&p, &f)) {}
    for (int i = f.ints_used; i < ATTR_INTS; i++)
        if (attr->i[i] != 0) return false;
    for (int i = f.reals_used; i < ATTR_FLOATS; i++)
        if (attr->f[i] != 0) return false;
    return true;
}

const char *graph_infer(Arena *a, OpKind op, const Attr *attr, int nargs, const Type *args, Type *out) {
    const OpInfo *info = &op_table[op];
    if (info->nargs >= 0 ? nargs != info->nargs : nargs < 1) {
        if (info->nargs < 0) return arena_printf(a, "%s needs at least 1 argument, got %d", info->name, nargs);
        return arena_printf(a, "%s needs %d argument%s, got %d", info->name, info->nargs, info->nargs == 1 ? "" : "s", nargs);
    }
    ENSURE(unused_are_zero(info, attr));
    *out = (Type){.elem = ELEM_F32};
    return info->shape(a, attr, nargs, args, out);
}

/* ---- shared by shape rules ---- */

bool op_is_image(Type t) { return t.elem == ELEM_F32 && t.batched && t.rank == 3; }
bool op_is_flat(Type t) { return t.elem == ELEM_F32 && t.batched && t.rank == 1; }
bool op_is_number(Type t) { return t.elem == ELEM_F32 && t.batched && t.rank == 0; }
bool op_is_weight(Type t, int rank) { return t.elem == ELEM_F32 && !t.batched && t.rank == rank; }

const char *op_text(Arena *a, Type t) { return t.rank ? type_text(a, t) : "one number"; }

const char *op_result(Arena *a, Type t, Type *out) {
    for (int i = 0; i < t.rank; i++)
        if (t.dim[i] < 1 || t.dim[i] > TYPE_DIM_MAX)
            return arena_printf(a, "dimension %lld of %s is out of range: 1 to %d are allowed", (long long)t.dim[i], type_text(a, t), TYPE_DIM_MAX);
    if (!type_fits(t)) return arena_printf(a, "%s is too large: at most %lld elements are allowed", type_text(a, t), (long long)TYPE_COUNT_MAX);
    *out = t;
    return NULL;
}

const char *op_groups(Arena *a, const char *op, int64_t groups, int64_t channels) {
    if (groups >= 1 && channels % groups == 0) return NULL;
    return arena_printf(a, "%s: %lld channels are not %lld groups", op, (long long)channels, (long long)groups);
}

const char *op_range(Arena *a, const char *name, const int64_t *value, int n, int64_t lo) {
    for (int i = 0; i < n; i++)
        if (value[i] < lo || value[i] > TYPE_DIM_MAX)
            return arena_printf(a, "%s must be from %lld to %d, not %lld", name, (long long)lo, TYPE_DIM_MAX, (long long)value[i]);
    return NULL;
}

const char *op_window(Arena *a, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t *out) {
    int64_t window = dilation * (kernel - 1) + 1, padded = in + 2 * pad; /* all within 2^31: no overflow */
    if (window > padded && dilation > 1)
        return arena_printf(a, "window %lld (%lld dilated by %lld) is larger than the padded input %lld", (long long)window, (long long)kernel,
                            (long long)dilation, (long long)padded);
    if (window > padded) return arena_printf(a, "window %lld is larger than the padded input %lld", (long long)window, (long long)padded);
    *out = (padded - window) / stride + 1;
    return NULL;
}

Type op_shape_attr(const int64_t *rank_and_dims, bool batched) {
    Type t = {.elem = ELEM_F32, .batched = batched, .rank = (int)rank_and_dims[0]};
    for (int i = 0; i < t.rank; i++) t.dim[i] = rank_and_dims[1 + i];
    return t;
}

int64_t op_count(const Node *n, int64_t batch) { return type_count(n->type) * (n->type.batched ? batch : 1); }
