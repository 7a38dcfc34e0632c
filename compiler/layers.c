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

enum { MAX_MACS_LOG2 = 58 }; /* some layers' sum, forward and backward, still is a number */

static void set_macs(LayerCall *c, int64_t outputs, int64_t each) {
    if (checked_mul(outputs, each, &c->macs) && c->macs <= (int64_t)1 << MAX_MACS_LOG2) return;
    give_up(c, arena_printf(c->arena, "the layer takes more than 2^%d multiply-adds for one image", MAX_MACS_LOG2));
}

static bool is_image(Type t) { return t.rank == 3; }

static bool need_image(LayerCall *c, const char *kind) {
    if (!is_image(c->in.type)) give_up(c, arena_printf(c->arena, "%s needs an image, got %s", kind, type_text(c->arena, c->in.type)));
    return !c->error;
}

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
    if (!c->error && (taps > INT32_MAX || out * k[0] * k[1] > INT32_MAX))
        give_up(c, arena_printf(c->arena, "the kernel %s is too large; at most %d products for an output, as many for an input", type_text(c->arena, w.type), INT32_MAX));
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

/* Windows that tile the image. */
static Attr tiles(int64_t height, int64_t width) { return (Attr){.i = {height, width, height, width}}; }

/* Along one axis; bins that all are of one size are windows. */
static Tensor pool_axis(LayerCall *c, Tensor x, int axis, int64_t bins) {
    int64_t points = c->error ? 1 : x.type.dim[axis], size = points / bins;
    if (points == bins) return x;
    if (points % bins) return build_op(c, OP_adaptive_avg_pool, (Attr){.i = {[ADAPTIVE_AXIS] = axis, [ADAPTIVE_SIZE] = bins}}, x, NULL);
    return build_op(c, OP_avg_pool, axis == 1 ? tiles(size, 1) : tiles(1, size), x, NULL);
}

static void layer_adaptive_avg_pool(LayerCall *c) {
    if (!need_image(c, "adaptive_avg_pool")) return;
    const int64_t *in = &c->in.type.dim[1], *out = c->arg[0].pair;
    if (in[0] % out[0] == 0 && in[1] % out[1] == 0) c->out = build_op(c, OP_avg_pool, tiles(in[0] / out[0], in[1] / out[1]), c->in, NULL);
    else c->out = pool_axis(c, pool_axis(c, c->in, 1, out[0]), 2, out[1]);
}

static Tensor flattened(LayerCall *c, Tensor x) {
    return x.type.rank == 1 ? x : build_op(c, OP_reshape, (Attr){.i = {1, type_count(x.type)}}, x, NULL);
}

/* One window as large as the image. */
static void global_pool(LayerCall *c, OpKind op, const char *kind) {
    if (!need_image(c, kind)) return;
    Tensor y = build_op(c, op, tiles(c->in.type.dim[1], c->in.type.dim[2]), c->in, NULL);
    if (!c->error) c->out = flattened(c, y);
}

static void layer_global_avg_pool(LayerCall *c) { global_pool(c, OP_avg_pool, "global_avg_pool"); }
static void layer_global_max_pool(LayerCall *c) { global_pool(c, OP_max_pool, "global_max_pool"); }

/* ---- normalisation, activations, shape ---- */

/* A tensor that is kept and saved but not trained. */
static Node *build_state(LayerCall *c, const char *suffix, Type type, nrt_role role) {
    int64_t params = c->params;
    Tensor t = build_param(c, suffix, type, role, 0, 0);
    c->params = params;
    return t.node;
}

/* Running statistics follow the batch's; infer.c puts them in their place. */
static void track_statistics(LayerCall *c, Node *mean, Node *var, double momentum) {
    Type type = mean->type, x = c->in.type;
    Node *old[2] = {build_state(c, "running_mean", type, NRT_RUNNING_MEAN), build_state(c, "running_var", type, NRT_RUNNING_VAR)};
    Attr attr = {.f = {momentum}};
    graph_root(c->graph, ROOT_UPDATE, graph_node(c->graph, OP_running_mean_update, attr, 2, (Node *[]){old[0], mean}), old[0]);
    attr.i[0] = type_count(x) / x.dim[0];
    graph_root(c->graph, ROOT_UPDATE, graph_node(c->graph, OP_running_var_update, attr, 2, (Node *[]){old[1], var}), old[1]);
}

static void layer_batch_norm(LayerCall *c) {
    Type x = c->in.type, type = type_param(1, x.dim[0], 0, 0, 0);
    bool affine = c->arg[2].i;
    Tensor gamma = {0}, beta = {0};
    if (type_count(x) / x.dim[0] > INT32_MAX)
        give_up(c, arena_printf(c->arena, "batch_norm of %s is too large; at most %d numbers a channel", type_text(c->arena, x), INT32_MAX));
    if (c->error) return;
    if (affine) {
        gamma = build_param(c, "weight", type, NRT_SCALE, 0, 0);
        beta = build_param(c, "bias", type, NRT_SHIFT, 0, 0);
    }
    c->out.type = x;
    if (c->error || !c->in.node) return;
    Node *mean = graph_node(c->graph, OP_batch_mean, (Attr){.i = {c->graph->model->layers.n}}, 1, &c->in.node);
    Node *var = graph_binary(c->graph, OP_batch_var, c->in.node, mean);
    Node *inv_std = graph_node(c->graph, OP_inv_std, (Attr){.f = {c->arg[0].f}}, 1, &var);
    track_statistics(c, mean, var, c->arg[1].f);
    Node *args[5] = {c->in.node, mean, inv_std, gamma.node, beta.node};
    c->out.node = graph_node(c->graph, OP_batch_norm, (Attr){0}, affine ? 5 : 3, args);
}

static void layer_relu(LayerCall *c) { c->out = build_op(c, OP_relu, (Attr){0}, c->in, NULL); }
static void layer_sigmoid(LayerCall *c) { c->out = build_op(c, OP_sigmoid, (Attr){0}, c->in, NULL); }
static void layer_tanh(LayerCall *c) { c->out = build_op(c, OP_tanh, (Attr){0}, c->in, NULL); }
static void layer_dropout(LayerCall *c) {
    c->out = c->in;
    if (c->arg[0].f == 0 || !c->in.node) return;
    Node *key = graph_node(c->graph, OP_random_key, (Attr){0}, 0, NULL);
    Attr attr = {.i = {c->graph->model->layers.n}, .f = {c->arg[0].f}};
    c->out.node = graph_node(c->graph, OP_dropout, attr, 2, (Node *[]){c->in.node, key});
}
static void layer_leaky_relu(LayerCall *c) { c->out = build_op(c, OP_leaky_relu, (Attr){.f = {c->arg[0].f}}, c->in, NULL); }
static void layer_gelu(LayerCall *c) { c->out = build_op(c, OP_gelu, (Attr){0}, c->in, NULL); }
static void layer_silu(LayerCall *c) { c->out = build_op(c, OP_silu, (Attr){0}, c->in, NULL); }
static void layer_hard_swish(LayerCall *c) { c->out = build_op(c, OP_hard_swish, (Attr){0}, c->in, NULL); }

static void layer_softmax(LayerCall *c) {
    Tensor lse = build_op(c, OP_logsumexp, (Attr){0}, c->in, NULL);
    c->out = build_op(c, OP_softmax, (Attr){0}, c->in, &lse);
}

static void layer_flatten(LayerCall *c) { c->out = flattened(c, c->in); }

bool layer_concat(Arena *a, Graph *g, const Tensor *const *in, int n, Tensor *out, const char **error) {
    Type *types = ARENA_ARRAY(a, Type, n);
    Node **nodes = ARENA_ARRAY(a, Node *, n);
    bool complete = true;
    for (int i = 0; i < n; i++) {
        types[i] = in[i]->type;
        nodes[i] = in[i]->node;
        complete = complete && nodes[i];
    }
    *error = graph_infer(a, OP_concat, &(Attr){0}, n, types, &out->type);
    if (!*error) *error = layer_size_error(a, out->type);
    if (*error) return false;
    if (complete) out->node = n == 1 ? nodes[0] : graph_node(g, OP_concat, (Attr){0}, n, nodes);
    return true;
}

const LayerInfo layer_table[] = {
#define LAYER(name, arguments, doc) {#name, arguments, doc, layer_##name},
#include "layers.def"
    {NULL, NULL, NULL, NULL},
};
