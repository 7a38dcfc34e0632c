/* atomic_file.c: temporary file, fsync, rename, fsync of the folder. */
#include "atomic_file.h"
#include "mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool atomic_open(AtomicFile *a, const char *path, Fault *f)
{
    int fd;
    *a = (AtomicFile){NULL, mem_printf("%s", path), mem_printf("%s.%ld.tmp", path, (long)getpid())};
    fd = open(a->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd >= 0 && !(a->out = fdopen(fd, "wb")))
        close(fd);
    if (a->out)
        return true;
    fault_set(f, EXIT_IO, "%s: cannot be written: %s", path, strerror(errno));
    atomic_abort(a);
    return false;
}

/* The folder's entry is what the rename changed. A file system that cannot sync a folder (EINVAL) has nothing to sync. */
static bool folder_sync(const char *path)
{
    char *copy = mem_printf("%s", path), *slash = strrchr(copy, '/');
    const char *folder = !slash ? "." : slash == copy ? "/" : copy;
    bool ok;
    int fd;
    if (slash && slash != copy)
        *slash = 0;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    if (fd >= 0)
        close(fd);
    free(copy);
    return ok;
}

bool atomic_commit(AtomicFile *a, Fault *f)
{
    bool ok = fflush(a->out) == 0 && !ferror(a->out) && (fsync(fileno(a->out)) == 0 || errno == EINVAL);
    int why = errno;
    if (fclose(a->out) != 0 && ok) {
        why = errno;
        ok = false;
    }
    a->out = NULL;
    if (ok && rename(a->temporary, a->path) != 0) {
        why = errno;
        ok = false;
    }
    if (!ok)
        fault_set(f, EXIT_IO, "%s: cannot be written: %s; %s", a->path, strerror(why),
                  file_exists(a->path) ? "the file from before is untouched" : "nothing was left behind");
    else if (!folder_sync(a->path))
        ok = fault_set(f, EXIT_IO, "%s: written, but its folder could not be synced: %s", a->path, strerror(errno));
    atomic_abort(a);
    return ok;
}

void atomic_abort(AtomicFile *a)
{
    if (a->out)
        fclose(a->out);
    if (a->temporary)
        unlink(a->temporary); /* fails after a rename, as it should */
    free(a->temporary);
    free(a->path);
    *a = (AtomicFile){0};
}

bool folder_make(const char *path, Fault *f)
{
    char *copy = mem_printf("%s", path);
    bool ok = true;
    for (char *p = copy + (*copy == '/');; p++) {
        char end = *p;
        if (end != '/' && end != 0)
            continue;
        *p = 0;
        if (ok && *copy && mkdir(copy, 0777) != 0 && errno != EEXIST)
            ok = fault_set(f, EXIT_IO, "%s: the folder cannot be made: %s", copy, strerror(errno));
        *p = end;
        if (end == 0)
            break;
    }
    free(copy);
    return ok;
}

bool folder_check(const char *path, Fault *f)
{
    char *probe = mem_printf("%s/.%ld.tmp", path, (long)getpid());
    int fd = open(probe, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = fd >= 0;
    if (!ok)
        fault_set(f, EXIT_IO, "%s: no file can be written in this folder: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    unlink(probe);
    free(probe);
    return ok;
}

bool file_exists(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}
