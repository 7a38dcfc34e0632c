/* base.c: see base.h. Arenas are chains of blocks that double in size; interning is an open-addressing table inside the
 * arena. */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void base_bug(const char *file, int line, const char *fmt, ...) {
    va_list ap;
    fprintf(stderr, "netc: internal error at %s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nThis is a bug of netc, not of your program.\n");
    exit(EXIT_BUG);
}

_Noreturn static void out_of_memory(size_t size) {
    fprintf(stderr, "netc: out of memory (%zu bytes wanted)\n", size);
    exit(EXIT_ENV);
}

/* ---- arenas ---- */

typedef struct Block Block;
struct Block { Block *next; size_t used, size; };

typedef struct Interned { const char *s; size_t n; uint64_t hash; } Interned;

struct Arena {
    Block *blocks;
    Interned *names; /* heap; capacity a power of two */
    size_t nnames, cap;
};

enum { FIRST_BLOCK = 64 * 1024, LARGEST_BLOCK = 8 * 1024 * 1024 };

/* Under the address sanitizer, what of an arena nobody was given is out of bounds: gaps between allocations, and storage that a vector has left. */
#ifdef NETC_ASAN
#include <sanitizer/asan_interface.h>
enum { GAP = 16 };
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)0)
enum { GAP = 0 };
#endif

Arena *arena_new(void) {
    Arena *a = calloc(1, sizeof *a);
    if (!a) out_of_memory(sizeof *a);
    return a;
}

void arena_free(Arena *a) {
    if (!a) return;
    for (Block *b = a->blocks; b;) {
        Block *next = b->next;
        free(b);
        b = next;
    }
    free(a->names);
    free(a);
}

static size_t align16(size_t n) { return (n + 15) & ~(size_t)15; }

/* A network's kernels fill hundreds of megabytes, and to map them in small pages took a third of the time of lowering. Only a wish: nothing hangs on it. */
static void ask_for_huge_pages(void *at, size_t size) {
#ifdef MADV_HUGEPAGE
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)at + page - 1) & ~(page - 1), to = ((uintptr_t)at + size) & ~(page - 1);
    if (to > from) (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
    (void)at, (void)size;
#endif
}

static Block *add_block(Arena *a, size_t size) {
    size_t grown = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
    if (grown > LARGEST_BLOCK) grown = LARGEST_BLOCK;
    if (grown < size) grown = size;
    Block *b = calloc(1, align16(sizeof *b) + grown);
    if (!b) out_of_memory(grown);
    if (grown >= LARGEST_BLOCK) ask_for_huge_pages(b, grown);
    b->size = grown;
    b->next = a->blocks;
    a->blocks = b;
    ASAN_POISON_MEMORY_REGION((char *)b + align16(sizeof *b), grown);
    return b;
}

void *arena_alloc(Arena *a, size_t size) {
    if (size > SIZE_MAX / 2) out_of_memory(size);
    size_t taken = align16(size ? size : 1) + GAP;
    Block *b = a->blocks;
    if (!b || b->size - b->used < taken) b = add_block(a, taken);
    void *p = (char *)b + align16(sizeof *b) + b->used;
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    b->used += taken;
    return p;
}

void *arena_copy(Arena *a, const void *p, size_t n) {
    void *q = arena_alloc(a, n);
    if (n) memcpy(q, p, n);
    return q;
}

char *arena_str(Arena *a, const char *s, size_t n) {
    char *p = arena_alloc(a, n + 1);
    memcpy(p, s, n);
    return p;
}

char *arena_printf(Arena *a, const char *fmt, ...) {
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = arena_alloc(a, (size_t)n + 1);
    vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    return s;
}

static uint64_t hash_bytes(const char *s, size_t n) { /* FNV-1a */
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h;
}

static Interned *find_slot(Interned *names, size_t cap, const char *s, size_t n, uint64_t hash) {
    size_t i = hash & (cap - 1);
    while (names[i].s && !(names[i].hash == hash && names[i].n == n && !memcmp(names[i].s, s, n))) i = (i + 1) & (cap - 1);
    return &names[i];
}

static void grow_names(Arena *a) {
    size_t cap = a->cap ? a->cap * 2 : 256;
    Interned *names = calloc(cap, sizeof *names);
    if (!names) out_of_memory(cap * sizeof *names);
    for (size_t i = 0; i < a->cap; i++)
        if (a->names[i].s) *find_slot(names, cap, a->names[i].s, a->names[i].n, a->names[i].hash) = a->names[i];
    free(a->names);
    a->names = names;
    a->cap = cap;
}

const char *arena_intern(Arena *a, const char *s, size_t n) {
    if (a->nnames * 2 >= a->cap) grow_names(a);
    uint64_t hash = hash_bytes(s, n);
    Interned *slot = find_slot(a->names, a->cap, s, n, hash);
    if (!slot->s) {
        *slot = (Interned){arena_str(a, s, n), n, hash};
        a->nnames++;
    }
    return slot->s;
}

const char *arena_name(Arena *a, const char *s) { return arena_intern(a, s, strlen(s)); }

void vec_grow(Arena *a, void **at, int n, int *cap, size_t size) {
    if (n < *cap) return;
    int grown = *cap ? *cap * 2 : 8;
    void *p = arena_alloc(a, (size_t)grown * size);
    if (n) memcpy(p, *at, (size_t)n * size);
    ASAN_POISON_MEMORY_REGION(*at, (size_t)*cap * size);
    *at = p;
    *cap = grown;
}

/* ---- growing text ---- */

static void text_reserve(Text *t, size_t more) {
    if (t->cap - t->n > more) return;
    size_t cap = t->cap ? t->cap : 256;
    while (cap - t->n <= more) cap *= 2;
    char *p = realloc(t->at, cap);
    if (!p) out_of_memory(cap);
    t->at = p;
    t->cap = cap;
}

void text_append(Text *t, const char *s, size_t n) {
    text_reserve(t, n);
    memcpy(t->at + t->n, s, n);
    t->n += n;
    t->at[t->n] = 0;
}

void text_vprintf(Text *t, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    text_reserve(t, 0);
    size_t room = t->cap - t->n;
    int n = vsnprintf(t->at + t->n, room, fmt, ap);
    ENSURE(n >= 0);
    if ((size_t)n >= room) {
        text_reserve(t, (size_t)n);
        vsnprintf(t->at + t->n, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    t->n += (size_t)n;
}

void text_printf(Text *t, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(t, fmt, ap);
    va_end(ap);
}

void text_free(Text *t) {
    free(t->at);
    *t = (Text){0};
}

/* ---- numbers ---- */

bool checked_add(int64_t a, int64_t b, int64_t *out) {
    int64_t r;
    if (__builtin_add_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

bool checked_mul(int64_t a, int64_t b, int64_t *out) {
    int64_t r;
    if (__builtin_mul_overflow(a, b, &r)) return false;
    *out = r;
    return true;
}

int64_t capped_mul(int64_t a, int64_t b) {
    int64_t r = 0, most = (int64_t)1 << 42;
    return checked_mul(a, b, &r) && r < most ? r : most;
}

int64_t i64_min(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t i64_max(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t floor_div(int64_t a, int64_t b) {
    int64_t q = a / b;
    return q - (a % b < 0);
}

int64_t ceil_div(int64_t a, int64_t b) { return floor_div(a, b) + (floor_div(a, b) * b != a); }

int64_t gcd_i64(int64_t a, int64_t b) {
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

const char *double_text(double x, char *buf) {
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buf, 32, "%.*g", digits, x);
        if (strtod(buf, NULL) == x) break;
    }
    return buf;
}

/* ---- words ---- */

int utf8_decode(const char *p, const char *end, unsigned *code) {
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000}; /* by length: smaller ones must be written shorter */
    unsigned char c = (unsigned char)*p;
    int n = c < 0x80 ? 1 : (c & 0xE0) == 0xC0 ? 2 : (c & 0xF0) == 0xE0 ? 3 : (c & 0xF8) == 0xF0 ? 4 : 0;
    if (!n || end - p < n) return 0;
    *code = n == 1 ? c : c & (0x7Fu >> n);
    for (int i = 1; i < n; i++) {
        if (((unsigned char)p[i] & 0xC0) != 0x80) return 0;
        *code = *code << 6 | ((unsigned char)p[i] & 0x3F);
    }
    bool surrogate = *code >= 0xD800 && *code < 0xE000;
    return *code < least[n] || *code > 0x10FFFF || surrogate ? 0 : n;
}

enum { LONGEST_WORD = 64 };

/* Optimal string alignment. */
static int edit_distance(const char *a, const char *b) {
    int n = (int)strlen(a), m = (int)strlen(b), d[LONGEST_WORD + 1][LONGEST_WORD + 1];
    for (int i = 0; i <= n; i++) d[i][0] = i;
    for (int j = 0; j <= m; j++) d[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best) best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

/* What of a word counts, in `out` of LONGEST_WORD + 1 bytes; its length, or -1 where it is too long. */
static int fold_word(const char *word, char *out) {
    int n = 0;
    for (; *word; word++) {
        if (*word == '_' || *word == '-') continue;
        if (n == LONGEST_WORD) return -1;
        out[n++] = *word >= 'A' && *word <= 'Z' ? (char)(*word - 'A' + 'a') : *word;
    }
    out[n] = 0;
    return n;
}

const char *nearest_name(const char *name, const char *const *candidates, int n) {
    char word[LONGEST_WORD + 1], other[LONGEST_WORD + 1];
    int length = fold_word(name, word), best = length < 2 ? 1 : length < 6 ? 2 : length < 9 ? 3 : 4; /* one more than is near enough */
    const char *near = NULL;
    for (int i = 0; i < n && length > 0; i++) {
        int m = fold_word(candidates[i], other);
        if (m < 0 || abs(m - length) >= best) continue;
        int distance = edit_distance(word, other);
        if (distance >= best) continue;
        best = distance;
        near = candidates[i];
    }
    return near;
}

/* ---- files ---- */

static int read_all(int fd, size_t max, char **text, size_t *n) {
    Text t = {0};
    text_append(&t, "", 0);
    char buf[65536];
    for (;;) {
        ssize_t got = read(fd, buf, sizeof buf);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 || t.n + (size_t)got > max) {
            int e = got < 0 ? errno : EFBIG;
            text_free(&t);
            return e;
        }
        if (!got) break;
        text_append(&t, buf, (size_t)got);
    }
    *text = t.at;
    *n = t.n;
    return 0;
}

int file_read(const char *path, size_t max, char **text, size_t *n) {
    if (!strcmp(path, "-")) return read_all(STDIN_FILENO, max, text, n);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int e = read_all(fd, max, text, n);
    close(fd);
    return e;
}

static int write_all(int fd, const char *p, size_t n) {
    while (n) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        p += put;
        n -= (size_t)put;
    }
    return 0;
}

/* Devices, pipes and the like are written to, never replaced by a new file. */
static bool is_special(const char *path) {
    struct stat st;
    return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int write_in_place(const char *path, const void *data, size_t n) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int e = write_all(fd, data, n);
    return close(fd) && !e ? errno : e;
}

int file_write(const char *path, const void *data, size_t n, int mode) {
    if (!strcmp(path, "-")) return write_all(STDOUT_FILENO, data, n);
    if (is_special(path)) return write_in_place(path, data, n);
    Text tmp = {0};
    text_printf(&tmp, "%s.%ld.tmp", path, (long)getpid());
    int e = 0, fd = open(tmp.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) e = errno;
    if (!e) {
        e = write_all(fd, data, n);
        if (!e && fsync(fd)) e = errno;
        if (close(fd) && !e) e = errno;
        if (!e && rename(tmp.at, path)) e = errno;
        if (e) unlink(tmp.at);
    }
    text_free(&tmp);
    return e;
}

const char *temp_base(void) {
    const char *base = getenv("TMPDIR");
    return base && *base ? base : "/tmp";
}

const char *temp_folder(Arena *a) {
    char *path = arena_printf(a, "%s/netc-XXXXXX", temp_base());
    return mkdtemp(path);
}
