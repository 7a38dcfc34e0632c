/* fuzz_measured.c: any bytes as a file of what was measured. The first byte says which: a table of --tune, or what `NAME time --json` prints. */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "timing.h"
#include "tuned.h"

static void read_tuned(Arena *a, const uint8_t *bytes, size_t n) {
    Tuned t;
    int fd = memfd_create("fuzz", 0);
    fuzz_check(fd >= 0 && write(fd, bytes, n) == (ssize_t)n, "a file in memory can be written");
    const char *why = tuned_load(&t, a, "znver4 x86-64-v4", arena_printf(a, "/proc/self/fd/%d", fd));
    close(fd);
    fuzz_check(!why || (!t.entries.n && !t.others.n), "of a table that is refused, nothing is read");
    for (int i = 0; i < t.entries.n; i++) {
        fuzz_check(tuned_find(&t, t.entries.at[i].key) == t.entries.at[i].tile, "an entry is found, and is there once");
        fuzz_check(t.entries.at[i].tile >= 0, "a tile is none of the numbers that mean something else");
    }
}

static void read_timing(Arena *a, const uint8_t *bytes, size_t n) {
    size_t at = n + 1;
    const char *error = NULL;
    const Timing *t = timing_parse(a, (const char *)bytes, n, &at, &error);
    fuzz_check(!t == !!error, "there are times or a message");
    fuzz_check(at <= n, "the place of a mistake is in the text");
    for (int i = 0; t && i < t->kernels.n; i++) fuzz_check(t->kernels.at[i].name && t->kernels.at[i].ms >= 0, "a kernel has its name and time");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (!n || (*bytes != 't' && *bytes != 'j')) return -1; /* nothing for the corpus */
    Arena *a = arena_new();
    (*bytes == 't' ? read_tuned : read_timing)(a, bytes + 1, n - 1);
    arena_free(a);
    return 0;
}
