/* tuned.h: what --tune has found faster on this machine: a small table in a text file, by processor.
 *
 * A line is `MACHINE: PASS: tile M`, as in
 *
 *     znver4 x86-64-v4: forward 3x3 64->64 24x24 batch 128: tile 6
 *
 * with tile 0 for the direct sum. Lines of other machines are kept as they are.
 */
#ifndef NETC_TUNED_H
#define NETC_TUNED_H

#include "base.h"

enum { TUNED_UNKNOWN = -1 };

typedef struct TunedEntry { const char *key; int tile; } TunedEntry;
typedef struct Tuned {
    Arena *arena;
    const char *machine;
    VEC(TunedEntry) entries;  /* this machine's */
    VEC(const char *) others; /* lines of others */
} Tuned;

/* $XDG_CACHE_HOME/netc/tuned, or ~/.cache/netc/tuned; null where neither is set. */
const char *tuned_path(Arena *a);
/* Reads the file's lines; a file that is not there is an empty one. Returns null, or (arena text) what is wrong with it: then nothing was read. */
const char *tuned_load(Tuned *t, Arena *a, const char *machine, const char *path);
/* The tile of a pass, 0 for the direct sum, or TUNED_UNKNOWN. */
int tuned_find(const Tuned *t, const char *key);
/* Sets it. */
void tuned_set(Tuned *t, const char *key, int tile);
/* Writes the file, and its folder where there is none. 0, or an errno. */
int tuned_save(const Tuned *t, const char *path);

#endif
