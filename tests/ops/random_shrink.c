/* random_shrink.c: a failing network is made smaller, greedily: a change that keeps it failing is kept.
 *
 * Changes, the large ones first: the head is cut off, runs of records are dropped, then brackets around what stays, then numbers are
 * lowered, several together where they hang together (a kernel and its padding; all channels). Every change that is accepted
 * leaves fewer records or as many of smaller numbers, so it ends.
 */
#include "random_shrink.h"

#include <string.h>

typedef struct Shrink {
    RandomNet best;
    NetPredicate *fails;
    void *ctx;
    int questions;
} Shrink;

static int smaller_of(int a, int b) { return a < b ? a : b; }

/* Takes a candidate over if it is a network and fails. */
static bool accept(Shrink *s, const RandomNet *net) {
    NetShape shape[NET_RECORDS + 1];
    if (s->questions == 0 || !net_valid(net, shape)) return false;
    s->questions--;
    if (!s->fails(s->ctx, net)) return false;
    s->best = *net;
    return true;
}

/* ---- records ---- */

static void drop(RandomNet *net, int first, int count) {
    memmove(&net->at[first], &net->at[first + count], sizeof *net->at * (size_t)(net->n - first - count));
    net->n -= count;
}

static bool drop_runs(Shrink *s) {
    bool smaller = false;
    for (int count = s->best.n; count > 0; count = count > 4 ? count / 2 : count - 1)
        for (int i = s->best.n - count; i >= 0; i--) {
            RandomNet net = s->best;
            if (i + count > net.n) continue;
            drop(&net, i, count);
            smaller |= accept(s, &net);
        }
    return smaller;
}

/* Begins with what comes into a later record: fewer records, though of a larger input perhaps. */
static bool cut_head(Shrink *s) {
    NetShape shape[NET_RECORDS + 1];
    for (int i = s->best.n - 1; i > 0; i--) {
        RandomNet net = s->best;
        if (!net_valid(&net, shape)) return false;
        net.in = shape[i];
        drop(&net, 0, i);
        if (accept(s, &net)) return true;
    }
    return false;
}

/* Two records of which the first opens what the second closes, or which otherwise only go together. */
static bool drop_pairs(Shrink *s) {
    bool smaller = false;
    for (int i = 0; i < s->best.n; i++)
        for (int k = i + 1; k < s->best.n; k++) {
            RandomNet net = s->best;
            drop(&net, k, 1);
            drop(&net, i, 1);
            smaller |= accept(s, &net);
        }
    return smaller;
}

/* ---- numbers ---- */

/* Lowers *number, a part of *net, which is s->best with other changes perhaps: to its least value, else half the way, else by one. */
static bool lower(Shrink *s, RandomNet *net, int *number, int least) {
    int old = *number, tried[3] = {least, least + (old - least) / 2, old - 1};
    for (int i = 0; i < 3; i++) {
        if (tried[i] < least || tried[i] >= old || (i && tried[i] == tried[i - 1])) continue;
        *number = tried[i];
        if (accept(s, net)) return true;
    }
    *number = old;
    return false;
}

static bool lower_all(Shrink *s, RandomNet *net, int *number, int least) {
    bool smaller = false;
    while (lower(s, net, number, least)) smaller = true;
    return smaller;
}

static bool lower_settings(Shrink *s) {
    RandomNet net = s->best;
    bool smaller = false;
    int *const to_zero[] = {&net.loss, &net.nesterov, &net.momentum, &net.decay, &net.tile};
    for (int i = 0; i < 5; i++) smaller |= lower_all(s, &net, to_zero[i], 0);
    int *const to_one[] = {&net.images, &net.batch, &net.in.h, &net.in.w, &net.in.c};
    for (int i = 0; i < 5; i++) smaller |= lower_all(s, &net, to_one[i], 1);
    return smaller;
}

static bool usual_lanes(Shrink *s) {
    RandomNet net = s->best;
    net.lanes = 0;
    return s->best.lanes && accept(s, &net);
}

/* A batch as large as its images. */
static bool fill_batch(Shrink *s) {
    RandomNet net = s->best;
    net.batch = net.images;
    return net.batch < s->best.batch && accept(s, &net);
}

static bool has_window(const NetRecord *r) { return r->op == NET_CONV || r->op == NET_MAX_POOL || r->op == NET_AVG_POOL; }

static bool lower_side(Shrink *s, int i, int k) {
    RandomNet net = s->best;
    NetSide *side = &net.at[i].side[k];
    bool smaller = lower_all(s, &net, &side->pad, 0);
    if (has_window(&net.at[i])) smaller |= lower_all(s, &net, &side->dilation, 1) | lower_all(s, &net, &side->stride, 1);
    return smaller | lower_all(s, &net, &side->kernel, 1);
}

/* Kernels and paddings that keep a size, on one side or both: 5 to 3 to 1. */
static bool lower_kernel(Shrink *s, int i, int sides) {
    RandomNet net = s->best;
    for (int k = 0; k < 2; k++) {
        NetSide *side = &net.at[i].side[k];
        if (!(sides & 1 << k)) continue;
        if (side->kernel < 3) return false;
        side->kernel -= 2;
        side->pad = side->pad > side->dilation ? side->pad - side->dilation : 0;
    }
    return accept(s, &net);
}

/* The plainest convolution or window in its place, but for its strides perhaps; the first one of a network is given the input
 * that it needs for its result. */
static bool plain_window(Shrink *s, int i, bool strides) {
    NetShape shape[NET_RECORDS + 1];
    RandomNet net = s->best;
    for (int k = 0; k < 2; k++) net.at[i].side[k] = (NetSide){1, strides ? net.at[i].side[k].stride : 1, 0, 1};
    if (i == 0 && net_valid(&s->best, shape)) {
        net.in.h = (shape[1].h - 1) * net.at[0].side[0].stride + 1;
        net.in.w = (shape[1].w - 1) * net.at[0].side[1].stride + 1;
    }
    return memcmp(net.at[i].side, s->best.at[i].side, sizeof net.at[i].side) && accept(s, &net);
}

/* Groups: one, then as many as it takes, of fewer. Depthwise (0) is tried as 1 once: it grows in number, not in meaning. */
static bool lower_groups(Shrink *s, int i) {
    RandomNet net = s->best;
    NetRecord *r = &net.at[i];
    if (r->op != NET_CONV) return false;
    if (r->groups > 1) return lower_all(s, &net, &r->groups, 1);
    if (r->groups == 0 && r->out == 1) {
        r->groups = 1;
        r->out = 0;
        return accept(s, &net);
    }
    return false;
}

/* Two groups of `each` input channels and one output channel, and as many channels from where they come. */
static bool plain_groups(Shrink *s, int i, int each) {
    RandomNet net = s->best;
    NetRecord *r = &net.at[i];
    if (r->op != NET_CONV || r->groups < 2) return false;
    r->groups = 2;
    r->out = 1;
    int from = i - 1;
    while (from >= 0 && net.at[from].op != NET_CONV) from--;
    int *channels = from < 0 ? &net.in.c : &net.at[from].out;
    *channels = smaller_of(*channels, 2 * each);
    return memcmp(&net, &s->best, sizeof net) && accept(s, &net);
}

static bool lower_record(Shrink *s, int i) {
    RandomNet net = s->best;
    NetRecord *r = &net.at[i];
    bool smaller = lower_all(s, &net, &r->choice, 0) | lower_all(s, &net, &r->flag, 0) | (r->out > 1 && lower_all(s, &net, &r->out, 1));
    smaller |= lower_groups(s, i) | plain_groups(s, i, 1) | plain_groups(s, i, 2);
    if (has_window(&s->best.at[i])) smaller |= plain_window(s, i, false) | plain_window(s, i, true) | lower_kernel(s, i, 3) | lower_kernel(s, i, 1) | lower_kernel(s, i, 2);
    if (has_window(&s->best.at[i]) || s->best.at[i].op == NET_ADAPTIVE) smaller |= lower_side(s, i, 0) | lower_side(s, i, 1);
    return smaller;
}

/* All channels at once, the input's and the convolutions': where a branch or groups tie them together. */
static bool lower_channels(Shrink *s, int less, int divide) {
    RandomNet net = s->best;
    bool changed = false;
    int *number[NET_RECORDS + 1] = {&net.in.c};
    for (int i = 0; i < net.n; i++) number[i + 1] = &net.at[i].out;
    for (int i = 0; i <= net.n; i++) {
        int low = *number[i] / divide - less;
        if (*number[i] < 2 || low < 1) continue;
        *number[i] = low;
        changed = true;
    }
    return changed && accept(s, &net);
}

RandomNet net_shrink(const RandomNet *net, NetPredicate *fails, void *ctx, int questions) {
    Shrink s = {*net, fails, ctx, questions};
    bool smaller;
    do {
        smaller = cut_head(&s) | drop_runs(&s) | drop_pairs(&s);
        smaller |= lower_settings(&s) | usual_lanes(&s) | fill_batch(&s) | lower_channels(&s, 0, 2) | lower_channels(&s, 1, 1);
        for (int i = 0; i < s.best.n; i++) smaller |= lower_record(&s, i);
    } while (smaller && s.questions);
    return s.best;
}
