/* target.c: see target.h. Levels of x86-64 are those of the psABI, "Micro-Architecture Levels". */
#include "target.h"

#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <string.h>

/* ---- levels ---- */

#define V2_FEATURES "sse3,ssse3,sse4.1,sse4.2,cx16,popcnt,sahf"
#define V3_FEATURES V2_FEATURES ",avx,avx2,bmi,bmi2,f16c,fma,lzcnt,movbe"
#define V4_FEATURES V3_FEATURES ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl"

typedef struct Level { const char *cpu, *tune, *features; int lanes, registers; bool fma, x86; } Level;

enum { LEVEL_V1, LEVEL_V2, LEVEL_V3, LEVEL_V4, LEVEL_ARM };
static const Level levels[] = {
    [LEVEL_V1] = { "x86-64", "generic", "", 4, 16, false, true },
    [LEVEL_V2] = { "x86-64-v2", "generic", V2_FEATURES, 4, 16, false, true },
    [LEVEL_V3] = { "x86-64-v3", "haswell" /* by the order that "generic" stands for, sums of a full tile go to the stack */, V3_FEATURES, 8, 16, true, true },
    [LEVEL_V4] = { "x86-64-v4", "generic", V4_FEATURES, 16, 32, true, true },
    [LEVEL_ARM] = { "generic", "generic", "", 4, 32, true, false },
};

static const struct { const char *name; int level; } processors[] = {
    { "x86-64", LEVEL_V1 }, { "x86-64-v2", LEVEL_V2 }, { "x86-64-v3", LEVEL_V3 }, { "x86-64-v4", LEVEL_V4 },
    { "nehalem", LEVEL_V2 }, { "westmere", LEVEL_V2 }, { "sandybridge", LEVEL_V2 }, { "ivybridge", LEVEL_V2 }, { "silvermont", LEVEL_V2 },
    { "goldmont", LEVEL_V2 }, { "btver2", LEVEL_V2 }, { "bdver2", LEVEL_V2 },
    { "haswell", LEVEL_V3 }, { "broadwell", LEVEL_V3 }, { "skylake", LEVEL_V3 }, { "alderlake", LEVEL_V3 }, { "gracemont", LEVEL_V3 },
    { "znver1", LEVEL_V3 }, { "znver2", LEVEL_V3 }, { "znver3", LEVEL_V3 },
    { "skylake-avx512", LEVEL_V4 }, { "cascadelake", LEVEL_V4 }, { "icelake-client", LEVEL_V4 }, { "icelake-server", LEVEL_V4 },
    { "tigerlake", LEVEL_V4 }, { "rocketlake", LEVEL_V4 }, { "sapphirerapids", LEVEL_V4 }, { "emeraldrapids", LEVEL_V4 },
    { "graniterapids", LEVEL_V4 }, { "znver4", LEVEL_V4 }, { "znver5", LEVEL_V4 },
    { "generic", LEVEL_ARM }, { "cortex-a53", LEVEL_ARM }, { "cortex-a57", LEVEL_ARM }, { "cortex-a72", LEVEL_ARM }, { "cortex-a76", LEVEL_ARM },
    { "neoverse-n1", LEVEL_ARM }, { "neoverse-n2", LEVEL_ARM }, { "neoverse-v1", LEVEL_ARM }, { "neoverse-v2", LEVEL_ARM },
    { "apple-m1", LEVEL_ARM },
};
enum { PROCESSORS = sizeof processors / sizeof *processors };

/* ---- this machine ---- */

static bool has_feature(const char *host, const char *name, size_t n) {
    for (const char *p = host; (p = strstr(p, name)) != NULL; p++)
        if (p > host && p[-1] == '+' && (p[n] == ',' || p[n] == '\0')) return true;
    return false;
}

static bool has_all(Arena *a, const char *host, const char *features) {
    for (const char *p = features; *p;) {
        size_t n = strcspn(p, ",");
        if (!has_feature(host, arena_str(a, p, n), n)) return false;
        p += n + (p[n] == ',');
    }
    return true;
}

static int host_level(Arena *a) {
    char *host = LLVMGetHostCPUFeatures();
    int level = LEVEL_V4;
    while (level > LEVEL_V1 && !has_all(a, host, levels[level].features)) level--;
    LLVMDisposeMessage(host);
    return level;
}

static const char *copy_message(Arena *a, char *message) {
    const char *copy = arena_name(a, message);
    LLVMDisposeMessage(message);
    return copy;
}

/* ---- choosing ---- */

static bool starts(const char *s, const char *with) {
    return strncmp(s, with, strlen(with)) == 0;
}

static bool is_x86(const char *triple) {
    return starts(triple, "x86_64-");
}

static bool is_arm(const char *triple) {
    return starts(triple, "aarch64-");
}

/* Architecture, vendor, system, ABI; ELF systems that the runtime is written for. */
static const char *known_triple(Arena *a, const char *triple, const char **error) {
    const char *host = copy_message(a, LLVMGetDefaultTargetTriple());
    if (!triple) return host;
    const char *full = copy_message(a, LLVMNormalizeTargetTriple(triple));
    if (starts(full, "amd64-")) full = arena_printf(a, "x86_64-%s", full + strlen("amd64-"));
    if (starts(full, "arm64-")) full = arena_printf(a, "aarch64-%s", full + strlen("arm64-"));
    if ((is_x86(full) || is_arm(full)) && (strstr(full, "-linux") || strstr(full, "-unknown-unknown"))) return full;
    *error = arena_printf(a, "unknown target '%s'; --print-targets lists what there is", triple);
    return NULL;
}

static int known_processor(const char *name, bool x86) {
    for (int i = 0; i < PROCESSORS; i++)
        if (strcmp(processors[i].name, name) == 0 && levels[processors[i].level].x86 == x86) return processors[i].level;
    return -1;
}

static const char *unknown_processor(Arena *a, const char *name, bool x86) {
    const char *names[PROCESSORS];
    int n = 0;
    for (int i = 0; i < PROCESSORS; i++)
        if (levels[processors[i].level].x86 == x86) names[n++] = processors[i].name;
    const char *near = nearest_name(name, names, n);
    return near ? arena_printf(a, "unknown processor '%s' for -march; did you mean '%s'?", name, near)
                : arena_printf(a, "unknown processor '%s' for -march; --print-targets lists what there is", name);
}

/* Two, but where vectors of 512 bits go through units of 256. */
static int fmas_of(const char *tune, int lanes) { return lanes == 16 && strcmp(tune, "znver4") == 0 ? 1 : 2; }

static const Target *make_target(Arena *a, const char *triple, int level, const char *tune, bool host, bool native) {
    const Level *l = &levels[level];
    Target *t = ARENA_NEW(a, Target);
    *t = (Target){ triple, l->cpu, tune, l->features, l->lanes, l->registers, fmas_of(tune, l->lanes), l->fma, l->x86, host, native };
    return t;
}

const Target *target_new(Arena *a, const char *march, const char *triple, const char **error) {
    const char *host = copy_message(a, LLVMGetDefaultTargetTriple());
    const char *chosen = known_triple(a, triple, error);
    if (!chosen) return NULL;
    bool x86 = is_x86(chosen), here = x86 ? is_x86(host) : is_arm(host);
    if (!x86 && !is_arm(chosen)) {
        *error = arena_printf(a, "netc generates no code for '%s'; --print-targets lists what there is", chosen);
        return NULL;
    }
    int base = x86 ? LEVEL_V1 : LEVEL_ARM, best = !here ? base : x86 ? host_level(a) : LEVEL_ARM;
    if (!march || strcmp(march, "native") == 0) {
        const char *tune = here ? copy_message(a, LLVMGetHostCPUName()) : levels[base].tune;
        if (x86 && strcmp(tune, "generic") == 0) tune = levels[best].tune; /* a processor that LLVM does not know */
        return make_target(a, chosen, best, tune, here, here);
    }
    int level = known_processor(march, x86);
    if (level < 0) {
        *error = unknown_processor(a, march, x86);
        return NULL;
    }
    const char *tune = strcmp(march, levels[level].cpu) == 0 ? levels[level].tune : march;
    return make_target(a, chosen, level, tune, here, here && level <= best);
}

void target_print(FILE *out) {
    for (int x86 = 1; x86 >= 0; x86--) {
        fprintf(out, "--target=%s: -march=native", x86 ? "x86_64-linux-gnu" : "aarch64-linux-gnu");
        for (int i = 0; i < PROCESSORS; i++)
            if (levels[processors[i].level].x86 == (x86 == 1)) fprintf(out, " %s", processors[i].name);
        fprintf(out, "\n");
    }
}
