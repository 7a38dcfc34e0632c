/* replay.c: stands in for libFuzzer: feeds a harness every file of a folder, each as a block of its own size, so that a sanitizer sees any look
 * behind it.
 *
 *     fuzz_NAME FOLDER
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static int fail(const char *what, const char *path) {
    perror(path);
    fprintf(stderr, "replay: cannot %s '%s'\n", what, path);
    return 2;
}

static int replay_file(const char *path) {
    FILE *in = fopen(path, "rb");
    if (!in || fseek(in, 0, SEEK_END)) return fail("open", path);
    size_t n = (size_t)ftell(in);
    uint8_t *bytes = malloc(n ? n : 1);
    rewind(in);
    if (!bytes || fread(bytes, 1, n, in) != n) return fail("read", path);
    fclose(in);
    LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
    return 0;
}

int main(int argc, char **argv) {
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    if (!folder) return fail("open", argc == 2 ? argv[1] : "(no folder)");
    int files = 0, code = 0;
    for (const struct dirent *e; !code && (e = readdir(folder));) {
        char path[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        fprintf(stderr, "%s\n", path); /* the last line tells who did it */
        code = replay_file(path);
        files++;
    }
    closedir(folder);
    printf("%d inputs\n", files);
    return code ? code : files ? 0 : 2;
}
