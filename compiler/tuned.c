/* tuned.c: see tuned.h. */
#include "tuned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MOST = 4 << 20, TILE_MOST = 99 };
static const char before_tile[] = ": tile ";

const char *tuned_path(Arena *a) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache) return arena_printf(a, "%s/netc/tuned", cache);
    return home && *home ? arena_printf(a, "%s/.cache/netc/tuned", home) : NULL;
}

/* The last place of `what` in a line of n bytes, or null. */
static const char *find_last(const char *line, size_t n, const char *what) {
    size_t m = strlen(what);
    for (size_t i = n + 1; i-- > 0;)
        if (i + m <= n && !memcmp(line + i, what, m)) return line + i;
    return NULL;
}

/* Takes a line; false where it is none of --tune's. */
static bool read_line(Tuned *t, const char *line, size_t n) {
    size_t machine = strlen(t->machine);
    const char *tile = find_last(line, n, before_tile);
    if (!tile || !memchr(line, ':', (size_t)(tile - line))) return false;
    char *end;
    long m = strtol(tile + strlen(before_tile), &end, 10);
    if (end != line + n || m < 0 || m > TILE_MOST) return false;
    if (n > machine + 2 && !memcmp(line, t->machine, machine) && !memcmp(line + machine, ": ", 2) && line + machine + 2 < tile)
        tuned_set(t, arena_str(t->arena, line + machine + 2, (size_t)(tile - line) - machine - 2), (int)m);
    else
        VEC_PUSH(t->arena, &t->others, arena_str(t->arena, line, n));
    return true;
}

const char *tuned_load(Tuned *t, Arena *a, const char *machine, const char *path) {
    char *text;
    size_t n;
    int number = 0;
    *t = (Tuned){.arena = a, .machine = machine};
    int error = file_read(path, FILE_MOST, &text, &n);
    if (error == ENOENT || error == ENOTDIR) return NULL;
    if (error) return arena_printf(a, "cannot read '%s': %s", path, error == EFBIG ? "it is larger than any that --tune writes" : strerror(error));
    const char *copy = arena_str(a, text, n), *why = NULL; /* lines end in a number: strtol needs the zero behind */
    free(text);
    for (const char *line = copy; *line && !why;) {
        size_t length = strcspn(line, "\n");
        number++;
        if (length && !read_line(t, arena_str(a, line, length), length)) why = arena_printf(a, "%s:%d: this is no line of --tune's", path, number);
        line += length + (line[length] == '\n');
    }
    if (why) *t = (Tuned){.arena = a, .machine = machine};
    return why;
}

int tuned_find(const Tuned *t, const char *key) {
    for (int i = 0; i < t->entries.n; i++)
        if (!strcmp(t->entries.at[i].key, key)) return t->entries.at[i].tile;
    return TUNED_UNKNOWN;
}

void tuned_set(Tuned *t, const char *key, int tile) {
    for (int i = 0; i < t->entries.n; i++)
        if (!strcmp(t->entries.at[i].key, key)) {
            t->entries.at[i].tile = tile;
            return;
        }
    VEC_PUSH(t->arena, &t->entries, ((TunedEntry){key, tile}));
}

/* Makes the folders above the file. */
static int make_folders(Arena *a, const char *path) {
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        if (mkdir(arena_str(a, path, (size_t)(slash - path)), 0777) && errno != EEXIST) return errno;
    return 0;
}

int tuned_save(const Tuned *t, const char *path) {
    Text text = {0};
    int error = make_folders(t->arena, path);
    for (int i = 0; i < t->others.n; i++) text_printf(&text, "%s\n", t->others.at[i]);
    for (int i = 0; i < t->entries.n; i++) text_printf(&text, "%s: %s%s%d\n", t->machine, t->entries.at[i].key, before_tile, t->entries.at[i].tile);
    if (!error) error = file_write(path, text.at ? text.at : "", text.n, 0644);
    text_free(&text);
    return error;
}
