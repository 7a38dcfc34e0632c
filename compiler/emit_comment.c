/* emit_comment.c: LLVM's text of a module, with comments.
 *
 * LLVM prints functions and their blocks in the order in which the module has them, a `define` line and a label each. The text is therefore gone
 * through line by line beside the module itself, which knows every name as it is and every instruction; the loops (loop.h) know what it is all for.
 * A kernel's function is NETWORK.KERNEL, the block at the top of a loop VARIABLE.loop, with a number behind it where there are several.
 */
#include "emit_internal.h"

#include <ctype.h>
#include <string.h>

#include "loop_text.h"
#include "map.h"

typedef struct Meaning { /* of a function: what is not null */
    const Kernel *kernel;   /* computes it; */
    const Family *body;     /* for all of these */
    const Kernel *caller;   /* calls the body that it shares */
    const Segment *segment;
    const Entry *entry;
} Meaning;

typedef struct Comment {
    Arena *a;
    const Program *p;
    const Parts *parts;
    Map meanings;            /* a function's name -> Meaning */
    LLVMValueRef function;   /* the one whose text is gone through; null before the first */
    LLVMBasicBlockRef block; /* the next one whose label will come */
    const Kernel *kernel;    /* what the function computes, or null */
    Text constants;          /* lines to come behind the functions */
    Text *out;
} Comment;

/* ---- what functions mean ---- */

static void add_meaning(Comment *c, const char *name, Meaning m) {
    Meaning *at = ARENA_NEW(c->a, Meaning);
    *at = m;
    *map_at(c->a, &c->meanings, arena_name(c->a, arena_printf(c->a, "%s.%s", c->p->model->name, name))) = at;
}

static void collect_entry(Comment *c, const Entry *entry) {
    for (int i = 0; i < entry->segments.n; i++) add_meaning(c, entry->segments.at[i]->name, (Meaning){ .segment = entry->segments.at[i] });
    add_meaning(c, entry->name, (Meaning){ .entry = entry });
}

static void collect_meanings(Comment *c) {
    for (int i = 0; i < c->p->kernels.n; i++) {
        const Kernel *k = c->p->kernels.at[i];
        const Family *family = c->parts->family[i];
        add_meaning(c, k->name, family->size == 1 ? (Meaning){ .kernel = k } : (Meaning){ .caller = k });
        add_meaning(c, arena_printf(c->a, "%s" SHARED_SUFFIX, k->name), (Meaning){ .kernel = k, .body = family });
    }
    collect_entry(c, &c->p->step);
    collect_entry(c, &c->p->infer);
}

static const char *value_name(Arena *a, LLVMValueRef v) {
    size_t n;
    const char *name = LLVMGetValueName2(v, &n);
    return arena_intern(a, name, n);
}

/* ---- parts of comments ---- */

/* Names and paths of texts that were read may hold anything; a comment ends with its line. */
static void add_clean(Text *out, const char *s) {
    for (; *s; s++) text_append(out, (unsigned char)*s < ' ' ? "?" : s, 1);
}

/* ", lenet.net:10:5", where the place is known. */
static void add_place(const Comment *c, Span span) {
    const Diag *d = c->p->model->diag;
    int line, column;
    if (!d || !span.file) return;
    text_printf(c->out, ", ");
    diag_place(d, span, &line, &column);
    add_clean(c->out, diag_path(d, span.file));
    text_printf(c->out, ":%d:%d", line, column);
}

static const Layer *layer_of(const Comment *c, const Kernel *k) {
    for (int i = 0; i < c->p->model->layers.n; i++)
        if (k->layer && !strcmp(c->p->model->layers.at[i].name, k->layer)) return &c->p->model->layers.at[i];
    return NULL;
}

/* Layer, pass and, where it is known, place of a kernel: "conv2 (conv, 16x10x10), forward, lenet.net:10:5". */
static void add_origin(const Comment *c, const Kernel *k) {
    const Layer *layer = layer_of(c, k);
    add_clean(c->out, k->layer && *k->layer ? k->layer : "no layer");
    if (layer) {
        text_printf(c->out, " (");
        add_clean(c->out, layer->kind);
        text_printf(c->out, ", %s)", type_text(c->a, layer->out));
    }
    text_printf(c->out, ", %s", pass_names[k->pass]);
    add_place(c, k->span);
}

static void add_parts(const Comment *c, const Segment *s) {
    for (int i = 0; i < s->parts.n; i++) {
        text_printf(c->out, i ? ", " : " ");
        add_clean(c->out, s->parts.at[i].kernel->name);
    }
}

/* ---- the head of the file ---- */

static void add_heading(const Comment *c, const Target *t) {
    const Model *m = c->p->model;
    text_printf(c->out, "; The network ");
    add_clean(c->out, m->name);
    text_printf(c->out, " of ");
    add_clean(c->out, m->source);
    text_printf(c->out, " for %s, %d images side by side in the lanes of vectors.\n", t->cpu, c->p->lanes);
    text_printf(c->out, "; A kernel of --emit=loops is a function of the same name with the network's before it, a loop that is left in it a block VARIABLE" LOOP_SUFFIX ".\n"
                        "; Comments above functions begin with \"; ----\", those above loops with the kernel's name and \"for\".\n"
                        "; Behind the kernels come the segments, which share out their work, the entries step and infer, and what the runtime reads.\n;\n"
                        "; kernel: layer, pass, place\n");
    for (int i = 0; i < c->p->kernels.n; i++) {
        text_printf(c->out, ";   ");
        add_clean(c->out, c->p->kernels.at[i]->name);
        text_printf(c->out, ": ");
        add_origin(c, c->p->kernels.at[i]);
        text_printf(c->out, "\n");
    }
    text_printf(c->out, "\n");
}

/* ---- functions ---- */

static void comment_kernel(const Comment *c, const Kernel *k) {
    text_printf(c->out, "; ---- ");
    add_clean(c->out, k->name);
    text_printf(c->out, ": ");
    add_origin(c, k);
    text_printf(c->out, "\n; ");
    add_clean(c->out, k->plan && *k->plan ? k->plan : "no plan");
    text_printf(c->out, "\n; %lld FLOPs and %lld bytes an image\n", (long long)k->flops, (long long)k->bytes);
}

/* The body of kernels that are alike: which they are. */
static void comment_family(const Comment *c, const Family *family) {
    text_printf(c->out, "; the same for");
    for (int i = 0, n = 0; i < c->p->kernels.n; i++) {
        if (c->parts->family[i] != family) continue;
        text_printf(c->out, n++ ? ", " : " ");
        add_clean(c->out, c->p->kernels.at[i]->name);
    }
    text_printf(c->out, "; buffers are called as in the first, and their offsets come as an argument\n");
}

static void comment_caller(const Comment *c, const Kernel *k) {
    text_printf(c->out, "; ---- ");
    add_clean(c->out, k->name);
    text_printf(c->out, ": the body that it shares with others, on its own buffers\n");
}

static void comment_segment(const Comment *c, const Segment *s) {
    text_printf(c->out, "; ---- ");
    add_clean(c->out, s->name);
    text_printf(c->out, s->kind == SEGMENT_BLOCKS ? ": a task runs, one after the other, on some lane blocks:" : ": a task is a part of one of:");
    add_parts(c, s);
    text_printf(c->out, "\n");
}

static void comment_entry(const Comment *c, const Entry *e) {
    text_printf(c->out, "; ---- %s: its segments in their order\n", e->name);
}

static void comment_function(Comment *c, LLVMValueRef f) {
    const Meaning *m = map_get(&c->meanings, value_name(c->a, f));
    c->kernel = m ? m->kernel : NULL;
    if (!m) return;
    if (m->kernel) comment_kernel(c, m->kernel);
    if (m->body) comment_family(c, m->body);
    if (m->caller) comment_caller(c, m->caller);
    if (m->segment) comment_segment(c, m->segment);
    if (m->entry) comment_entry(c, m->entry);
}

/* ---- loops ---- */

/* The variable of the loop that begins with this block: "h2" of "h2.loop" or "h2.loop7"; null where none does. */
static const char *loop_variable(Arena *a, const char *block) {
    size_t n = strlen(block), suffix = sizeof LOOP_SUFFIX - 1;
    while (n && isdigit((unsigned char)block[n - 1])) n--;
    if (n <= suffix || strncmp(block + n - suffix, LOOP_SUFFIX, suffix)) return NULL;
    return arena_str(a, block, n - suffix);
}

static const Stmt *find_loop(const Stmt *s, const char *variable) {
    if (s->kind != STMT_FOR) return NULL;
    if (s->var && !strcmp(s->var->name, variable)) return s;
    const Stmt *found = NULL;
    for (int i = 0; i < s->body.n && !found; i++) found = find_loop(s->body.at[i], variable);
    return found;
}

static bool branches_to(LLVMBasicBlockRef from, LLVMBasicBlockRef to) {
    LLVMValueRef end = LLVMGetBasicBlockTerminator(from);
    for (unsigned i = 0; i < LLVMGetNumSuccessors(end); i++)
        if (LLVMGetSuccessor(end, i) == to) return true;
    return false;
}

typedef struct Turn { int64_t fma, arithmetic, loads, stores; const char *around; } Turn; /* of a loop; around: the variable of the first loop in it, or null */

static bool is_fma(LLVMValueRef call) {
    size_t n;
    LLVMValueRef callee = LLVMGetCalledValue(call);
    return !strncmp(LLVMGetValueName2(callee, &n), "llvm.fma.", 9);
}

static void count_block(LLVMBasicBlockRef block, Turn *t) {
    for (LLVMValueRef i = LLVMGetFirstInstruction(block); i; i = LLVMGetNextInstruction(i)) {
        switch (LLVMGetInstructionOpcode(i)) {
        case LLVMCall: t->fma += is_fma(i); break;
        case LLVMFAdd: case LLVMFSub: case LLVMFMul: case LLVMFDiv: t->arithmetic++; break;
        case LLVMLoad: t->loads++; break;
        case LLVMStore: t->stores++; break;
        default: break;
        }
    }
}

/* What stands between a loop's first block and the one that leads back to it. */
static Turn turn_of(Arena *a, LLVMBasicBlockRef first) {
    Turn t = { 0 };
    for (LLVMBasicBlockRef b = first; b; b = LLVMGetNextBasicBlock(b)) {
        if (b != first && !t.around) t.around = loop_variable(a, LLVMGetBasicBlockName(b));
        count_block(b, &t);
        if (branches_to(b, first)) break;
    }
    return t;
}

typedef struct Names { VEC(const char *) at; } Names;

static void add_name(Arena *a, Names *names, const char *name) {
    for (int i = 0; i < names->at.n; i++)
        if (!strcmp(names->at.at[i], name)) return;
    VEC_PUSH(a, &names->at, name);
}

/* The variables of the loops within a list that are unrolled. */
static void collect_unrolled(Arena *a, const Stmt *s, Names *names) {
    for (int i = 0; i < s->body.n; i++) {
        const Stmt *kid = s->body.at[i];
        if (kid->kind != STMT_FOR) continue;
        if (kid->var && kid->loop == LOOP_UNROLL) add_name(a, names, kid->var->name);
        collect_unrolled(a, kid, names);
    }
}

static void add_turn(const Comment *c, const Stmt *loop, const Turn *t) {
    const struct { int64_t n; const char *what; } counts[] = { { t->fma, "fma" }, { t->arithmetic, "other flop" }, { t->loads, "load" }, { t->stores, "store" } };
    Names unrolled = { 0 };
    collect_unrolled(c->a, loop, &unrolled);
    text_printf(c->out, " (innermost");
    for (int i = 0; i < unrolled.at.n; i++) {
        text_printf(c->out, i ? " " : "; unrolled: ");
        add_clean(c->out, unrolled.at.at[i]);
    }
    const char *before = "; a turn: ";
    for (int i = 0; i < 4; i++) {
        if (!counts[i].n) continue;
        text_printf(c->out, "%s%lld %s", before, (long long)counts[i].n, counts[i].what);
        before = ", ";
    }
    text_printf(c->out, ")\n");
}

static void comment_block(const Comment *c, LLVMBasicBlockRef block) {
    const char *variable = loop_variable(c->a, LLVMGetBasicBlockName(block));
    const Stmt *loop = variable && c->kernel ? find_loop(c->kernel->body, variable) : NULL;
    if (!loop) return;
    Turn turn = turn_of(c->a, block);
    Text head = { 0 };
    loop_print_head(loop, &head);
    text_printf(c->out, "; ");
    add_clean(c->out, c->kernel->name);
    text_printf(c->out, ": ");
    add_clean(c->out, head.at);
    text_free(&head);
    if (turn.around) {
        text_printf(c->out, " (around ");
        add_clean(c->out, turn.around);
        text_printf(c->out, ")\n");
    } else {
        add_turn(c, loop, &turn);
    }
}

/* ---- the text ---- */

/* A label begins its line, as nothing else does within a function but comments and the brace at the end. */
static bool is_label(const char *line) { return !strchr(" \n;}", *line); }

static bool begins(const char *line, size_t n, const char *with) { return n >= strlen(with) && !memcmp(line, with, strlen(with)); }

static LLVMValueRef next_defined(const Comment *c, LLVMModuleRef module) {
    LLVMValueRef f = c->function ? LLVMGetNextFunction(c->function) : LLVMGetFirstFunction(module);
    while (LLVMIsDeclaration(f)) f = LLVMGetNextFunction(f);
    return f;
}

static void flush_constants(Comment *c) {
    text_append(c->out, c->constants.at ? c->constants.at : "", c->constants.n);
    text_free(&c->constants);
}

static void add_line(Comment *c, LLVMModuleRef module, const char *line, size_t n) {
    if (begins(line, n, "@")) {
        text_append(&c->constants, line, n);
        return;
    }
    if (begins(line, n, "define ")) {
        c->function = next_defined(c, module);
        c->block = LLVMGetFirstBasicBlock(c->function);
        comment_function(c, c->function);
    } else if (c->block && is_label(line)) {
        comment_block(c, c->block);
        c->block = LLVMGetNextBasicBlock(c->block);
    } else if (begins(line, n, "}")) {
        ENSURE(!c->block); /* the text has had all labels */
    } else if (begins(line, n, "attributes ") || begins(line, n, "!")) {
        flush_constants(c);
    }
    text_append(c->out, line, n);
}

void emit_comment(Arena *a, const Program *p, const Parts *parts, const Target *t, LLVMModuleRef module, Text *out) {
    Comment c = { .a = a, .p = p, .parts = parts, .out = out };
    char *text = LLVMPrintModuleToString(module);
    collect_meanings(&c);
    add_heading(&c, t);
    for (const char *at = text; *at;) {
        const char *end = strchr(at, '\n');
        size_t n = end ? (size_t)(end + 1 - at) : strlen(at);
        add_line(&c, module, at, n);
        at += n;
    }
    flush_constants(&c);
    LLVMDisposeMessage(text);
}
