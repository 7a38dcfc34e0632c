/* compare_initial.c: are initial weights drawn from the right distributions?
 *
 *     compare_initial WEIGHTS.safetensors RECORD.txt INIT
 *
 * A line of RECORD is "INIT NAME SHAPE uniform|normal SIZE" (tests/record_training.py); those of INIT are judged. The tensor's numbers,
 * sorted, are compared with the distribution's own: the largest distance between the two (Kolmogorov and Smirnov's) must be one
 * that chance exceeds once in a thousand times; a uniform tensor must stay within its bound.
 * The seed is the caller's, so that a test which passes passes always.
 */
#include "hashed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LIMIT = 1.95; /* of the distance times sqrt(count): once in a thousand */

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static double share_below(const char *kind, double x)
{
    return strcmp(kind, "uniform") == 0 ? fmin(fmax((x + 1) / 2, 0), 1) : 0.5 * erfc(-x / sqrt(2));
}

static int judge(const Tensor *t, const char *kind, double size)
{
    int64_t count = tensor_count(t);
    float *v = malloc((size_t)count * sizeof *v);
    double distance = 0;
    if (!v) weights_fail(t->name, "out of memory");
    memcpy(v, t->data, (size_t)count * sizeof *v);
    qsort(v, (size_t)count, sizeof *v, by_value);
    for (int64_t i = 0; i < count; i++) {
        double share = share_below(kind, v[i] / size);
        distance = fmax(distance, fmax(fabs(share - (double)i / (double)count), fabs(share - (double)(i + 1) / (double)count)));
    }
    double most = fmax(fabs((double)v[0]), fabs((double)v[count - 1])) / size;
    int good = distance * sqrt((double)count) <= LIMIT && (strcmp(kind, "uniform") != 0 || most <= 1 + 1e-6);
    printf("%-4s %-16s %-7s of %.4f: distance %.4f (at most %.4f), largest %.3f of it\n", good ? "ok" : "BAD", t->name, kind, size, distance,
           LIMIT / sqrt((double)count), most);
    free(v);
    return good;
}

int main(int argc, char **argv)
{
    static Weights w;
    char init[32], name[64], shape[64], kind[16];
    double size;
    int bad = 0, seen = 0;
    if (argc != 4) {
        fprintf(stderr, "usage: compare_initial WEIGHTS.safetensors RECORD.txt INIT\n");
        return 2;
    }
    FILE *in = fopen(argv[2], "r");
    if (!in) weights_fail(argv[2], "cannot be read");
    weights_read(argv[1], &w);
    while (fscanf(in, "%31s %63s %63s %15s %lf", init, name, shape, kind, &size) == 5) {
        if (strcmp(init, argv[3]) != 0) continue;
        Tensor like = {.name = name, .rank = shape_parse(shape, like.dim)};
        shape_parse(shape, like.dim);
        bad += !judge(weights_find(&w, &like), kind, size);
        seen++;
    }
    fclose(in);
    return bad || seen != w.count;
}
