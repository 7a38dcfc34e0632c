/* random_net.c: what the records of a network mean: shapes and text. See random_net.h. */
#include "random_net.h"

#include <string.h>

/* ---- shapes ---- */

static int window_out(int in, NetSide s) {
    int span = in + 2 * s.pad - s.dilation * (s.kernel - 1) - 1;
    return span < 0 ? 0 : span / s.stride + 1;
}

static bool window_shape(const NetRecord *r, NetShape *s) {
    if (s->flat) return false;
    s->h = window_out(s->h, r->side[0]);
    s->w = window_out(s->w, r->side[1]);
    return s->h > 0 && s->w > 0;
}

/* Does any place of the kernel ever meet the picture? Dilated ones may step over all of it. */
static bool meets_picture(int in, NetSide s) {
    for (int o = 0; o < window_out(in, s); o++)
        for (int k = 0; k < s.kernel; k++) {
            int at = o * s.stride + k * s.dilation - s.pad;
            if (at >= 0 && at < in) return true;
        }
    return false;
}

static int conv_groups(const NetRecord *r, NetShape in) { return r->groups ? r->groups : in.c; }
static int conv_channels(const NetRecord *r, NetShape in) { return r->out ? r->out * conv_groups(r, in) : in.c; }

static bool conv_shape_of(const NetRecord *r, NetShape *s) {
    int groups = conv_groups(r, *s), channels = conv_channels(r, *s);
    if (s->c % groups || channels % groups || !meets_picture(s->h, r->side[0]) || !meets_picture(s->w, r->side[1])) return false;
    s->c = channels;
    return window_shape(r, s);
}

static bool pool_shape_of(const NetRecord *r, NetShape *s) {
    return r->side[0].pad <= r->side[0].kernel / 2 && r->side[1].pad <= r->side[1].kernel / 2 && window_shape(r, s);
}

static bool make_flat(NetShape *s, int features) {
    *s = (NetShape){1, features, 1, 1};
    return true;
}

static bool adaptive_shape(const NetRecord *r, NetShape *s) {
    s->h = r->side[0].kernel;
    s->w = r->side[1].kernel;
    return !s->flat;
}

static bool same_shape(NetShape a, NetShape b) { return a.flat == b.flat && a.c == b.c && a.h == b.h && a.w == b.w; }

static bool join_shape(const NetRecord *r, NetShape *s, NetShape other) {
    if (r->choice < JOIN_CONCAT) return same_shape(*s, other);
    if (s->flat != other.flat || s->h != other.h || s->w != other.w) return false;
    s->c += r->choice == JOIN_CONCAT ? other.c : 2 * other.c;
    return true;
}

typedef struct Kept { NetShape shape; bool swapped; } Kept;

static bool bracket_shape(const NetRecord *r, NetShape *s, Kept *kept, int *open) {
    NetShape old = *s;
    if (r->op == NET_SAVE) {
        if (*open == NET_DEPTH) return false;
        kept[(*open)++] = (Kept){old, false};
        return true;
    }
    if (!*open) return false;
    if (r->op == NET_JOIN) return join_shape(r, s, kept[--*open].shape);
    if (kept[*open - 1].swapped) return false;
    *s = kept[*open - 1].shape;
    kept[*open - 1] = (Kept){old, true};
    return true;
}

static bool record_shape(const NetRecord *r, NetShape *s, Kept *kept, int *open) {
    switch (r->op) {
    case NET_CONV: return conv_shape_of(r, s);
    case NET_LINEAR: return s->flat && make_flat(s, r->out ? r->out : s->c);
    case NET_MAX_POOL: case NET_AVG_POOL: return pool_shape_of(r, s);
    case NET_ADAPTIVE: return adaptive_shape(r, s);
    case NET_GLOBAL_AVG: case NET_GLOBAL_MAX: return !s->flat && make_flat(s, s->c);
    case NET_FLATTEN: return make_flat(s, s->c * s->h * s->w);
    case NET_NORM: case NET_DROPOUT: case NET_ACT: return true;
    case NET_SAVE: case NET_SWAP: case NET_JOIN: return bracket_shape(r, s, kept, open);
    }
    return false;
}

bool net_shapes(const RandomNet *net, NetShape shape[NET_RECORDS + 1], int *open) {
    Kept kept[NET_DEPTH];
    *open = 0;
    shape[0] = net->in;
    for (int i = 0; i < net->n; i++) {
        shape[i + 1] = shape[i];
        if (!record_shape(&net->at[i], &shape[i + 1], kept, open)) return false;
    }
    return true;
}

static bool has_weights(const NetRecord *r) { return r->op == NET_CONV || r->op == NET_LINEAR || (r->op == NET_NORM && r->flag); }

/* Is there a layer with weights in the brackets that record i closes? */
static bool has_weights_within(const RandomNet *net, int i) {
    int depth = 1;
    while (depth > 0) {
        const NetRecord *r = &net->at[--i];
        if (has_weights(r)) return true;
        depth += (r->op == NET_JOIN) - (r->op == NET_SAVE);
    }
    return false;
}

/* Of a sum over very many exp(x), half of them alike because x was dropped, the rounding is a matter of luck. */
enum { MOST_CLASSES = 100 };

/* A softmax of one number is 1 whatever it is of, a statistic of three numbers tells little but rounding, what is subtracted
 * should not be the same, and of what is dropped twice too little is left: windows of equal numbers, of which rounding picks the largest. */
static bool says_something(const RandomNet *net, int i, NetShape in) {
    const NetRecord *r = &net->at[i];
    if (r->op == NET_ACT && r->choice == ACT_SOFTMAX) return in.c > 1 && in.c <= MOST_CLASSES;
    if (r->op == NET_DROPOUT) return i == 0 || net->at[i - 1].op != NET_DROPOUT;
    if (r->op == NET_JOIN && r->choice == JOIN_SUB) return has_weights_within(net, i);
    return r->op != NET_NORM || net->images * in.h * in.w > 3;
}

/* Behind more bins than points, numbers are equal or not as rounding has it: no largest should be looked for. */
static bool spreads(const NetRecord *r, NetShape in) { return r->op == NET_ADAPTIVE && (r->side[0].kernel > in.h || r->side[1].kernel > in.w); }
static bool takes_largest(const NetRecord *r) { return r->op == NET_MAX_POOL || r->op == NET_GLOBAL_MAX; }

bool net_valid(const RandomNet *net, NetShape shape[NET_RECORDS + 1]) {
    int open;
    bool trained = false; /* by more than its direction: what a batch_norm scales has no gradient along itself, and one weight no other */
    bool spread = false;
    if (!net_shapes(net, shape, &open) || open || net->images > net->batch) return false;
    for (int i = 0; i < net->n; i++) {
        spread = spread || spreads(&net->at[i], shape[i]);
        if (spread && takes_largest(&net->at[i])) return false;
        trained = has_weights(&net->at[i]) || (trained && net->at[i].op != NET_NORM);
        if (!says_something(net, i, shape[i])) return false;
    }
    return trained && (net->loss != LOSS_ENTROPY || (shape[net->n].flat && shape[net->n].c > 1 && shape[net->n].c <= MOST_CLASSES));
}

/* dropout's first choice of p is 1/2, which scales by 2. */
static bool is_whole(const NetRecord *r) {
    switch (r->op) {
    case NET_AVG_POOL: case NET_ADAPTIVE: case NET_GLOBAL_AVG: case NET_NORM: return false;
    case NET_DROPOUT: return r->choice == 0;
    case NET_ACT: return r->choice == ACT_RELU;
    default: return true;
    }
}

bool net_is_whole(const RandomNet *net) {
    bool whole = net->loss == LOSS_SUM && !net->momentum && !net->decay;
    for (int i = 0; i < net->n; i++) whole = whole && is_whole(&net->at[i]);
    return whole;
}

double net_cost(const RandomNet *net) {
    NetShape shape[NET_RECORDS + 1];
    int open;
    double macs = 0;
    if (!net_shapes(net, shape, &open)) return 0;
    for (int i = 0; i < net->n; i++) {
        const NetRecord *r = &net->at[i];
        NetShape in = shape[i], out = shape[i + 1];
        if (r->op == NET_LINEAR) macs += (double)in.c * out.c;
        if (r->op == NET_CONV) macs += (double)out.c * out.h * out.w * (in.c / conv_groups(r, in)) * r->side[0].kernel * r->side[1].kernel;
    }
    return macs * net->images;
}

/* ---- text ---- */

static const char *const act_names[ACTS] = {"relu", "tanh", "sigmoid", "leaky_relu(0.3)", "silu", "gelu", "hard_swish", "softmax"};
static const char *const shares[] = {"0.5", "0.1", "0.25", "0.6"};

static void print_pair(Text *t, const char *name, int h, int w) {
    if (h == w) text_printf(t, "%s%d", name, h);
    else text_printf(t, "%s(%d, %d)", name, h, w);
}

static void print_option(Text *t, const char *name, int h, int w, int usual) {
    if (h == usual && w == usual) return;
    print_pair(t, name, h, w);
}

static void print_conv(Text *t, const NetRecord *r, NetShape in) {
    const NetSide *h = &r->side[0], *w = &r->side[1];
    text_printf(t, "conv(%d, ", conv_channels(r, in));
    print_pair(t, "", h->kernel, w->kernel);
    print_option(t, ", stride=", h->stride, w->stride, 1);
    print_option(t, ", pad=", h->pad, w->pad, 0);
    print_option(t, ", dilation=", h->dilation, w->dilation, 1);
    if (conv_groups(r, in) > 1) text_printf(t, ", groups=%d", conv_groups(r, in));
    text_printf(t, "%s)\n", r->flag ? "" : ", bias=false");
}

static void print_pool(Text *t, const NetRecord *r) {
    const NetSide *h = &r->side[0], *w = &r->side[1];
    print_pair(t, r->op == NET_MAX_POOL ? "max_pool(" : "avg_pool(", h->kernel, w->kernel);
    if (h->stride != h->kernel || w->stride != w->kernel) print_pair(t, ", stride=", h->stride, w->stride);
    print_option(t, ", pad=", h->pad, w->pad, 0);
    text_printf(t, ")\n");
}

/* Names of what is kept: a1 of the first bracket, and b1 once it was swapped. */
typedef struct Names { int n, number[NET_DEPTH]; bool swapped[NET_DEPTH]; int depth; } Names;

static void print_bracket(Text *t, const NetRecord *r, Names *names) {
    char name[16];
    if (r->op == NET_SAVE) {
        text_printf(t, "a%d = it\n", ++names->n);
        names->swapped[names->depth] = false;
        names->number[names->depth++] = names->n;
        return;
    }
    int top = names->depth - 1;
    if (r->op == NET_SWAP) {
        text_printf(t, "b%d = it; a%d\n", names->number[top], names->number[top]);
        names->swapped[top] = true;
        return;
    }
    snprintf(name, sizeof name, "%c%d", names->swapped[top] ? 'b' : 'a', names->number[top]);
    switch ((NetJoin)r->choice) {
    case JOIN_CONCAT_TWICE: text_printf(t, "concat(%s, it, %s)\n", name, name); break;
    case JOIN_CONCAT: text_printf(t, "concat(it, %s)\n", name); break;
    case JOIN_ADD: case JOIN_SUB: case JOIN_MUL: case JOINS: text_printf(t, "it %c %s\n", "+-*"[r->choice], name); break;
    }
    names->depth--;
}

static void print_record(Text *t, const NetRecord *r, NetShape in, Names *names) {
    text_printf(t, "    ");
    switch (r->op) {
    case NET_CONV: print_conv(t, r, in); break;
    case NET_LINEAR: text_printf(t, "linear(%d%s)\n", r->out ? r->out : in.c, r->flag ? "" : ", bias=false"); break;
    case NET_MAX_POOL: case NET_AVG_POOL: print_pool(t, r); break;
    case NET_ADAPTIVE: text_printf(t, "adaptive_avg_pool((%d, %d))\n", r->side[0].kernel, r->side[1].kernel); break;
    case NET_GLOBAL_AVG: text_printf(t, "global_avg_pool\n"); break;
    case NET_GLOBAL_MAX: text_printf(t, "global_max_pool\n"); break;
    case NET_NORM: text_printf(t, "batch_norm%s\n", r->flag ? "" : "(affine=false)"); break;
    case NET_DROPOUT: text_printf(t, "dropout(%s)\n", shares[r->choice]); break;
    case NET_ACT: text_printf(t, "%s\n", act_names[r->choice]); break;
    case NET_FLATTEN: text_printf(t, "flatten\n"); break;
    case NET_SAVE: case NET_SWAP: case NET_JOIN: print_bracket(t, r, names); break;
    }
}

static void print_train(Text *t, const RandomNet *net) {
    static const char *const losses[LOSSES] = {"; loss = squared_error(reduction=\"sum\")", "; loss = squared_error", ""};
    text_printf(t, "train { batch = %d%s", net->batch, losses[net->loss]);
    if (net->loss != LOSS_ENTROPY) text_printf(t, "; data = arrays(inputs=\"x.npy\", targets=\"y.npy\")");
    if (net->momentum || net->decay) {
        text_printf(t, "; optim = sgd(");
        if (net->momentum) text_printf(t, "momentum=0.9%s%s", net->nesterov ? ", nesterov=true" : "", net->decay ? ", " : "");
        text_printf(t, "%s)", net->decay ? "weight_decay=0.01" : "");
    }
    text_printf(t, " }\n");
}

static void print_shape(Text *t, NetShape s) {
    if (s.flat) text_printf(t, "(%d)", s.c);
    else text_printf(t, "(%d, %d, %d)", s.c, s.h, s.w);
}

Text net_text(const RandomNet *net) {
    NetShape shape[NET_RECORDS + 1];
    int open;
    Text t = {0};
    Names names = {0};
    if (!net_shapes(net, shape, &open)) BUG("no network");
    text_printf(&t, "network n");
    print_shape(&t, net->in);
    text_printf(&t, " -> ");
    if (shape[net->n].flat) text_printf(&t, "%d", shape[net->n].c);
    else print_shape(&t, shape[net->n]);
    text_printf(&t, " {\n");
    for (int i = 0; i < net->n; i++) print_record(&t, &net->at[i], shape[i], &names);
    text_printf(&t, "}\n");
    print_train(&t, net);
    return t;
}
