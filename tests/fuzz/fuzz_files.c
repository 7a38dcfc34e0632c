/* fuzz_files.c: any bytes as a file that a trainer reads. The first byte says which reader gets the rest. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cifar.h"
#include "idx.h"
#include "json.h"
#include "npy.h"
#include "picture.h"
#include "safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

enum { CLASSES = 10 };

static void read_safetensors(const char *path) {
    StFile s;
    Fault f = {0};
    if (!st_open(&s, path, &f)) return;
    for (int64_t i = 0; i < s.count; i++) {
        float *values = malloc((size_t)(s.at[i].end - s.at[i].begin) + 1);
        if (st_find(&s, s.at[i].name) != &s.at[i] || !values) abort();
        st_load(&s, &s.at[i], values, &f);
        free(values);
    }
    st_close(&s);
}

static void read_npy(const char *path) {
    NpyArray a;
    Fault f = {0};
    if (npy_read(path, &a, &f)) free(npy_floats(&a));
    int32_t *labels = NULL;
    if (npy_read(path, &a, &f)) {
        if (a.type >= NPY_I4 && npy_classes(&a, path, CLASSES, &labels, &f)) free(labels);
        else npy_free(&a);
    }
}

static void read_idx(const char *path) {
    IdxImages images = {0};
    uint8_t *labels = NULL;
    Fault f = {0};
    if (idx_images(path, -1, 1, 0, 0, &images, &f)) free(images.pixels);
    if (idx_labels(path, 3, 3, CLASSES, "images", &labels, &f)) free(labels);
}

static void read_cifar(const char *path) {
    CifarImages all = {0};
    Fault f = {0};
    cifar_add(&all, path, -1, CLASSES, &f);
    cifar_free(&all);
}

static void read_picture(const char *path) {
    for (int64_t channels = 1; channels <= 3; channels += 2) {
        Picture p = {0};
        Fault f = {0};
        if (picture_read(path, channels, &p, &f)) free(p.pixels);
    }
}

/* The readers; a letter for each, so that inputs can be told apart by eye. */
static void (*const readers[256])(const char *path) = {['s'] = read_safetensors, ['n'] = read_npy, ['i'] = read_idx, ['c'] = read_cifar, ['p'] = read_picture};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    char path[64];
    if (!n || !readers[bytes[0]]) return -1; /* nothing for the corpus */
    int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, bytes + 1, n - 1) != (ssize_t)n - 1) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    readers[bytes[0]](path);
    close(fd);
    return 0;
}
