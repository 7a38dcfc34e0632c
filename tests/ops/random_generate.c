/* random_generate.c: a network from a seed.
 *
 * Four kinds of network, so that what matters comes often enough: of anything, small; of whole numbers, on which float is exact; of
 * stride-1 convolutions 3x3 and 5x5 over 8 channels and more on maps of 6 to 14; of flat layers. Records are proposed blindly and
 * kept where net_shapes accepts them.
 */
#include "random_net.h"

typedef struct Maker {
    uint64_t state;
    RandomNet net;
    bool whole;
} Maker;

static const double cost_limit = 4e5;

static int pick(Maker *m, int lo, int hi) { /* splitmix64 */
    uint64_t z = (m->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return lo + (int)(z % (uint64_t)(hi - lo + 1));
}

static bool chance(Maker *m, int percent) { return pick(m, 1, 100) <= percent; }
static int smaller(int a, int b) { return a < b ? a : b; }

/* What the network gives so far; anything, where it is none: net_random throws it away. */
static NetShape current(const RandomNet *net) {
    NetShape shape[NET_RECORDS + 1];
    int open;
    return net_shapes(net, shape, &open) ? shape[net->n] : (NetShape){0, 1, 1, 1};
}

/* Most that a tensor of one image may hold: concats and paddings add up. */
enum { MOST_NUMBERS = 3000, MOST_CHANNELS = 40 };

static bool add(Maker *m, NetRecord r) {
    NetShape shape[NET_RECORDS + 1];
    int open;
    RandomNet *net = &m->net;
    if (net->n == NET_RECORDS - 8) return false; /* the last places are for what closes brackets and ends the network */
    net->at[net->n++] = r;
    if (net_shapes(net, shape, &open)) {
        NetShape s = shape[net->n];
        if (s.c * s.h * s.w <= MOST_NUMBERS && (s.flat || s.c <= MOST_CHANNELS) && net_cost(net) <= cost_limit * net->images / 2) return true;
    }
    net->n--;
    return false;
}

static bool add_plain(Maker *m, NetOp op, int choice, int flag) { return add(m, (NetRecord){.op = op, .choice = choice, .flag = flag}); }

static void add_act(Maker *m) {
    int act = m->whole ? ACT_RELU : chance(m, 30) ? ACT_RELU : pick(m, 0, ACTS - 1);
    add_plain(m, NET_ACT, act == ACT_SOFTMAX && (current(&m->net).c < 2 || current(&m->net).c > 40) ? ACT_TANH : act, 0);
}

/* ---- convolutions and pools ---- */

/* A stride and a dilation that share a factor are a case of their own: some phases of the input are never met. */
static NetSide pick_side(Maker *m, int most) {
    NetSide s = {.kernel = pick(m, 1, most), .stride = chance(m, 60) ? 1 : pick(m, 2, 3), .dilation = chance(m, 75) ? 1 : pick(m, 2, 3)};
    if (s.dilation > 1 && chance(m, 40)) s.stride = s.dilation;
    s.pad = chance(m, 40) ? 0 : pick(m, 0, s.dilation * (s.kernel - 1));
    return s;
}

static NetRecord pick_groups(Maker *m, NetRecord r) {
    int c = current(&m->net).c, way = pick(m, 0, 9);
    r.groups = 1;
    r.out = pick(m, 1, 9);
    if (way < 2 && c > 1) {
        r.groups = 0;
        r.out = pick(m, 1, 2);
    } else if (way < 4) {
        r.groups = c % 2 == 0 ? 2 : c % 3 == 0 ? 3 : 1;
        r.out = pick(m, 1, 4);
    }
    return r;
}

/* No window may see padding alone, between its holes: what batch norm makes of such a constant is zero, the kink of a relu behind it. */
static NetSide touch(NetSide s, int size) {
    if (s.dilation > size) s.pad = 0;
    return s;
}

static bool add_conv(Maker *m) {
    NetRecord r = pick_groups(m, (NetRecord){.op = NET_CONV, .flag = chance(m, 70)});
    r.side[0] = pick_side(m, 5);
    r.side[1] = chance(m, 60) ? r.side[0] : pick_side(m, 5);
    r.side[0] = touch(r.side[0], current(&m->net).h);
    r.side[1] = touch(r.side[1], current(&m->net).w);
    return add(m, r);
}

/* Stride 1, of a size that is kept or shrinks; `out` channels, 0: as many as come in. */
static bool add_square(Maker *m, int kernel, int pad, int out, int groups) {
    NetSide s = {kernel, 1, pad, 1};
    return add(m, (NetRecord){.op = NET_CONV, .out = out, .groups = groups, .flag = chance(m, 70), .side = {s, s}});
}

static bool add_pool(Maker *m) {
    NetRecord r = {.op = m->whole || chance(m, 50) ? NET_MAX_POOL : NET_AVG_POOL};
    for (int k = 0; k < 2; k++) {
        r.side[k] = k && chance(m, 60) ? r.side[0] : (NetSide){.kernel = pick(m, 1, 4), .dilation = 1};
        if (k && r.side[k].stride) continue;
        r.side[k].stride = chance(m, 50) ? r.side[k].kernel : pick(m, 1, 3);
        r.side[k].pad = chance(m, 60) ? 0 : pick(m, 0, r.side[k].kernel / 2);
    }
    return add(m, r);
}

static bool add_adaptive(Maker *m) {
    NetShape s = current(&m->net);
    int more = chance(m, 40) ? 2 : 1; /* more bins than points */
    return add(m, (NetRecord){.op = NET_ADAPTIVE, .side = {{.kernel = pick(m, 1, more * s.h)}, {.kernel = pick(m, 1, more * s.w)}}});
}

static void add_norm(Maker *m) {
    if (m->whole) return;
    NetShape s = current(&m->net);
    if (m->net.images * s.h * s.w > 3) add_plain(m, NET_NORM, 0, chance(m, 75));
}

/* ---- branches ---- */

/* A layer that keeps the shape. */
static void add_same(Maker *m) {
    bool flat = current(&m->net).flat;
    int way = pick(m, 0, 9), kernel = 1 + 2 * pick(m, 0, 2);
    if (flat && way < 7) add(m, (NetRecord){.op = NET_LINEAR, .flag = chance(m, 70)});
    else if (way < 5) add_square(m, kernel, kernel / 2, 0, chance(m, 25) ? 0 : 1);
    else if (way < 6) add(m, (NetRecord){.op = m->whole ? NET_MAX_POOL : NET_AVG_POOL, .side = {{3, 1, 1, 1}, {3, 1, 1, 1}}});
    else if (way < 7) add_plain(m, NET_DROPOUT, m->whole ? 0 : pick(m, 0, 3), 0);
    else if (way < 8) add_norm(m);
    else add_act(m);
}

static void add_branch(Maker *m, int depth) {
    int join = pick(m, 0, JOINS - 1);
    if (!add_plain(m, NET_SAVE, 0, 0)) return;
    for (int i = pick(m, 0, 3); i > 0; i--) add_same(m);
    if (depth < 2 && chance(m, 15)) add_branch(m, depth + 1);
    if (join >= JOIN_CONCAT && !current(&m->net).flat && chance(m, 60)) add_square(m, 3, 1, pick(m, 1, 5), 1);
    if (chance(m, 40)) {
        m->net.at[m->net.n++] = (NetRecord){.op = NET_SWAP};
        if (chance(m, 70)) add_same(m);
    }
    /* Where other channels came about, or too many would, there is one join that fits. */
    if (add_plain(m, NET_JOIN, join, 0) || add_plain(m, NET_JOIN, JOIN_CONCAT, 0)) return;
    m->net.at[m->net.n++] = (NetRecord){.op = NET_JOIN, .choice = JOIN_CONCAT};
}

/* ---- networks ---- */

static void add_layer(Maker *m) {
    int way = pick(m, 0, 99);
    if (way < 45) {
        add_conv(m);
        if (chance(m, 25)) add_norm(m);
        if (chance(m, 70)) add_act(m);
    } else if (way < 60) add_pool(m);
    else if (way < 80) add_branch(m, 0);
    else if (way < 86 && !m->whole) add_adaptive(m);
    else if (way < 91) add_plain(m, NET_DROPOUT, m->whole ? 0 : pick(m, 0, 3), 0);
    else if (way < 96) add_norm(m);
    else add_act(m);
}

static void add_wide(Maker *m) {
    int kernel = chance(m, 70) ? 3 : 5, stride = chance(m, 25) ? 2 : 1;
    NetSide same = {kernel, stride, kernel / 2, 1}, rows = same;
    if (!chance(m, 70)) rows.pad = pick(m, 0, kernel - 1);
    if (!add(m, (NetRecord){.op = NET_CONV, .out = pick(m, 8, 12), .groups = 1, .flag = chance(m, 70), .side = {rows, same}})) add_square(m, 3, 1, 8, 1);
    if (chance(m, 25)) add_norm(m);
    if (chance(m, 70)) add_act(m);
    if (chance(m, 20)) add_pool(m);
    if (chance(m, 20)) add_branch(m, 1);
}

static void add_flat(Maker *m) {
    int way = pick(m, 0, 9);
    if (way < 6) add(m, (NetRecord){.op = NET_LINEAR, .out = pick(m, 1, 40), .flag = chance(m, 80)});
    else if (way < 7) add_branch(m, 1);
    else if (way < 8) add_plain(m, NET_DROPOUT, m->whole ? 0 : pick(m, 0, 3), 0);
    else add_norm(m);
    if (chance(m, 60)) add_act(m);
}

/* Behind all layers; cross_entropy needs two flat classes, squared errors take what there is. */
static void add_end(Maker *m) {
    RandomNet *net = &m->net;
    if (!net->in.flat && chance(m, 20)) add_conv(m); /* with nothing between it and what flattens it */
    if (!current(net).flat && (net->loss == LOSS_ENTROPY || chance(m, 40))) {
        if (!chance(m, 30)) add_plain(m, NET_FLATTEN, 0, 0);
        else add_plain(m, m->whole || chance(m, 50) ? NET_GLOBAL_MAX : NET_GLOBAL_AVG, 0, 0);
        if (chance(m, 40)) add_flat(m);
    }
    NetShape shape[NET_RECORDS + 1];
    if (net->loss == LOSS_ENTROPY || !net_valid(net, shape)) {
        if (!current(net).flat) net->at[net->n++] = (NetRecord){.op = NET_FLATTEN};
        net->at[net->n++] = (NetRecord){.op = NET_LINEAR, .out = pick(m, 2, 18), .flag = chance(m, 80)};
    }
}

static void settle_train(Maker *m) {
    RandomNet *net = &m->net;
    net->batch = pick(m, 1, 40);
    net->images = pick(m, (net->batch + 1) / 2, net->batch);
    net->lanes = chance(m, 40) ? 4 : 0;
    if (m->whole) return;
    net->loss = chance(m, 60) ? LOSS_ENTROPY : LOSS_MEAN;
    net->momentum = chance(m, 15);
    net->nesterov = net->momentum && chance(m, 50);
    net->decay = chance(m, 15);
}

static RandomNet make(Maker *m) {
    RandomNet *net = &m->net;
    int kind = pick(m, 0, 9); /* 0, 1: whole; 2, 3, 4: wide; 5: flat */
    m->whole = kind < 2;
    settle_train(m);
    if (kind < 2) net->in = (NetShape){0, pick(m, 1, 4), pick(m, 2, 9), pick(m, 2, 9)};
    else if (kind < 5) net->in = (NetShape){0, pick(m, 8, 10), pick(m, 6, 14), pick(m, 6, 14)};
    else if (kind < 6) net->in = (NetShape){1, pick(m, 1, 40), 1, 1};
    else net->in = (NetShape){0, pick(m, 1, 5), pick(m, 3, 14), pick(m, 3, 14)};
    if (kind >= 2 && kind < 5) net->images = smaller(net->images, 12);
    if (!net->in.flat && chance(m, 35)) add_square(m, 1, 0, kind < 2 ? pick(m, 1, 4) : 0, 1); /* so that what follows has a gradient in its input */
    int layers = kind < 2 ? pick(m, 1, 3) : kind < 5 ? pick(m, 1, 2) : pick(m, 1, 4);
    for (int i = 0; i < layers; i++) {
        if (net->in.flat) add_flat(m);
        else if (kind >= 2 && kind < 5) add_wide(m);
        else add_layer(m);
    }
    add_end(m);
    while (net->images > 1 && net_cost(net) > cost_limit) net->images--;
    return *net;
}

/* Every third network, since a third way takes as long as the other two. A sequence of its own: it changes nothing else. */
static int pick_tile(uint64_t seed) {
    Maker m = {.state = ~seed};
    if (seed % 3) return TILE_NONE;
    return chance(&m, 15) ? TILE_PLANNED : pick(&m, 2, 6);
}

RandomNet net_random(uint64_t seed) {
    NetShape shape[NET_RECORDS + 1];
    Maker m = {.state = seed * 0x2545f4914f6cdd1du + 1};
    RandomNet net;
    do {
        m.net = (RandomNet){.seed = seed + 77};
        net = make(&m);
    } while (!net_valid(&net, shape));
    net.tile = pick_tile(seed);
    return net;
}
