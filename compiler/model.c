/* model.c: see model.h. */
#include "model.h"

Type type_batched(int rank, int64_t d0, int64_t d1, int64_t d2) {
    return (Type){.elem = ELEM_F32, .batched = true, .rank = rank, .dim = {d0, d1, d2, 0}};
}

Type type_param(int rank, int64_t d0, int64_t d1, int64_t d2, int64_t d3) {
    return (Type){.elem = ELEM_F32, .batched = false, .rank = rank, .dim = {d0, d1, d2, d3}};
}

bool type_equal(Type a, Type b) {
    if (a.elem != b.elem || a.batched != b.batched || a.rank != b.rank) return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i]) return false;
    return true;
}

bool type_fits(Type t) {
    int64_t n = 1;
    for (int i = 0; i < t.rank; i++)
        if (t.dim[i] < 1 || t.dim[i] > TYPE_DIM_MAX || !checked_mul(n, t.dim[i], &n) || n > TYPE_COUNT_MAX) return false;
    return true;
}

int64_t type_count(Type t) {
    int64_t n = 1;
    for (int i = 0; i < t.rank; i++) ENSURE(checked_mul(n, t.dim[i], &n));
    return n;
}

const char *type_text(Arena *a, Type t) {
    const char *s = "";
    for (int i = 0; i < t.rank; i++) s = arena_printf(a, "%s%s%lld", s, i ? "x" : "", (long long)t.dim[i]);
    return s;
}

const char *const data_names[] = {"synthetic", "fashion_mnist", "mnist", "cifar10", "images", "arrays", NULL};
const char *const loss_names[] = {"cross_entropy", "squared_error", NULL};
const char *const init_names[] = {"torch_default", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", NULL};
const char *const schedule_names[] = {"constant", "step", "cosine", NULL};
const char *const role_names[] = {"weight", "bias", "scale", "shift", "running_mean", "running_var", "optim", NULL};
const char *const pass_names[] = {"forward", "backward_data", "backward_weights", "update", "other", NULL};
const char *const elem_names[] = {"f32", "i32", "u8", NULL};

nrt_train train_defaults(void) {
    return (nrt_train){
        .data = NRT_SYNTHETIC, .loss = NRT_CROSS_ENTROPY, .init = NRT_TORCH_DEFAULT, .schedule = NRT_CONSTANT, .loss_mean = 1, .shuffle = 1,
        .batch = 128, .epochs = 10, .path_a = "", .path_b = "", .std = {1, 1, 1}, .lr = 0.1, .schedule_every = 1, .schedule_gamma = 1,
    };
}
