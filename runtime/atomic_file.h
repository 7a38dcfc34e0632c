/* atomic_file.h: files that are either there whole or not at all.
 *
 * What is written goes to a temporary file in the target's folder; atomic_commit makes it durable (fsync), renames it over the
 * target and makes the rename durable (fsync of the folder). Any failure removes the temporary file and leaves the old
 * target as it was. */
#ifndef ATOMIC_FILE_H
#define ATOMIC_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "fault.h"

typedef struct AtomicFile {
    FILE *out; /* for fprintf and fwrite; errors are found at the commit */
    char *path, *temporary;
} AtomicFile;

/* Starts writing `path`. False with EXIT_IO where the folder takes no file. */
bool atomic_open(AtomicFile *a, const char *path, Fault *f);
/* Ends the writing and puts the file in place; false with EXIT_IO, and nothing left behind, if any write failed. */
bool atomic_commit(AtomicFile *a, Fault *f);
/* Gives up: nothing is left behind. */
void atomic_abort(AtomicFile *a);
/* Makes the folder and those above it, as `mkdir -p` does. False with EXIT_IO. */
bool folder_make(const char *path, Fault *f);
/* Proves that files can be made in the folder. False with EXIT_IO. */
bool folder_check(const char *path, Fault *f);
/* Is there a file (of any kind) at the path? */
bool file_exists(const char *path);

#endif
