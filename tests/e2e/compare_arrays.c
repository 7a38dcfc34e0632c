/* compare_arrays.c: judges an array that a trainer wrote, against a recorded one.
 *
 *     compare_arrays GOT.npy WANTED.npy TOLERANCE
 *
 * Both are little-endian f4 in C order, as .npy version 1. Headers must agree in shape. With TOLERANCE 0 every element must be
 * equal; otherwise |got - wanted| <= TOLERANCE * the largest |wanted|. NaN, and a WANTED of zeros only, count as failures.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Array { size_t count; char shape[128]; float *data; } Array;

static _Noreturn void fail(const char *path, const char *what)
{
    fprintf(stderr, "compare_arrays: %s: %s\n", path, what);
    exit(2);
}

/* "(3, 2, 2)" out of the header {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 2), }, without its spaces. */
static void read_shape(const char *path, const char *header, char *shape, size_t size)
{
    const char *at = strstr(header, "'shape'");
    if (!strstr(header, "<f4") || !strstr(header, "False") || !at || !(at = strchr(at, '('))) fail(path, "not f4 in C order");
    size_t n = 0;
    for (; *at && n + 2 < size; at++) {
        if (*at != ' ') shape[n++] = *at;
        if (*at == ')') break;
    }
    shape[n] = 0;
}

static Array read_array(const char *path)
{
    Array a = {0};
    unsigned char start[10];
    char header[65536];
    FILE *in = fopen(path, "rb");
    if (!in) fail(path, "cannot be read");
    if (fread(start, 1, 10, in) != 10 || memcmp(start, "\x93NUMPY\x01", 7) != 0) fail(path, "not a .npy file of version 1");
    size_t length = start[8] | (size_t)start[9] << 8;
    if (length >= sizeof header || fread(header, 1, length, in) != length) fail(path, "cut off in the header");
    header[length] = 0;
    read_shape(path, header, a.shape, sizeof a.shape);
    a.count = 1;
    for (char *at = a.shape + 1, *end; *at != ')' && *at; at = *end == ',' ? end + 1 : end) {
        a.count *= strtoull(at, &end, 10);
        if (end == at) fail(path, "malformed shape");
    }
    a.data = malloc((a.count + 1) * sizeof *a.data);
    if (!a.data || fread(a.data, sizeof *a.data, a.count, in) != a.count || fgetc(in) != EOF) fail(path, "length and shape disagree");
    fclose(in);
    return a;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: compare_arrays GOT.npy WANTED.npy TOLERANCE\n");
        return 2;
    }
    Array got = read_array(argv[1]), wanted = read_array(argv[2]);
    double tolerance = strtod(argv[3], NULL), largest = 0, worst = 0;
    if (strcmp(got.shape, wanted.shape) != 0) {
        printf("BAD  shape %s, wanted %s\n", got.shape, wanted.shape);
        return 1;
    }
    for (size_t i = 0; i < wanted.count; i++) largest = fmax(largest, fabs((double)wanted.data[i]));
    size_t bad = 0;
    for (size_t i = 0; i < wanted.count; i++) {
        double error = fabs((double)got.data[i] - (double)wanted.data[i]);
        worst = fmax(worst, error);
        if (error <= tolerance * largest) continue; /* false on NaN */
        if (!bad++) printf("BAD  element %zu: %.9g, wanted %.9g\n", i, (double)got.data[i], (double)wanted.data[i]);
    }
    printf("%-4s %s: largest error %.1e (at most %.0e of %.3g)\n", bad ? "BAD" : "ok", got.shape, worst, tolerance, largest);
    return bad || largest == 0;
}
