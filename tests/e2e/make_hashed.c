/* make_hashed.c: writes what a recorded example starts from, which its record only names.
 *
 *     make_hashed RECORD
 *
 * Reads RECORD/data.txt ("COUNT SHAPE TARGET DRAW": how many pictures of what shape, "classes" or the shape of a target, the number
 * of the network drawn) and RECORD/updates.txt (names and shapes of the tensors). Writes x.npy, y.npy and initial.safetensors into the
 * working folder.
 */
#include "hashed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 118 }; /* bytes of a .npy header behind its first ten, which makes 128 */

static FILE *create(const char *path)
{
    FILE *out = fopen(path, "wb");
    if (!out) weights_fail(path, "cannot be written");
    return out;
}

static void finish(FILE *out, const char *path)
{
    if (ferror(out) || fclose(out)) weights_fail(path, "cannot be written");
}

static void write_npy(const char *path, const char *type, int rank, const int64_t *dim, const void *data, size_t size)
{
    FILE *out = create(path);
    char header[HEADER + 1];
    size_t count = 1;
    int at = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
    for (int i = 0; i < rank; i++) {
        at += snprintf(header + at, sizeof header - (size_t)at, "%" PRId64 ",", dim[i]);
        count *= (size_t)dim[i];
    }
    at += snprintf(header + at, sizeof header - (size_t)at, "), }");
    memset(header + at, ' ', (size_t)(HEADER - 1 - at));
    header[HEADER - 1] = '\n';
    fwrite("\x93NUMPY\1\0\x76\0", 1, 10, out);
    fwrite(header, 1, HEADER, out);
    fwrite(data, size, count, out);
    finish(out, path);
}

static void write_shape(FILE *out, const Tensor *t)
{
    for (int i = 0; i < t->rank; i++) fprintf(out, "%s%" PRId64, i ? "," : "", t->dim[i]);
}

/* The header's length stands in front of it: it is written as eight spaces' worth of zeros first. */
static void write_weights(const char *path, const Sketch *s, int count, int draw)
{
    FILE *out = create(path);
    uint64_t length = 0;
    int64_t at = 0;
    fwrite(&length, 8, 1, out);
    for (int i = 0; i < count; i++) {
        int64_t bytes = 4 * tensor_count(&s[i].tensor);
        fprintf(out, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[", i ? "," : "{", s[i].name);
        write_shape(out, &s[i].tensor);
        fprintf(out, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", at, at + bytes);
        at += bytes;
    }
    fputc('}', out);
    while (ftell(out) % 8) fputc(' ', out);
    length = (uint64_t)ftell(out) - 8;
    for (int i = 0; i < count; i++) {
        float *w = hashed_weights(&s[i].tensor, draw);
        fwrite(w, sizeof *w, (size_t)tensor_count(&s[i].tensor), out);
        free(w);
    }
    rewind(out);
    fwrite(&length, 8, 1, out);
    finish(out, path);
}

static void write_targets(const char *shape, int64_t count)
{
    int64_t dim[RANK + 1] = {count};
    int rank = shape_parse(shape, dim + 1);
    if (rank) {
        int64_t all = count;
        for (int i = 1; i <= rank; i++) all *= dim[i];
        write_npy("y.npy", "<f4", rank + 1, dim, hashed_targets(all), sizeof(float));
    } else {
        write_npy("y.npy", "<i8", 1, dim, hashed_classes(count), sizeof(int64_t));
    }
}

int main(int argc, char **argv)
{
    char path[4096], shape[64], target[64];
    int64_t dim[RANK + 1] = {0};
    int count, draw;
    if (argc != 2) {
        fprintf(stderr, "usage: make_hashed RECORD\n");
        return 2;
    }
    snprintf(path, sizeof path, "%s/data.txt", argv[1]);
    FILE *in = fopen(path, "r");
    if (!in || fscanf(in, "%" SCNd64 " %63s %63s %d", &dim[0], shape, target, &draw) != 4 || shape_parse(shape, dim + 1) != 3)
        weights_fail(path, "cannot be read, or is malformed");
    fclose(in);
    write_npy("x.npy", "<f4", 4, dim, hashed_pictures(dim[0], dim + 1), sizeof(float));
    write_targets(target, dim[0]);
    snprintf(path, sizeof path, "%s/updates.txt", argv[1]);
    Sketch *s = sketches_read(path, &count);
    write_weights("initial.safetensors", s, count, draw);
    return 0;
}
