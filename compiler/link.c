/* link.c: runs the linker. The objects, and the executable while it is made, are in a private folder that is removed whatever
 * happens; the executable then goes to its place whole (file_write). The command is an argument vector for posix_spawnp, and
 * never sees a shell. What the linker writes on stderr passes through to the user.
 *
 * The runtime is looked for from where netc itself lies: BUILD/netc with BUILD/runtime/libnrt.a, or as both were installed, bin/netc with
 * lib/netc/libnrt.a, wherever the prefix was moved to; last in the place that the build was configured for.
 */
#include "link.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 24, OBJECTS_MAX = 8 };
extern char **environ;

static int fail(Diag *d, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(Diag *d, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    diag_verror(d, (Span){0}, fmt, ap);
    va_end(ap);
    return code;
}

/* ---- the runtime library ---- */

static const char *own_folder(Arena *a) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path);
    if (n <= 0 || n >= (ssize_t)sizeof path) return NULL;
    while (n > 0 && path[n - 1] != '/') n--;
    return arena_str(a, path, (size_t)n);
}

static const char *find_runtime(Arena *a, Diag *d, const LinkOptions *o) {
    const char *given = o->runtime ? o->runtime : getenv("NETC_RUNTIME");
    if (given && *given) {
        if (access(given, R_OK) == 0) return given;
        fail(d, 0, "cannot read the runtime library '%s': %s", given, strerror(errno));
        return NULL;
    }
    static const char *const places[] = { "runtime/libnrt.a", NETC_RUNTIME_FROM_BIN "/libnrt.a" };
    const char *folder = own_folder(a);
    for (size_t i = 0; folder && i < sizeof places / sizeof *places; i++) {
        const char *path = arena_printf(a, "%s%s", folder, places[i]);
        if (access(path, R_OK) == 0) return path;
    }
    if (access(NETC_RUNTIME_DIR "/libnrt.a", R_OK) == 0) return NETC_RUNTIME_DIR "/libnrt.a";
    fail(d, 0, "the runtime library libnrt.a is not beside netc (%s); NETC_RUNTIME gives its path", folder ? folder : "?");
    return NULL;
}

static const char *find_linker(const LinkOptions *o) {
    const char *given = o->linker ? o->linker : getenv("NETC_CC");
    return given && *given ? given : "cc";
}

/* ---- the command ---- */

/* A word as a shell would read it back, for people to copy. */
static void print_word(const char *s) {
    bool plain = *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-=,:@%") == strlen(s);
    if (plain) {
        fprintf(stderr, " %s", s);
        return;
    }
    fputs(" '", stderr);
    for (; *s; s++) fputs(*s == '\'' ? "'\\''" : (char[]){ *s, '\0' }, stderr);
    fputc('\'', stderr);
}

static void print_command(const char *const *args) {
    for (int i = 0; args[i]; i++) print_word(args[i]);
    fputc('\n', stderr);
}

static void build_command(const char **args, const char *linker, const char *const *objects, int nobjects, const char *runtime, const char *output, const LinkOptions *o) {
    int n = 0;
    args[n++] = linker;
    args[n++] = "-o";
    args[n++] = output;
    for (int i = 0; i < nobjects; i++) args[n++] = objects[i];
    args[n++] = runtime;
    args[n++] = "-Wl,--gc-sections";
#ifdef NETC_LINK_FLAGS
    args[n++] = NETC_LINK_FLAGS; /* a runtime with sanitizers wants them in the link too */
#endif
    if (o->strip) args[n++] = "-s";
    if (o->pictures) {
        args[n++] = "-Wl,-u,nrt_picture_reader"; /* no object of the runtime asks for the decoders by itself (picture.h) */
        args[n++] = "-lpng16";
        args[n++] = "-ljpeg";
    }
    args[n++] = "-lz";
    args[n++] = "-lpthread";
    args[n++] = "-lm";
    args[n] = NULL;
}

static int run_command(Diag *d, const char *const *args) {
    pid_t child;
    int status, error = posix_spawnp(&child, args[0], NULL, NULL, (char *const *)(uintptr_t)args, environ);
    if (error) return fail(d, EXIT_ENV, "cannot run the linker '%s': %s; NETC_CC names another", args[0], strerror(error));
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return fail(d, EXIT_ENV, "the linker '%s' was lost: %s", args[0], strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return EXIT_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return fail(d, EXIT_ENV, "cannot run the linker '%s'; NETC_CC names another", args[0]);
    if (WIFEXITED(status)) return fail(d, EXIT_ENV, "the linker '%s' failed with exit code %d", args[0], WEXITSTATUS(status));
    return fail(d, EXIT_ENV, "the linker '%s' was killed by signal %d", args[0], WTERMSIG(status));
}

/* ---- files ---- */

/* Moves what the linker made to where it is wanted: atomically, and with one message where that cannot be done. */
static int deliver(Diag *d, const char *made, const char *output) {
    char *bytes;
    size_t n;
    int error = file_read(made, SIZE_MAX, &bytes, &n);
    if (error) return fail(d, EXIT_IO, "cannot read '%s': %s", made, strerror(error));
    error = file_write(output, bytes, n, 0755);
    free(bytes);
    return error ? fail(d, EXIT_IO, "cannot write '%s': %s", output, strerror(error)) : EXIT_OK;
}

static int write_objects(Diag *d, const char *const *paths, const Text *objects, int n) {
    for (int i = 0; i < n; i++) {
        int error = file_write(paths[i], objects[i].at, objects[i].n, 0600);
        if (error) return fail(d, EXIT_IO, "cannot write '%s': %s", paths[i], strerror(error));
    }
    return EXIT_OK;
}

static int link_in_folder(Arena *a, Diag *d, const char *folder, const Text *objects, int n, const char *output, const LinkOptions *o) {
    const char *args[ARGS_MAX], *paths[OBJECTS_MAX], *runtime = find_runtime(a, d, o), *made = arena_printf(a, "%s/trainer", folder);
    ENSURE(n <= OBJECTS_MAX);
    for (int i = 0; i < n; i++) paths[i] = arena_printf(a, i ? "%s/model%d.o" : "%s/model.o", folder, i);
    if (!runtime) return EXIT_ENV;
    build_command(args, find_linker(o), paths, n, runtime, made, o);
    if (o->verbose || o->dry_run) print_command(args);
    if (o->dry_run) return EXIT_OK;
    int code = write_objects(d, paths, objects, n);
    if (code == EXIT_OK) code = run_command(d, args);
    if (code == EXIT_OK) code = deliver(d, made, output);
    for (int i = 0; i < n; i++) unlink(paths[i]);
    unlink(made);
    return code;
}

int link_executable(Arena *a, Diag *d, const Text *objects, int n, const char *output, const LinkOptions *options) {
    const char *slash = strrchr(output, '/');
    const char *beside = slash ? arena_str(a, output, (size_t)(slash - output) + 1) : ".";
    if (!options->dry_run && access(beside, W_OK) != 0) return fail(d, EXIT_IO, "cannot write '%s': %s", output, strerror(errno));
    const char *folder = temp_folder(a);
    if (!folder) return fail(d, EXIT_IO, "cannot make a temporary folder in '%s': %s", temp_base(), strerror(errno));
    int code = link_in_folder(a, d, folder, objects, n, output, options);
    rmdir(folder);
    return code;
}
