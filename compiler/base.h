/* base.h: memory, text, vectors and checked arithmetic for the whole compiler.
 *
 * Memory comes from arenas and is never freed one piece at a time: an Arena lives as long as the compilation that it
 * serves. Strings that name things are interned, so that equal names are equal pointers. A condition that only a bug
 * of ours can break is written ENSURE(...); it ends the process with exit code 70. User errors never come through here
 * (see diag.h).
 */
#ifndef NETC_BASE_H
#define NETC_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes of netc and of the trainers (docs: README, "Exit codes"). */
enum { EXIT_OK = 0, EXIT_SOURCE = 1, EXIT_USAGE = 2, EXIT_DATA = 3, EXIT_IO = 4, EXIT_NONFINITE = 5, EXIT_ENV = 6, EXIT_BUG = 70 };

/* ---- bugs ---- */

/* Reports a bug of ours ("netc: internal error: ...") on stderr and exits with EXIT_BUG. */
_Noreturn void base_bug(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define BUG(...) base_bug(__FILE__, __LINE__, __VA_ARGS__)
#define ENSURE(cond) ((cond) ? (void)0 : base_bug(__FILE__, __LINE__, "%s", #cond))

/* ---- arenas ---- */

typedef struct Arena Arena;

/* A new, empty arena; ends the process with EXIT_ENV when memory is out, as every function below does. */
Arena *arena_new(void);
/* Frees the arena and everything allocated from it. */
void arena_free(Arena *a);
/* `size` zeroed bytes, aligned to 16. */
void *arena_alloc(Arena *a, size_t size);
/* A copy of the n bytes at p. */
void *arena_copy(Arena *a, const void *p, size_t n);
/* A zero-terminated copy of the n bytes at s. */
char *arena_str(Arena *a, const char *s, size_t n);
/* printf into the arena. */
char *arena_printf(Arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The one copy of the n bytes at s in this arena, zero-terminated: equal strings give equal pointers. */
const char *arena_intern(Arena *a, const char *s, size_t n);
/* arena_intern of a zero-terminated string. */
const char *arena_name(Arena *a, const char *s);
#define ARENA_NEW(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define ARENA_ARRAY(a, T, n) ((T *)arena_alloc((a), sizeof(T) * (size_t)(n)))

/* ---- vectors ---- */

/* VEC(T) v = {0}; VEC_PUSH(arena, &v, x); v.at[i], v.n. Storage is the arena's. */
#define VEC(T) struct { T *at; int n, cap; }
#define VEC_PUSH(a, v, x) ((void)vec_grow((a), (void **)&(v)->at, (v)->n, &(v)->cap, sizeof *(v)->at), (void)((v)->at[(v)->n++] = (x)))
/* Makes room for one element more after the n in use. */
void vec_grow(Arena *a, void **at, int n, int *cap, size_t size);

/* ---- growing text ---- */

typedef struct Text { char *at; size_t n, cap; } Text; /* heap storage; always zero-terminated once written to */
void text_printf(Text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(Text *t, const char *fmt, va_list ap);
void text_append(Text *t, const char *s, size_t n);
void text_free(Text *t);

/* ---- numbers ---- */

/* Checked int64 arithmetic: false, and *out untouched, where the result does not fit. */
bool checked_add(int64_t a, int64_t b, int64_t *out);
bool checked_mul(int64_t a, int64_t b, int64_t *out);
/* a * b of numbers that are not negative, but at most 2^42: for sizes that are too large anyway when they come near it. */
int64_t capped_mul(int64_t a, int64_t b);
int64_t i64_min(int64_t a, int64_t b);
int64_t i64_max(int64_t a, int64_t b);
/* Quotients of a by b > 0, rounded towards minus and plus infinity. */
int64_t floor_div(int64_t a, int64_t b);
int64_t ceil_div(int64_t a, int64_t b);
int64_t gcd_i64(int64_t a, int64_t b);
/* a rounded up to a multiple of b > 0. */
int64_t round_up(int64_t a, int64_t b);

/* Shortest decimal text that reads back as the same double ("0.1", "1e-05", "3"); written to buf of at least 32 bytes. */
const char *double_text(double x, char *buf);

/* ---- words ---- */

/* Decodes the UTF-8 character at p; its length in bytes, or 0 where the bytes are none. */
int utf8_decode(const char *p, const char *end, unsigned *code);
/* The one of n candidates that `name` is likely meant to be, for "did you mean", or null. Distances count letters inserted, deleted,
 * replaced, or swapped with their neighbours; capitals, '_' and '-' do not count ("BatchNorm" is near "batch_norm"). */
const char *nearest_name(const char *name, const char *const *candidates, int n);

/* ---- files ---- */

/* Reads a whole file ("-" is stdin) of at most `max` bytes into the heap; *text is zero-terminated, *n its length.
 * Returns 0, or an errno value; EFBIG when the file is larger than max, EISDIR for a folder. The caller frees *text. */
int file_read(const char *path, size_t max, char **text, size_t *n);
/* Writes n bytes to path atomically: a temporary file beside it, fsync, rename. "-" is stdout, and
 * a device or pipe is written to in place. Returns 0 or an errno
 * value; on failure nothing is left behind and the old file is untouched. `mode` is that of the file (0644, 0755). */
int file_write(const char *path, const void *data, size_t n, int mode);
/* Where temporary files go: $TMPDIR, or /tmp. */
const char *temp_base(void);
/* Makes a new folder there that only this user can enter. Null, with errno set, where that cannot be done. */
const char *temp_folder(Arena *a);

#endif
