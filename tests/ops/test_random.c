/* test_random.c: networks that nobody thought of, against the float64 evaluator.
 *
 *     test_random                      the networks of a test run
 *     test_random FIRST COUNT          COUNT networks from seed FIRST on
 *     test_random --show FIRST COUNT   their sources alone
 *
 * random_generate.c makes a network of a seed, random_check.h says what is compared, noise.h how far it may be off. One that fails is
 * made smaller (random_shrink.h) and printed, as a case for test_kernels.c or for netc.
 *
 * Faults that were planted in the compiler to see whether it notices, the seed that did, and what was left of the network:
 *
 *     conv reads its kernel transposed                       1  conv(1, 3, pad=1) on 1x1x2
 *     conv_dx writes to the wrong group                     15  batch_norm; conv(3, 1, groups=3) on 9x2x2
 *     conv_dw reads the first group's input                  3  conv(2, 1, groups=2) on 2x1x1
 *     phases that stride and dilation share                 26  batch_norm; conv(1, (1, 2), stride=(1, 3), dilation=(1, 3)) on 1x1x4
 *     conv_dx leaves out a tap at the edge                   1  conv(1, 1); conv(1, (3, 1), pad=(1, 0)) on 1x1x1
 *     empty lanes of the last block weigh like others        1  linear(1), one image
 *     a batch's variance counts empty lanes                  1  batch_norm; flatten; linear(1) on 1x1x4, one image
 *     bias gradient without its last column                  2  conv(1, 1) on 1x1x7 (of maps wider than 6)
 *     softmax's gradient lacks a term                       40  conv(2, 1); softmax on 1x1x1
 *     the last of equal maxima wins                         10  conv(1, 1); global_max_pool on 2x2x1, whole numbers
 *     the last lanes of a weight are one too few             1  linear(4) of 1
 *     the first partial sum is left out                      1  linear(1) of 1
 *     dropout's mask is the same for all images              7  dropout(0.5); conv(1, 1) on 2x1x1, two images
 *     threads share their scratch memory                    44  conv(3, 5, pad=(4, 1)); relu on 4x7x3, 17 images: a race shows by chance
 *     no halo where only the stride or a row needs one      107  conv(1, 1); conv(1, (1, 2)); flatten on 1x1x2: netc's own ENSURE
 *     adaptive pool's gradient forgets middle bins         350  conv(1, 1); adaptive_avg_pool((5, 1)) on 1x2x1
 *     gamma is updated before its last reader                5  conv(1, 1); batch_norm on 1x1x4: netc's own ENSURE
 *     concat's second argument is off by a channel           1  conv(2, 1) and its input side by side, on 1x1x1
 *     gelu's slope is off by a factor of 1.00001            19  batch_norm; gelu on 6x3x11
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "noise.h"
#include "random_check.h"
#include "random_shrink.h"

enum { FIRST_SEED = 1, NETWORKS = 50, QUESTIONS = 600 };

enum { TILES = 7 };

typedef struct Tally {
    int networks, failed, compared, vague, whole, redrawn, most_tries, tiled, tile[TILES]; /* networks in Winograd's way, and with each tile */
    double worst, worst_tiled;
    uint64_t worst_seed;
    char where[200];
} Tally;

static const char *const verdicts[] = {"fine", "differs", "crashes", "is unclear"};

static void print_network(const RandomNet *net) {
    Text source = net_text(net);
    printf("# %d images", net->images);
    if (net->lanes) printf(", at -O2 in %d lanes", net->lanes);
    if (net->tile == TILE_PLANNED) printf(", Winograd's tiles as planned");
    if (net->tile > TILE_PLANNED) printf(", Winograd's tiles of %d", net->tile);
    printf("\n%s", source.at);
    text_free(&source);
}

/* ctx: the result of the smallest so far. A race between threads need not show a second time. */
static bool fails_alike(void *ctx, const RandomNet *net) {
    NetResult *last = ctx, r = net_check_apart(net, FAULT_NONE, true);
    bool alike = r.verdict == last->verdict;
    if (alike) *last = r;
    return alike;
}

static void report(uint64_t seed, const RandomNet *net, NetResult r) {
    printf("seed %llu %s: %s\n", (unsigned long long)seed, verdicts[r.verdict], r.why);
    print_network(net);
    fflush(stdout);
    RandomNet small = net_shrink(net, fails_alike, &r, QUESTIONS);
    printf("the smallest that %s: %s\n", verdicts[r.verdict], r.why);
    print_network(&small);
    printf("\n");
    fflush(stdout);
}

static void try_seed(uint64_t seed, Tally *t) {
    RandomNet net = net_random(seed);
    NetResult r = net_check_apart(&net, FAULT_NONE, false);
    t->networks++;
    t->compared += r.compared;
    t->vague += r.vague;
    t->whole += r.whole;
    t->redrawn += r.tries > 1;
    if (r.tries > t->most_tries) t->most_tries = r.tries;
    t->tiled += r.tiles != 0;
    for (int i = 0; i < TILES; i++) t->tile[i] += (int)(r.tiles >> i & 1);
    if (fmax(r.worst, r.worst_tiled) > fmax(t->worst, t->worst_tiled)) {
        t->worst_seed = seed;
        memcpy(t->where, r.where, sizeof t->where);
    }
    t->worst = fmax(t->worst, r.worst);
    t->worst_tiled = fmax(t->worst_tiled, r.worst_tiled);
    if (r.verdict == NET_FINE) return;
    t->failed++;
    report(seed, &net, r);
}

static void show(uint64_t first, int count) {
    for (uint64_t seed = first; seed < first + (uint64_t)count; seed++) {
        RandomNet net = net_random(seed);
        printf("# seed %llu, %.0f multiply-adds\n", (unsigned long long)seed, net_cost(&net));
        print_network(&net);
        printf("\n");
    }
}

int main(int argc, char **argv) {
    bool only_show = argc > 1 && !strcmp(argv[1], "--show");
    uint64_t first = argc > 2 ? strtoull(argv[argc - 2], NULL, 10) : FIRST_SEED;
    int count = argc > 2 ? atoi(argv[argc - 1]) : NETWORKS;
    if (only_show) return show(first, count), EXIT_SUCCESS;
    Tally t = {0};
    for (uint64_t seed = first; seed < first + (uint64_t)count; seed++) try_seed(seed, &t);
    printf("%d networks from seed %llu on, %d failed; %d tensors compared, %d of them vague; %d networks on whole numbers too\n", t.networks, (unsigned long long)first,
           t.failed, t.compared, t.vague, t.whole);
    printf("numbers drawn anew for %d, at most %d times; the largest error is %.2f of the noise, %.2f in Winograd's way (seed %llu, %s), allowed is %d\n", t.redrawn, t.most_tries,
           t.worst, t.worst_tiled, (unsigned long long)t.worst_seed, t.where, NOISE_LIMIT);
    printf("%d networks in Winograd's way;", t.tiled);
    for (int i = 2; i < TILES; i++) printf(" tile %d: %d%s", i, t.tile[i], i + 1 < TILES ? "," : "\n");
    return t.failed || t.networks == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
