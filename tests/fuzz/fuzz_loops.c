/* fuzz_loops.c: any bytes as a .loops file; loops that are read and verified are printed and read again. */
#include "fuzz.h"

#include "loop_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    Fuzz f = fuzz_open("fuzz.loops", bytes, n);
    const Program *p = loop_parse(f.arena, f.diag, f.file);
    if (p) fuzz_loops_again(p);
    fuzz_close(&f);
    return 0;
}
