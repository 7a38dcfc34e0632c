/* nrt.h: the ABI between the code that netc generates and the runtime that it is linked with.
 *
 * A trainer is one generated object and this runtime. The object exports one constant, `nrt_the_model`, that says everything
 * the runtime needs to know; the runtime owns main(), the command line, the data, the training loop and the files.
 * Generated code calls nothing but nrt_parallel_for, and the functions that nrt_ctx names. The compiler writes these structures field by field (emit_model.c):
 * whoever changes them raises NRT_ABI.
 *
 * Images live in *lane blocks*: `lanes` consecutive images of the batch share the lanes of a vector. Everything that the
 * runtime passes in or reads back is in canonical, image-major layout ([n][c][h][w]); generated code does the relayout.
 */
#ifndef NRT_H
#define NRT_H

#include <stdint.h>

enum { NRT_ABI = 4 };

typedef struct nrt_ctx nrt_ctx;

/* One task of a segment. `worker` < the number of threads picks the worker's own scratch memory. */
typedef void nrt_task_fn(nrt_ctx *ctx, int64_t task, int64_t worker);

/* Runs fn(ctx, task, worker) for every task in [0, tasks), each once, on the threads of ctx->pool, and returns when all
 * are done. Which worker runs which task is not fixed; no result depends on it. */
void nrt_parallel_for(nrt_task_fn *fn, nrt_ctx *ctx, int64_t tasks);

/* What one call of step or infer works on. rows(n) below is n rounded up to a multiple of model->lanes; the runtime
 * allocates that many rows, and fills the rows behind the n-th image with zeros (labels with -1). */
struct nrt_ctx {
    char *state;           /* model->state_bytes: parameters, running statistics, optimiser state; 64-byte aligned */
    char *arena;           /* model->arena_bytes: activations, gradients and partial sums of the whole batch; 64-byte aligned */
    char *scratch;         /* threads * model->scratch_bytes, 64-byte aligned */
    const float *x;        /* [rows(n)][input elements] */
    const int32_t *labels; /* [rows(n)], or null when the loss wants dense targets */
    const float *target;   /* [rows(n)][output elements], or null when the loss wants labels */
    float *out;            /* [rows(n)][output elements]: the network's output, written by step and infer */
    float *loss;           /* [rows(n)]: each image's own loss (a sum over its elements), written by step and infer */
    uint64_t *ticks;       /* null, or [model->tick_count]: each task writes here the cycles that it has spent on each of its kernels (nrt_kernel.first_tick) */
    int64_t n;             /* images in this batch, 1 .. model->batch */
    int64_t blocks;        /* ceil(n / lanes) */
    float lr;              /* learning rate of this step */
    float image_weight;    /* what one image's loss counts in the batch's loss: 1/n for a mean over images,
                              1/(n * output elements) for squared_error's mean, 1 for a sum */
    uint64_t step;         /* optimiser steps taken so far: the counter of the random generator of dropout */
    uint64_t seed;
    void *pool;            /* the runtime's threads */
    /* Null, or asked by step when all images' losses are there and before any parameter changes (running statistics may have):
     * where it says 0, step ends there. */
    int32_t (*go_on)(nrt_ctx *ctx);
    /* Null, or told by a forward kernel of step whose result is known (nrt_kernel.result) that it is done with lane block `block`. */
    void (*watch)(nrt_ctx *ctx, int64_t kernel, int64_t worker, int64_t block);
};

typedef enum nrt_role { /* the numbers are part of the ABI */
    NRT_WEIGHT = 0,       /* a convolution's or linear layer's weight: initialised by train.init */
    NRT_BIAS = 1,         /* its bias: U(+-1/sqrt(fan_in)) */
    NRT_SCALE = 2,        /* batch norm's gamma: ones */
    NRT_SHIFT = 3,        /* batch norm's beta: zeros */
    NRT_RUNNING_MEAN = 4, /* zeros; not trained */
    NRT_RUNNING_VAR = 5,  /* ones; not trained */
    NRT_OPTIM = 6         /* optimiser state ("optim/NAME"): zeros */
} nrt_role;

typedef struct nrt_tensor {
    const char *name;  /* "conv1.weight" */
    int32_t role;      /* nrt_role */
    int32_t rank;      /* 0..4 */
    int64_t dim[4];    /* canonical, PyTorch's order; f32, row major, dense */
    int64_t offset;    /* bytes from ctx->state */
    int64_t fan_in, fan_out;
} nrt_tensor;

typedef struct nrt_layer {   /* one row of `summary` */
    const char *name, *kind; /* "conv1", "conv" */
    int32_t rank;
    int64_t dim[3];          /* output of one image */
    int64_t params, macs;    /* parameters; multiply-adds forward for one image */
} nrt_layer;

typedef enum nrt_pass { NRT_FORWARD = 0, NRT_BACKWARD_DATA = 1, NRT_BACKWARD_WEIGHTS = 2, NRT_UPDATE = 3, NRT_OTHER = 4 } nrt_pass;

typedef enum nrt_place { NRT_NOWHERE = 0, NRT_ARENA = 1, NRT_SCRATCH = 2 } nrt_place;

typedef struct nrt_result {  /* where a kernel leaves its result for a lane block: f32, the last dimension is the lanes */
    int32_t place;           /* nrt_place; scratch is that of the worker, and holds one block */
    int32_t rank;
    int64_t dim[4], stride[4]; /* of a block; strides in elements */
    int64_t first, block;    /* elements from the place's start to block 0's first number, and from a block to the next */
} nrt_result;

typedef struct nrt_kernel {  /* one row of `time` */
    const char *name;        /* "conv1.forward" */
    const char *layer;       /* the layer it works for ("conv1"), or "" */
    int32_t pass;            /* nrt_pass */
    int64_t flops, bytes;    /* floating-point operations, and bytes read or written at least once, for one image */
    int64_t slots;           /* predicted time for `batch` images on one core: the vector multiply-adds (of 2 * lanes flop) that it could do meanwhile */
    int64_t first_tick, tasks; /* its tasks for a full batch: task number i writes ctx->ticks[first_tick + i] */
    nrt_result result;       /* of a forward kernel of step; else NRT_NOWHERE */
} nrt_kernel;

typedef enum nrt_data_kind { NRT_SYNTHETIC = 0, NRT_FASHION_MNIST = 1, NRT_MNIST = 2, NRT_CIFAR10 = 3, NRT_IMAGES = 4, NRT_ARRAYS = 5 } nrt_data_kind;
typedef enum nrt_loss_kind { NRT_CROSS_ENTROPY = 0, NRT_SQUARED_ERROR = 1 } nrt_loss_kind;
typedef enum nrt_init_kind { NRT_TORCH_DEFAULT = 0, NRT_XAVIER_UNIFORM = 1, NRT_XAVIER_NORMAL = 2, NRT_KAIMING_UNIFORM = 3, NRT_KAIMING_NORMAL = 4 } nrt_init_kind;
typedef enum nrt_schedule_kind { NRT_CONSTANT = 0, NRT_STEP = 1, NRT_COSINE = 2 } nrt_schedule_kind;

typedef struct nrt_train { /* the `train { }` of the source, defaults filled in */
    int32_t data, loss, init, schedule; /* the kinds above */
    int32_t loss_mean;                  /* 1 mean, 0 sum (squared_error only; cross_entropy is always a mean) */
    int32_t shuffle, nesterov;
    int32_t reserved;
    int64_t batch, epochs, seed;
    int64_t resize_h, resize_w;         /* 0: pictures keep their size (images: they get the network's) */
    double mean[3], std[3];             /* of pictures, by channel: the network gets (byte / 255 - mean) / std */
    double test_share;                  /* images: the part of each class that is for testing, where there is no folder of test pictures */
    const char *path_a, *path_b;        /* images: folder, ""; arrays: inputs, targets; else "" */
    double lr, momentum, weight_decay;
    int64_t schedule_every, schedule_warmup; /* in epochs */
    double schedule_gamma;
} nrt_train;

typedef struct nrt_model {
    int32_t abi;             /* NRT_ABI of the compiler that wrote this */
    int32_t lanes;           /* images in a lane block */
    const char *name;        /* network's name */
    const char *source;      /* the .net file's path as given */
    const char *cpu;         /* "x86-64-v3": what it was compiled for */
    const char *features;    /* comma-separated LLVM feature names the code uses ("avx2,fma"); checked before anything runs */
    uint64_t hash;           /* of the network (not of `train`): tells whether a checkpoint fits */
    int32_t input_rank, output_rank;
    int64_t input_dim[3], output_dim[3];   /* of one image */
    int64_t state_bytes, arena_bytes, scratch_bytes; /* scratch_bytes for one thread, a multiple of 64 */
    int64_t tick_count;      /* tasks of all kernels */
    int64_t flops_per_image; /* direct-convolution arithmetic of a training step for one image */
    int32_t tensor_count, layer_count, kernel_count, peak_flops_per_iteration;
    const nrt_tensor *tensors;
    const nrt_layer *layers;
    const nrt_kernel *kernels;
    nrt_train train;
    void (*step)(nrt_ctx *ctx);  /* forward, backward, update of ctx->state */
    void (*infer)(nrt_ctx *ctx); /* forward in inference mode; ctx->labels and ctx->target may be null: loss is then left alone */
    void (*peak)(int64_t iterations, float *sink); /* a loop of independent fused multiply-adds: the machine's FMA peak */
} nrt_model;

extern const nrt_model nrt_the_model;

#endif
