/* model.h: what is known of a network beside its operators: its name, types, layers and training settings.
 *
 * Written by elaborate, carried along unchanged by the graph and the loops (both print it), and written into the trainer
 * by the emitter. Kinds (data, loss, ...) are the ABI's enums, so that no table of numbers is kept twice.
 */
#ifndef NETC_MODEL_H
#define NETC_MODEL_H

#include "../runtime/nrt.h"
#include "base.h"
#include "diag.h"

typedef enum { ELEM_F32, ELEM_I32, ELEM_U8 } Elem;

/* The type of a tensor. A batched tensor has one such array for every image; `dim` never counts the batch.
 * Images are C x H x W (rank 3), flat tensors rank 1, one number an image rank 0; weights have up to 4 dims, unbatched. */
typedef struct Type {
    Elem elem;
    bool batched;
    int rank;
    int64_t dim[4];
} Type;

Type type_batched(int rank, int64_t d0, int64_t d1, int64_t d2);
Type type_param(int rank, int64_t d0, int64_t d1, int64_t d2, int64_t d3);
bool type_equal(Type a, Type b);
/* The largest dimension and the largest number of elements that a type may have, so that sizes in bytes never overflow. */
#define TYPE_DIM_MAX INT32_MAX
#define TYPE_COUNT_MAX ((int64_t)1 << 40)
/* Are all dimensions in 1 .. TYPE_DIM_MAX, and their product at most TYPE_COUNT_MAX? */
bool type_fits(Type t);
/* Elements of one image (batched) or of the tensor. */
int64_t type_count(Type t);
/* "6x28x28", "400", "" for rank 0: as diagnostics and summary show it. Allocated from a. */
const char *type_text(Arena *a, Type t);

typedef struct Layer {
    const char *name, *kind; /* "stage1.residual1.conv2", "conv" */
    Span span;
    Type out;
    int64_t params, macs;    /* macs: multiply-adds of forward for one image */
} Layer;

/* A call of a block: its layers' names begin with "stage1.residual2.", and the spans of what they became bear its number. */
typedef struct BlockCall {
    const char *name, *text; /* "stage1.residual2"; the block and its arguments: "residual(64, 1, false)" */
    Span span;               /* of the call; if that stands in a block's body, it was reached through an earlier call */
} BlockCall;

/* How deeply calls may stand in bodies of blocks that are called. */
enum { MODEL_CALLS_NESTED = 1000 };

typedef struct Source { const char *path; int file; } Source; /* a source text, and its number in the Diag */

typedef struct Model {
    const char *name;   /* of the network */
    const char *source; /* path of the source */
    Span span;          /* of its header */
    Type input, output;
    nrt_train train;    /* strings interned */
    VEC(Layer) layers;
    VEC(BlockCall) blocks; /* in the order of the calls: their numbers, from 1, in spans and texts */
    VEC(Source) sources; /* the files that spans point into: the text forms number them from 1 in this order */
    const Diag *diag;    /* where those files are; null where there are none */
} Model;

/* The names that the language gives to the ABI's kinds: kind_text(data_names, k), null-terminated, indexed by kind. */
extern const char *const data_names[], *const loss_names[], *const init_names[], *const schedule_names[], *const role_names[], *const pass_names[], *const elem_names[];

/* Every setting of `train` at its default; data = synthetic. */
nrt_train train_defaults(void);

#endif
