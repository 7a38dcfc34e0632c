/* fuzz_loops.c: any bytes as a .loops file; loops that are read and verified are printed and read again and, where they unroll to little,
 * become LLVM IR. */
#include "fuzz.h"

#include "emit_llvm.h"
#include "loop_text.h"

enum { MOST_COPIES = 200 }; /* of statements */

/* Stores once loops are unrolled; a loop whose bounds are not plain numbers counts as too many. */
static int64_t copies(const Stmt *s) {
    if (s->kind != STMT_FOR) return 1;
    int64_t sum = 0, trips = s->loop == LOOP_UNROLL && s->var ? MOST_COPIES + 1 : 1;
    if (trips > 1 && s->nlo == 1 && s->nhi == 1 && !s->lo[0].n && !s->hi[0].n) trips = i64_max(s->hi[0].c - s->lo[0].c, 1);
    for (int i = 0; i < s->body.n; i++) sum = capped_mul(1, sum + copies(s->body.at[i]));
    return capped_mul(trips, sum);
}

static void emit(Fuzz *f, const Program *p) {
    int64_t sum = 0;
    for (int i = 0; i < p->kernels.n; i++) sum += copies(p->kernels.at[i]->body);
    if (sum > MOST_COPIES) return;
    Text ir = {0};
    Emitted *e = emit_program(f->arena, p, f->diag, fuzz_target(f->arena), &(EmitOptions){.opt_level = 0, .debug = true, .share = true});
    emit_write(e, EMIT_IR, &ir);
    text_free(&ir);
    emit_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    Fuzz f = fuzz_open("fuzz.loops", bytes, n);
    const Program *p = loop_parse(f.arena, f.diag, f.file);
    if (p) {
        fuzz_loops_again(p);
        emit(&f, p);
    }
    fuzz_close(&f);
    return 0;
}
