/* test_random_self.c: the test of random networks can fail, and makes small what fails.
 *
 * Faults are planted in what is compared, which must be reported: a weight and an input that are off by 1e-4, a NaN, zeros, a wrong
 * reference, a learning rate that is off by 1e-4. The minimiser is given predicates whose smallest networks are known.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "noise.h"
#include "random_check.h"
#include "random_shrink.h"

enum { GENERATED = 2000 };

/* ---- the checker ---- */

static const NetSide three = {3, 1, 1, 1};

/* conv, relu, batch norm, linear: a bit of everything. */
static RandomNet small_net(void) {
    RandomNet net = {.in = {0, 2, 5, 6}, .batch = 9, .images = 7, .loss = LOSS_ENTROPY, .seed = 5};
    net.at[net.n++] = (NetRecord){.op = NET_CONV, .out = 3, .groups = 1, .flag = 1, .side = {three, three}};
    net.at[net.n++] = (NetRecord){.op = NET_NORM, .flag = 1};
    net.at[net.n++] = (NetRecord){.op = NET_ACT, .choice = ACT_RELU};
    net.at[net.n++] = (NetRecord){.op = NET_DROPOUT};
    net.at[net.n++] = (NetRecord){.op = NET_FLATTEN};
    net.at[net.n++] = (NetRecord){.op = NET_LINEAR, .out = 4, .flag = 1};
    return net;
}

/* In direct sums, and in Winograd's. */
START_TEST(planted_faults_are_reported) {
    RandomNet net = small_net();
    NetFault fault = (NetFault)(_i / 2);
    net.tile = _i % 2 ? 4 : TILE_NONE;
    NetResult r = net_check_apart(&net, fault, false);
    ck_assert_msg(r.verdict == (fault == FAULT_NONE ? NET_FINE : NET_DIFFERS), "fault %d, tile %d: verdict %d, %s", (int)fault, net.tile, (int)r.verdict, r.why);
    ck_assert_int_gt(r.compared, fault == FAULT_NONE || net.tile ? 20 : -1);
    ck_assert(r.tiles == (net.tile ? 1u << net.tile : 0));
    if (fault != FAULT_NONE) return;
    ck_assert(r.worst > 0 && r.worst < NOISE_LIMIT);
    ck_assert((r.worst_tiled > 0) == (net.tile != TILE_NONE) && r.worst_tiled < NOISE_LIMIT);
}
END_TEST

static void insert(RandomNet *net, int at, NetRecord r) {
    memmove(&net->at[at + 1], &net->at[at], sizeof *net->at * (size_t)(net->n - at));
    net->at[at] = r;
    net->n++;
}

/* it - it: nothing comes out that could be compared, which is no success. */
START_TEST(nothing_to_compare_is_a_failure) {
    RandomNet net = small_net();
    insert(&net, net.n, (NetRecord){.op = NET_SAVE});
    insert(&net, net.n, (NetRecord){.op = NET_JOIN, .choice = JOIN_SUB});
    NetShape shape[NET_RECORDS + 1];
    ck_assert(!net_valid(&net, shape)); /* so the generator makes no such network */
    NetResult r = net_check_apart(&net, FAULT_NONE, true);
    ck_assert_msg(r.verdict == NET_UNCLEAR, "verdict %d, %s", (int)r.verdict, r.why);
}
END_TEST

/* More padding than the language allows. */
START_TEST(what_does_not_compile_is_a_failure) {
    RandomNet net = small_net();
    insert(&net, 1, (NetRecord){.op = NET_MAX_POOL, .side = {{1, 1, 0, 1}, {1, 1, 1, 1}}});
    ck_assert_int_eq(net_check_apart(&net, FAULT_NONE, true).verdict, NET_CRASHES);
}
END_TEST

/* ---- the generator ---- */

typedef struct Seen { int op[NET_JOIN + 1], act[ACTS], join[JOINS], loss[LOSSES], depthwise, grouped, dilated, strided, wide, stepped, partial, whole, tile[7]; } Seen;

/* What Winograd's algorithm is for, with such steps. */
static bool is_wide(const NetRecord *r, NetShape in, int stride) {
    const NetSide *h = &r->side[0], *w = &r->side[1];
    bool square = h->kernel == w->kernel && (h->kernel == 3 || h->kernel == 5) && h->stride == stride && w->stride == stride && h->dilation * w->dilation == 1;
    return square && r->groups == 1 && r->out >= 8 && in.c >= 8 && in.h >= 6 && in.h <= 14 && in.w >= 6 && in.w <= 14;
}

static void look(Seen *seen, const RandomNet *net) {
    NetShape shape[NET_RECORDS + 1];
    ck_assert(net_valid(net, shape));
    seen->loss[net->loss]++;
    seen->whole += net_is_whole(net);
    seen->tile[net->tile]++;
    seen->partial += net->images % 8 != 0;
    for (int i = 0; i < net->n; i++) {
        const NetRecord *r = &net->at[i];
        seen->op[r->op]++;
        if (r->op == NET_ACT) seen->act[r->choice]++;
        if (r->op == NET_JOIN) seen->join[r->choice]++;
        if (r->op != NET_CONV) continue;
        seen->depthwise += r->groups == 0 && shape[i].c > 1;
        seen->grouped += r->groups > 1;
        seen->dilated += r->side[0].dilation > 1;
        seen->strided += r->side[0].stride > 1;
        seen->wide += is_wide(r, shape[i], 1);
        seen->stepped += is_wide(r, shape[i], 2);
    }
}

static void often(int count, const char *what) { ck_assert_msg(count * 200 >= GENERATED, "%s: only %d in %d networks", what, count, GENERATED); }

START_TEST(generator_makes_everything) {
    Seen seen = {0};
    for (uint64_t seed = 0; seed < GENERATED; seed++) {
        RandomNet net = net_random(seed);
        look(&seen, &net);
    }
    for (int i = 0; i <= NET_JOIN; i++) often(seen.op[i], "an operator");
    for (int i = 0; i < ACTS; i++) often(seen.act[i], "an activation");
    for (int i = 0; i < JOINS; i++) often(seen.join[i], "a join");
    for (int i = 0; i < LOSSES; i++) often(seen.loss[i], "a loss");
    for (int i = TILE_NONE; i < 7; i++) often(seen.tile[i], "Winograd's tiles");
    often(seen.depthwise / 2, "depthwise");
    often(seen.grouped / 2, "groups");
    often(seen.dilated / 4, "dilation");
    often(seen.strided / 10, "strides");
    often(seen.wide / 40, "wide convolutions");
    often(seen.stepped / 10, "wide convolutions with steps");
    often(seen.partial / 100, "partly empty lane blocks");
    often(seen.whole / 20, "whole numbers");
}
END_TEST

/* ---- the minimiser ---- */

static bool strides_in_groups(void *ctx, const RandomNet *net) {
    (void)ctx;
    for (int i = 0; i < net->n; i++)
        if (net->at[i].op == NET_CONV && net->at[i].groups > 1 && net->at[i].side[1].stride > 1) return true;
    return false;
}

static bool norm_behind_join(void *ctx, const RandomNet *net) {
    bool joined = false;
    (void)ctx;
    for (int i = 0; i < net->n && net->images > 4; i++) {
        joined = joined || net->at[i].op == NET_JOIN;
        if (joined && net->at[i].op == NET_NORM && net->at[i].flag) return true;
    }
    return false;
}

static bool pool_of_seven(void *ctx, const RandomNet *net) {
    NetShape shape[NET_RECORDS + 1];
    bool conv = false;
    (void)ctx;
    if (!net_valid(net, shape)) return false;
    for (int i = 0; i < net->n; i++) {
        conv = conv || net->at[i].op == NET_CONV;
        if (conv && net->at[i].op == NET_MAX_POOL && shape[i].h >= 7 && net->at[i].side[1].kernel > 1 && !net->at[i].side[1].pad) return true;
    }
    return false;
}

/* From every generated network that the predicate holds of; want is the source or a part of it. */
static void check_shrinks(NetPredicate *fails, const char *want) {
    int tried = 0;
    for (uint64_t seed = 0; seed < GENERATED; seed++) {
        RandomNet net = net_random(seed);
        if (!fails(NULL, &net)) continue;
        tried++;
        RandomNet small = net_shrink(&net, fails, NULL, 100000);
        Text text = net_text(&small);
        ck_assert_msg(strstr(text.at, want) != NULL, "seed %llu shrinks to\n%s", (unsigned long long)seed, text.at);
        text_free(&text);
    }
    ck_assert_int_gt(tried, 10);
}

#define SQUARES "; loss = squared_error(reduction=\"sum\"); data = arrays(inputs=\"x.npy\", targets=\"y.npy\") }\n"

START_TEST(minimiser_finds_the_smallest) {
    check_shrinks(strides_in_groups, "network n(2, 1, 1) -> (2, 1, 1) {\n    conv(2, 1, stride=(1, 2), groups=2, bias=false)\n}\ntrain { batch = 1" SQUARES);
    check_shrinks(pool_of_seven, "network n(1, 7, 2) -> (1, 7, 1) {\n    conv(1, 1, bias=false)\n    max_pool((1, 2), stride=1)\n}\ntrain { batch = 1" SQUARES);
    check_shrinks(norm_behind_join, " {\n    a1 = it\n    it + a1\n    batch_norm\n}\ntrain { batch = 5" SQUARES);
}
END_TEST

int main(void) {
    TCase *t = tcase_create("self");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, planted_faults_are_reported, 0, 2 * (FAULT_RATE + 1));
    tcase_add_test(t, nothing_to_compare_is_a_failure);
    tcase_add_test(t, what_does_not_compile_is_a_failure);
    tcase_add_test(t, generator_makes_everything);
    tcase_add_test(t, minimiser_finds_the_smallest);
    Suite *s = suite_create("the test of random networks");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
