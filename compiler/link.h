/* link.h: from an object to an executable trainer, by the system's compiler driver and netc's runtime library. */
#ifndef NETC_LINK_H
#define NETC_LINK_H

#include "diag.h"

typedef struct LinkOptions {
    const char *linker;  /* --linker; null: $NETC_CC, else "cc" */
    const char *runtime; /* path of libnrt.a; null: $NETC_RUNTIME, else found beside netc */
    bool pictures;       /* link the decoders of picture files too, and the libraries that these need */
    bool strip;          /* leave symbols and line tables out */
    bool verbose;        /* print the command on stderr */
    bool dry_run;        /* only print it */
} LinkOptions;

/* Links the n objects with the runtime into the executable `output`, which appears whole or not at all. Returns EXIT_OK,
 * EXIT_ENV (no linker, no runtime, linker failed) or EXIT_IO (cannot write); then an error was reported. */
int link_executable(Arena *a, Diag *d, const Text *objects, int n, const char *output, const LinkOptions *options);

#endif
