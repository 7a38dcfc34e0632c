/* mem.h: memory or a clear end. Every function here ends the process with EXIT_ENV when there is no memory. */
#ifndef MEM_H
#define MEM_H

#include <stddef.h>

/* `count * size` zeroed bytes from the heap (also where that is 0); the caller frees them with free(). */
void *mem_get(size_t count, size_t size);
/* realloc to `count * size` bytes; the caller frees. */
void *mem_grow(void *p, size_t count, size_t size);
/* Zeroed pages for large, long-lived buffers, aligned to at least 64 bytes; pages that are never touched cost nothing. */
void *mem_pages(size_t bytes);
/* Gives back what mem_pages(bytes) returned. */
void mem_pages_free(void *p, size_t bytes);
/* A heap copy of the text that printf would print; the caller frees it. */
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
