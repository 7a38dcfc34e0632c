/* mem.c: allocation that never returns null. Large buffers come straight from mmap: zeroed, page-aligned, and with huge
 * pages where the kernel has them, which spares the address translation of long walks through the arena. */
#include "mem.h"
#include "fault.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static _Noreturn void mem_out(size_t count, size_t size)
{
    die(EXIT_ENV, "out of memory: %zu x %zu bytes were asked for", count, size);
}

void *mem_get(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        mem_out(count, size);
    return p;
}

void *mem_grow(void *p, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || !(p = realloc(p, bytes ? bytes : 1)))
        mem_out(count, size);
    return p;
}

static size_t mem_length(size_t bytes)
{
    return bytes ? bytes : 1;
}

void *mem_pages(size_t bytes)
{
    void *p = mmap(NULL, mem_length(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        mem_out(1, bytes);
    if (bytes >= (size_t)4 << 20)
        (void)madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

void mem_pages_free(void *p, size_t bytes)
{
    if (p)
        munmap(p, mem_length(bytes));
}

char *mem_printf(const char *fmt, ...)
{
    va_list ap;
    char *s = NULL;
    va_start(ap, fmt);
    if (vasprintf(&s, fmt, ap) < 0)
        mem_out(1, 0);
    va_end(ap);
    return s;
}
