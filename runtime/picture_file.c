/* picture_file.c: a picture file as bytes, then to the decoders, if this trainer has them. */
#include "picture.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern const PictureReader nrt_picture_reader __attribute__((weak)); /* null where the linker was not asked for it */

/* The length of an open file that is regular and not too long. */
static bool file_length(FILE *in, const char *path, size_t *n, Fault *f)
{
    struct stat s;
    if (fstat(fileno(in), &s) != 0)
        return fault_set(f, EXIT_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return fault_set(f, EXIT_DATA, "%s: this is no regular file", path);
    if (s.st_size > PICTURE_FILE_MAX)
        return fault_set(f, EXIT_DATA, "%s: has %lld bytes; at most %d are allowed", path, (long long)s.st_size, PICTURE_FILE_MAX);
    *n = (size_t)s.st_size;
    return true;
}

static bool file_bytes(const char *path, uint8_t **bytes, size_t *n, Fault *f)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer is refused, not waited for */
    FILE *in = fd >= 0 ? fdopen(fd, "rb") : NULL;
    bool ok;
    *bytes = NULL;
    if (!in)
        return fault_set(f, errno == ENOENT || errno == ENOTDIR ? EXIT_DATA : EXIT_IO, "%s: cannot be opened: %s", path, strerror(errno));
    ok = file_length(in, path, n, f);
    if (ok) {
        *bytes = mem_get(*n, 1);
        if (fread(*bytes, 1, *n, in) != *n)
            ok = fault_set(f, EXIT_IO, "%s: cannot be read to its end: %s", path, ferror(in) ? strerror(errno) : "it got shorter");
    }
    fclose(in);
    return ok;
}

bool picture_read(const char *path, int64_t channels, Picture *out, Fault *f)
{
    const PictureReader *reader = &nrt_picture_reader;
    uint8_t *bytes;
    size_t n = 0;
    bool ok;
    *out = (Picture){0};
    if (!reader)
        return fault_set(f, EXIT_ENV, "%s: this trainer was linked without the decoders for picture files", path);
    ok = file_bytes(path, &bytes, &n, f) && reader->decode(bytes, n, path, channels, out, f);
    free(bytes);
    return ok;
}
