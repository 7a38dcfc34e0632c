/* emit_debug.c: what debuggers and profilers read: which line each instruction comes from, and through which calls of blocks.
 *
 * A kernel is a function. Code that a block's body became is described as a call of the block that was inlined: a function for each
 * call, named as the call is written, whose code stands where the network, or another block, called it. So a backtrace goes from the line of
 * the block's body over the lines of the calls to a line of the network, which is where the kernel itself is.
 */
#include "emit_internal.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

static bool is_known(const Emit *e, Span span) { return span.file > 0 && span.file < e->di_file_count; }

static const BlockCall *find_call(const Emit *e, int call) { return &e->p->model->blocks.at[call - 1]; }

/* The place in the network through which a span was reached. */
static Span outermost(const Emit *e, Span span) {
    while (span.call) span = find_call(e, span.call)->span;
    return span;
}

static LLVMMetadataRef file_of(Emit *e, int file) {
    if (e->di_files[file]) return e->di_files[file];
    const char *path = file > 0 ? diag_path(e->diag, file) : e->p->model->source;
    return e->di_files[file] = LLVMDIBuilderCreateFile(e->di, path, strlen(path), e->di_folder, strlen(e->di_folder));
}

static LLVMMetadataRef describe(Emit *e, const char *name, const char *symbol, Span span) {
    int line = 0, column = 0;
    bool known = is_known(e, span);
    if (known) diag_place(e->diag, span, &line, &column);
    LLVMMetadataRef file = file_of(e, known ? span.file : 0);
    return LLVMDIBuilderCreateFunction(e->di, file, name, strlen(name), symbol, strlen(symbol), file, (unsigned)line, e->di_type, true, true, (unsigned)line,
                                       LLVMDIFlagZero, e->options.opt_level > 0);
}

/* The function that stands for a call of a block; its body is where its first code is. */
static LLVMMetadataRef called_block(Emit *e, Span first) {
    LLVMMetadataRef *at = &e->di_calls[first.call];
    if (!*at) *at = describe(e, find_call(e, first.call)->text, "", first);
    return *at;
}

static LLVMMetadataRef place_in(Emit *e, Span span, LLVMMetadataRef function) {
    int line = 0, column = 0;
    LLVMMetadataRef scope = function, call = NULL;
    if (span.call) {
        call = place_in(e, find_call(e, span.call)->span, function);
        scope = called_block(e, span);
    }
    if (is_known(e, span)) {
        diag_place(e->diag, span, &line, &column);
        LLVMMetadataRef file = file_of(e, span.file); /* a kernel may do what different files ask for */
        if (file != LLVMDIScopeGetFile(scope)) scope = LLVMDIBuilderCreateLexicalBlockFile(e->di, scope, file, 0);
    }
    return LLVMDIBuilderCreateDebugLocation(e->cx, (unsigned)line, (unsigned)column, scope, call);
}

LLVMMetadataRef emit_place(Emit *e, Span span, LLVMMetadataRef function) {
    return function ? place_in(e, span, function) : NULL;
}

LLVMMetadataRef emit_entry_place(Emit *e, Span span, LLVMMetadataRef function) {
    return emit_place(e, outermost(e, span), function);
}

LLVMMetadataRef emit_subprogram(Emit *e, LLVMValueRef fn, const char *name, Span span) {
    if (!e->di) return NULL;
    LLVMMetadataRef function = describe(e, name, name, outermost(e, span));
    LLVMSetSubprogram(fn, function);
    return function;
}

static void add_flag(Emit *e, const char *key, int64_t value) {
    LLVMAddModuleFlag(e->module, LLVMModuleFlagBehaviorWarning, key, strlen(key), LLVMValueAsMetadata(emit_i32(e, value)));
}

/* Paths of sources are relative to this folder. */
static const char *working_folder(const Emit *e) {
    char folder[PATH_MAX];
    return getcwd(folder, sizeof folder) ? arena_str(e->a, folder, strlen(folder)) : ".";
}

void emit_debug_open(Emit *e) {
    const Model *m = e->p->model;
    if (!e->options.debug || !e->diag) return;
    e->di = LLVMCreateDIBuilder(e->module);
    e->di_folder = working_folder(e);
    e->di_file_count = 1;
    for (int i = 0; i < m->sources.n; i++)
        if (m->sources.at[i].file >= e->di_file_count) e->di_file_count = m->sources.at[i].file + 1;
    e->di_files = ARENA_ARRAY(e->a, LLVMMetadataRef, e->di_file_count);
    e->di_calls = ARENA_ARRAY(e->a, LLVMMetadataRef, m->blocks.n + 1);
    LLVMDIBuilderCreateCompileUnit(e->di, LLVMDWARFSourceLanguageC99, file_of(e, 0), "netc", 4, e->options.opt_level > 0, "", 0, 0, "", 0,
                                   LLVMDWARFEmissionFull, 0, false, false, "", 0, "", 0);
    e->di_type = LLVMDIBuilderCreateSubroutineType(e->di, file_of(e, 0), NULL, 0, LLVMDIFlagZero);
    add_flag(e, "Debug Info Version", (int64_t)LLVMDebugMetadataVersion());
    add_flag(e, "Dwarf Version", 4);
}

void emit_debug_close(Emit *e) {
    if (!e->di) return;
    LLVMDIBuilderFinalize(e->di);
    LLVMDisposeDIBuilder(e->di);
}
