/* compare_sketches.c: judges what training did to the weights, against a record that holds no weights.
 *
 *     compare_sketches INITIAL GOT UPDATES.txt TOLERANCE
 *
 * INITIAL and GOT are safetensors files; UPDATES.txt has a line a tensor: name, shape, the norm of the update that is wanted, and its
 * projections on SKETCHES vectors of signs (tests/hashed.py). The mean square of the error's projections is the error's squared norm,
 * up to the luck of the signs: sixteen of them miss a tenfold error once in 10^13 times. So every element counts, and the bound
 * is that of compare_weights: |got - initial - update| <= TOLERANCE * |update|. A tensor that should not move (a bias in front of a
 * batch norm, whose gradient is zero but for rounding) must not move by more than STILL in any element.
 */
#include "hashed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double STILL = 1e-5;

static int judge_still(const Sketch *s, const double *update, int64_t count)
{
    double most = 0;
    int good = 1;
    for (int64_t i = 0; i < count; i++) {
        most = fmax(most, fabs(update[i]));
        good &= fabs(update[i]) <= STILL; /* false on NaN */
    }
    printf("%-4s %-48s should not move, and moves by %.1e (at most %.0e)\n", good ? "ok" : "BAD", s->name, most, STILL);
    return good;
}

static int judge_moved(const Sketch *s, const double *update, int64_t count, double tolerance)
{
    double norm, sums[SKETCHES], error = 0;
    hashed_sketch(s->name, update, count, &norm, sums);
    for (int k = 0; k < SKETCHES; k++) error += (sums[k] - s->sums[k]) * (sums[k] - s->sums[k]) / SKETCHES;
    double relative = sqrt(error) / s->norm, size = fabs(norm / s->norm - 1);
    int good = relative <= tolerance && size <= tolerance; /* false on NaN */
    printf("%-4s %-48s error of the update %.2e, of its norm %.2e (at most %.0e)\n", good ? "ok" : "BAD", s->name, relative, size, tolerance);
    return good;
}

static int judge(const Weights *initial, const Weights *got, const Sketch *s, double tolerance)
{
    int64_t count = tensor_count(&s->tensor);
    const float *w0 = weights_find(initial, &s->tensor)->data, *w1 = weights_find(got, &s->tensor)->data;
    double *update = malloc((size_t)count * sizeof *update);
    if (!update) weights_fail(s->name, "out of memory");
    for (int64_t i = 0; i < count; i++) update[i] = (double)w1[i] - (double)w0[i];
    int good = s->norm > 0 ? judge_moved(s, update, count, tolerance) : judge_still(s, update, count);
    free(update);
    return good;
}

int main(int argc, char **argv)
{
    static Weights initial, got;
    int count, bad = 0;
    if (argc != 5) {
        fprintf(stderr, "usage: compare_sketches INITIAL GOT UPDATES.txt TOLERANCE\n");
        return 2;
    }
    weights_read(argv[1], &initial);
    weights_read(argv[2], &got);
    Sketch *s = sketches_read(argv[3], &count);
    if (initial.count != count || got.count != count) weights_fail(argv[2], "another number of tensors than recorded");
    for (int i = 0; i < count; i++) bad += !judge(&initial, &got, &s[i], strtod(argv[4], NULL));
    return bad ? 1 : 0;
}
