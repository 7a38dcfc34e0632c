/* cpu.c: CPUID, one bit a feature. A feature with wide registers also needs the operating system to save them, which XGETBV tells:
 * bits 1 and 2 of XCR0 for the ymm registers, 5 to 7 as well for zmm and mask registers. */
#include "cpu.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef enum { SAVES_NOTHING, SAVES_YMM, SAVES_ZMM } Saves;

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>

typedef enum { LEAF_1, LEAF_7, LEAF_7_1, LEAF_EXT, LEAVES } Leaf;
typedef struct Feature { const char *name; unsigned char leaf, reg, bit, saves; } Feature; /* reg: eax 0, ebx 1, ecx 2, edx 3 */

static const Feature features_known[] = {
    {"cx8", LEAF_1, 3, 8, 0}, {"cmov", LEAF_1, 3, 15, 0}, {"mmx", LEAF_1, 3, 23, 0}, {"fxsr", LEAF_1, 3, 24, 0}, {"sse", LEAF_1, 3, 25, 0},
    {"sse2", LEAF_1, 3, 26, 0}, {"x87", LEAF_1, 3, 0, 0}, {"sse3", LEAF_1, 2, 0, 0}, {"pclmul", LEAF_1, 2, 1, 0}, {"ssse3", LEAF_1, 2, 9, 0},
    {"fma", LEAF_1, 2, 12, SAVES_YMM}, {"cx16", LEAF_1, 2, 13, 0}, {"sse4.1", LEAF_1, 2, 19, 0}, {"sse4.2", LEAF_1, 2, 20, 0},
    {"crc32", LEAF_1, 2, 20, 0}, {"movbe", LEAF_1, 2, 22, 0}, {"popcnt", LEAF_1, 2, 23, 0}, {"aes", LEAF_1, 2, 25, 0},
    {"xsave", LEAF_1, 2, 26, 0}, {"avx", LEAF_1, 2, 28, SAVES_YMM}, {"f16c", LEAF_1, 2, 29, SAVES_YMM}, {"rdrnd", LEAF_1, 2, 30, 0},
    {"bmi", LEAF_7, 1, 3, 0}, {"avx2", LEAF_7, 1, 5, SAVES_YMM}, {"bmi2", LEAF_7, 1, 8, 0}, {"avx512f", LEAF_7, 1, 16, SAVES_ZMM},
    {"avx512dq", LEAF_7, 1, 17, SAVES_ZMM}, {"rdseed", LEAF_7, 1, 18, 0}, {"adx", LEAF_7, 1, 19, 0}, {"avx512ifma", LEAF_7, 1, 21, SAVES_ZMM},
    {"clflushopt", LEAF_7, 1, 23, 0}, {"clwb", LEAF_7, 1, 24, 0}, {"avx512pf", LEAF_7, 1, 26, SAVES_ZMM}, {"avx512er", LEAF_7, 1, 27, SAVES_ZMM},
    {"avx512cd", LEAF_7, 1, 28, SAVES_ZMM}, {"sha", LEAF_7, 1, 29, 0}, {"avx512bw", LEAF_7, 1, 30, SAVES_ZMM}, {"avx512vl", LEAF_7, 1, 31, SAVES_ZMM},
    {"avx512vbmi", LEAF_7, 2, 1, SAVES_ZMM}, {"avx512vbmi2", LEAF_7, 2, 6, SAVES_ZMM}, {"gfni", LEAF_7, 2, 8, 0}, {"vaes", LEAF_7, 2, 9, SAVES_YMM},
    {"vpclmulqdq", LEAF_7, 2, 10, SAVES_YMM}, {"avx512vnni", LEAF_7, 2, 11, SAVES_ZMM}, {"avx512bitalg", LEAF_7, 2, 12, SAVES_ZMM},
    {"avx512vpopcntdq", LEAF_7, 2, 14, SAVES_ZMM}, {"cldemote", LEAF_7, 2, 25, 0}, {"avx512vp2intersect", LEAF_7, 3, 8, SAVES_ZMM},
    {"amx-bf16", LEAF_7, 3, 22, SAVES_ZMM}, {"avx512fp16", LEAF_7, 3, 23, SAVES_ZMM}, {"amx-tile", LEAF_7, 3, 24, SAVES_ZMM},
    {"amx-int8", LEAF_7, 3, 25, SAVES_ZMM}, {"avxvnni", LEAF_7_1, 0, 4, SAVES_YMM}, {"avx512bf16", LEAF_7_1, 0, 5, SAVES_ZMM},
    {"avxifma", LEAF_7_1, 0, 23, SAVES_YMM}, {"avxvnniint8", LEAF_7_1, 3, 4, SAVES_YMM}, {"avxneconvert", LEAF_7_1, 3, 5, SAVES_YMM},
    {"sahf", LEAF_EXT, 2, 0, 0}, {"lzcnt", LEAF_EXT, 2, 5, 0}, {"sse4a", LEAF_EXT, 2, 6, 0}, {"prfchw", LEAF_EXT, 2, 8, 0},
    {"xop", LEAF_EXT, 2, 11, SAVES_YMM}, {"fma4", LEAF_EXT, 2, 16, SAVES_YMM}, {"tbm", LEAF_EXT, 2, 21, 0}, {"64bit", LEAF_EXT, 3, 29, 0},
};

/* System instructions and tuning hints that LLVM lists for a processor; no loop over floats is compiled to them. */
static const char *const harmless[] = {"64bit-mode", "clzero", "fsgsbase", "hreset", "invpcid", "kl", "lwp", "movdir64b", "movdiri", "mwaitx",
    "pconfig", "pku", "ptwrite", "rdpid", "rdpru", "rtm", "serialize", "sgx", "shstk", "tsxldtrk", "uintr", "usermsr", "vzeroupper", "waitpkg",
    "wbnoinvd", "widekl", "xsavec", "xsaveopt", "xsaves", "branchfusion", "macrofusion", "idivl-to-divb", "idivq-to-divl", "nopl", "ermsb", "fsrm",
    "adx-tuning", "sbb-dep-breaking", "retpoline", "allow-light-256-bit", "evex512"};
static const char *const harmless_prefixes[] = {"fast-", "slow-", "prefer-", "false-deps-", "tuning", "no-bypass-", "lea-", "pad-", "use-", "avoid-",
    "faster-", "allow-", "inline-asm-", "tagged-"};

static void cpu_read(unsigned regs[LEAVES][4], Saves *saves)
{
    unsigned low = 0, high = 0, top = __get_cpuid_max(0, NULL);
    memset(regs, 0, sizeof(unsigned) * LEAVES * 4);
    __cpuid(1, regs[LEAF_1][0], regs[LEAF_1][1], regs[LEAF_1][2], regs[LEAF_1][3]);
    if (top >= 7) {
        __cpuid_count(7, 0, regs[LEAF_7][0], regs[LEAF_7][1], regs[LEAF_7][2], regs[LEAF_7][3]);
        if (regs[LEAF_7][0] >= 1)
            __cpuid_count(7, 1, regs[LEAF_7_1][0], regs[LEAF_7_1][1], regs[LEAF_7_1][2], regs[LEAF_7_1][3]);
    }
    if (__get_cpuid_max(0x80000000u, NULL) >= 0x80000001u)
        __cpuid(0x80000001u, regs[LEAF_EXT][0], regs[LEAF_EXT][1], regs[LEAF_EXT][2], regs[LEAF_EXT][3]);
    if (regs[LEAF_1][2] & 1u << 27) /* OSXSAVE: XGETBV may be used */
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    *saves = (low & 0xe6) == 0xe6 ? SAVES_ZMM : (low & 6) == 6 ? SAVES_YMM : SAVES_NOTHING;
}

static bool cpu_has(const char *name, unsigned regs[LEAVES][4], Saves saves)
{
    for (size_t i = 0; i < sizeof features_known / sizeof *features_known; i++) {
        const Feature *k = &features_known[i];
        if (strcmp(name, k->name) == 0)
            return (regs[k->leaf][k->reg] >> k->bit & 1) && k->saves <= (unsigned char)saves;
    }
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        if (strcmp(name, harmless[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof harmless_prefixes / sizeof *harmless_prefixes; i++)
        if (strncmp(name, harmless_prefixes[i], strlen(harmless_prefixes[i])) == 0)
            return true;
    return false;
}

int cpu_missing(const char *features, char *buf, size_t size)
{
    unsigned regs[LEAVES][4];
    Saves saves;
    int missing = 0;
    size_t at = 0, n;
    cpu_read(regs, &saves);
    buf[0] = 0;
    for (const char *p = features; *p; p += n + (p[n] == ',')) {
        char name[48];
        n = strcspn(p, ",");
        snprintf(name, sizeof name, "%.*s", (int)(n - (*p == '+')), p + (*p == '+'));
        if (!*name || *p == '-' || cpu_has(name, regs, saves))
            continue;
        if (at < size)
            at += (size_t)snprintf(buf + at, size - at, "%s%s", missing ? ", " : "", name);
        missing++;
    }
    return missing;
}

uint64_t cpu_ticks(void)
{
    return __rdtsc();
}
#else
int cpu_missing(const char *features, char *buf, size_t size)
{
    (void)features; /* other processors offer their baseline only */
    (void)size;
    buf[0] = 0;
    return 0;
}

uint64_t cpu_ticks(void)
{
    return (uint64_t)(cpu_seconds() * 1e9);
}
#endif

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double cpu_seconds(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double cpu_thread_seconds(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
