/* compare_weights.c: judges what training did to the weights, against a record.
 *
 *     compare_weights INITIAL GOT UPDATE TOLERANCE
 *
 * All three are safetensors files. For every tensor of UPDATE, GOT - INITIAL must equal it up to TOLERANCE in relative L2:
 * |got - initial - update| <= TOLERANCE * |update|, in double. The three files must hold the same tensors (those named
 * "optim/..." aside). A number that is not finite, a tensor that did not move and a file without tensors count as failures.
 */
#include "weights_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int judge(const Weights *initial, const Weights *got, const Tensor *update, double tolerance)
{
    const float *w0 = weights_find(initial, update)->data, *w1 = weights_find(got, update)->data;
    double error = 0, size = 0, moved = 0;
    for (int64_t i = 0, n = tensor_count(update); i < n; i++) {
        double change = (double)w1[i] - (double)w0[i], wanted = update->data[i];
        error += (change - wanted) * (change - wanted);
        size += wanted * wanted;
        moved += change * change;
    }
    double relative = sqrt(error / size);
    int good = relative <= tolerance && moved > 0 && isfinite(moved); /* all false on NaN */
    printf("%-4s %-24s relative L2 error of the update %.2e (at most %.0e)\n", good ? "ok" : "BAD", update->name, relative, tolerance);
    return good;
}

int main(int argc, char **argv)
{
    static Weights initial, got, update;
    if (argc != 5) {
        fprintf(stderr, "usage: compare_weights INITIAL GOT UPDATE TOLERANCE\n");
        return 2;
    }
    weights_read(argv[1], &initial);
    weights_read(argv[2], &got);
    weights_read(argv[3], &update);
    if (!update.count || initial.count != update.count || got.count != update.count) weights_fail(argv[2], "another number of tensors than recorded");
    int bad = 0;
    for (int i = 0; i < update.count; i++) bad += !judge(&initial, &got, &update.tensor[i], strtod(argv[4], NULL));
    return bad ? 1 : 0;
}
