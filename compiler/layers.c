/* layers.c: see layers.h. A rule a layer, small ones by shared rules; shapes come from the operators' own rules where there
 * are operators. */
#include "layers.h"

#include <string.h>

enum { MAX_COUNT_LOG2 = 40 };

const char *layer_size_error(Arena *a, Type t) {
    int64_t n = 1;
    for (int i = 0; i < t.rank; i++)
        if (t.dim[i] > VALUE_MAX_DIM || !checked_mul(n, t.dim[i], &n) || n > (int64_t)1 << MAX_COUNT_LOG2)
            return arena_printf(a, "a tensor of %s is too large; at most 2^30 a dimension and 2^%d numbers", type_text(a, t), MAX_COUNT_LOG2);
    return NULL;
}

/* ---- building blocks of rules ---- */

static void give_up(LayerCall *c, const char *error) {
    if (!c->error) c->error = error;
}

/* op(x, w), its type by the operator's shape rule. w may be null. */
static Tensor build_op(LayerCall *c, OpKind op, Attr attr, Tensor x, const Tensor *w) {
    Type types[2] = {x.type, w ? w->type : x.type};
    Node *nodes[2] = {x.node, w ? w->node : NULL};
    Tensor out = {0};
    if (c->error) return out;
    const char *error = graph_infer(c->arena, op, &attr, w ? 2 : 1, types, &out.type);
    if (!error) error = layer_size_error(c->arena, out.type);
    if (error) give_up(c, error);
    else if (x.node) out.node = graph_node(c->graph, op, attr, w ? 2 : 1, nodes);
    return out;
}

static Tensor build_param(LayerCall *c, const char *suffix, Type type, nrt_role role, int64_t fan_in, int64_t fan_out) {
    Tensor out = {.type = type};
    const char *error = layer_size_error(c->arena, type);
    if (error) give_up(c, error);
    if (c->error) return out;
    c->params += type_count(type);
    if (c->in.node) {
        const char *name = arena_name(c->arena, arena_printf(c->arena, "%s.%s", c->name, suffix));
        out.node = graph_param(c->graph, name, type, role, fan_in, fan_out);
    }
    return out;
}

/* Adds the bias parameter when `wanted`, and says what comes out. */
static void finish_with_bias(LayerCall *c, Tensor y, bool wanted, int64_t features, int64_t fan_in, int64_t fan_out) {
    if (wanted) {
        Tensor b = build_param(c, "bias", type_param(1, features, 0, 0, 0), NRT_BIAS, fan_in, fan_out);
        y = build_op(c, OP_bias, (Attr){0}, y, &b);
    }
    c->out = y;
}

static void set_macs(LayerCall *c, int64_t outputs, int64_t each) {
    if (!checked_mul(outputs, each, &c->macs)) give_up(c, "the layer's multiply-adds overflow 64 bits");
}

static bool is_image(Type t) { return t.rank == 3; }

static bool need_image(LayerCall *c, const char *kind) {
    if (!is_image(c->in.type)) give_up(c, arena_printf(c->arena, "%s needs an image, got %s", kind, type_text(c->arena, c->in.type)));
    return !c->error;
}

/* Output of the same type without an operator. */
static void same_without_op(LayerCall *c) { c->out.type = c->in.type; }

/* ---- contractions ---- */

static void layer_conv(LayerCall *c) {
    if (!need_image(c, "conv")) return;
    int64_t out = c->arg[0].i, groups = c->arg[5].i, channels = c->in.type.dim[0];
    const int64_t *k = c->arg[1].pair, *stride = c->arg[2].pair, *pad = c->arg[3].pair, *dilation = c->arg[4].pair;
    const char *side = channels % groups ? "input" : "output";
    int64_t divided = channels % groups ? channels : out;
    if (divided % groups) {
        give_up(c, arena_printf(c->arena, "groups=%lld does not divide %lld %s channels", (long long)groups, (long long)divided, side));
        return;
    }
    int64_t taps = 0; /* terms of one output's sum; sizes are at most 2^30, so the first product fits */
    if (!checked_mul(channels / groups, k[0] * k[1], &taps)) taps = INT64_MAX;
    Tensor w = {.type = type_param(4, out, channels / groups, k[0], k[1])};
    give_up(c, layer_size_error(c->arena, w.type));
    if (c->error) return;
    w = build_param(c, "weight", w.type, NRT_WEIGHT, taps, out * k[0] * k[1]);
    Attr attr = {.i = {stride[0], stride[1], pad[0], pad[1], dilation[0], dilation[1], groups}};
    Tensor y = build_op(c, OP_conv, attr, c->in, &w);
    finish_with_bias(c, y, c->arg[6].i, out, taps, out * k[0] * k[1]);
    if (!c->error) set_macs(c, type_count(c->out.type), taps);
}

static void layer_linear(LayerCall *c) {
    Type in = c->in.type;
    int64_t out = c->arg[0].i;
    if (in.rank != 1) {
        give_up(c, arena_printf(c->arena, "linear needs a flat input, got %s", type_text(c->arena, in)));
        c->fixit = "flatten -> ";
        return;
    }
    Tensor w = build_param(c, "weight", type_param(2, out, in.dim[0], 0, 0), NRT_WEIGHT, in.dim[0], out);
    Tensor y = build_op(c, OP_linear, (Attr){0}, c->in, &w);
    finish_with_bias(c, y, c->arg[1].i, out, in.dim[0], out);
    if (!c->error) set_macs(c, out, in.dim[0]);
}

/* ---- pools ---- */

static void build_pool(LayerCall *c, OpKind op, const char *kind) {
    if (!need_image(c, kind)) return;
    const int64_t *window = c->arg[0].pair, *stride = c->arg[1].pair, *pad = c->arg[2].pair;
    for (int i = 0; i < 2; i++)
        if (pad[i] > window[i] / 2)
            give_up(c, arena_printf(c->arena, "pad %lld is more than half of window %lld", (long long)pad[i], (long long)window[i]));
    c->out = build_op(c, op, (Attr){.i = {window[0], window[1], stride[0], stride[1], pad[0], pad[1]}}, c->in, NULL);
}

static void layer_max_pool(LayerCall *c) { build_pool(c, OP_max_pool, "max_pool"); }
static void layer_avg_pool(LayerCall *c) { build_pool(c, OP_avg_pool, "avg_pool"); }

static void layer_adaptive_avg_pool(LayerCall *c) {
    if (!need_image(c, "adaptive_avg_pool")) return;
    c->out.type = type_batched(3, c->in.type.dim[0], c->arg[0].pair[0], c->arg[0].pair[1]);
    give_up(c, layer_size_error(c->arena, c->out.type));
}

static void global_pool(LayerCall *c, const char *kind) {
    if (need_image(c, kind)) c->out.type = type_batched(1, c->in.type.dim[0], 0, 0);
}

static void layer_global_avg_pool(LayerCall *c) { global_pool(c, "global_avg_pool"); }
static void layer_global_max_pool(LayerCall *c) { global_pool(c, "global_max_pool"); }

/* ---- normalisation, activations, shape ---- */

static void layer_batch_norm(LayerCall *c) {
    same_without_op(c);
    if (c->arg[2].i) c->params = 2 * c->in.type.dim[0];
}

static void layer_relu(LayerCall *c) { c->out = build_op(c, OP_relu, (Attr){0}, c->in, NULL); }
static void layer_sigmoid(LayerCall *c) { c->out = build_op(c, OP_sigmoid, (Attr){0}, c->in, NULL); }
static void layer_tanh(LayerCall *c) { c->out = build_op(c, OP_tanh, (Attr){0}, c->in, NULL); }
static void layer_dropout(LayerCall *c) { same_without_op(c); }
static void layer_leaky_relu(LayerCall *c) { same_without_op(c); }
static void layer_gelu(LayerCall *c) { same_without_op(c); }
static void layer_silu(LayerCall *c) { same_without_op(c); }
static void layer_hard_swish(LayerCall *c) { same_without_op(c); }
static void layer_softmax(LayerCall *c) { same_without_op(c); }

static void layer_flatten(LayerCall *c) {
    c->out = c->in;
    if (c->in.type.rank != 1) c->out = build_op(c, OP_reshape, (Attr){.i = {1, type_count(c->in.type)}}, c->in, NULL);
}

bool layer_concat(Arena *a, const Tensor *const *in, int n, Type *out, const char **error) {
    *out = in[0]->type;
    for (int i = 1; i < n; i++) {
        Type t = in[i]->type;
        bool fits = t.rank == out->rank && (t.rank == 1 || (t.dim[1] == out->dim[1] && t.dim[2] == out->dim[2]));
        if (!fits) *error = arena_printf(a, "cannot concatenate %s and %s", type_text(a, *out), type_text(a, t));
        else out->dim[0] += t.dim[0]; /* at most 2^30 each, and checked after every step */
        if (!fits || (*error = layer_size_error(a, *out))) return false;
    }
    return true;
}

const LayerInfo layer_table[] = {
#define LAYER(name, arguments, doc) {#name, arguments, doc, true, layer_##name},
#define LAYER_SHAPE(name, arguments, doc) {#name, arguments, doc, false, layer_##name},
#include "layers.def"
    {NULL, NULL, NULL, false, NULL},
};
