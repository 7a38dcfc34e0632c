/* safetensors: round trip, hostile headers, and checkpoints on top of them. */
#include "checkpoint.h"
#include "init.h"
#include "runtime_test.h"
#include "safetensors.h"

#include <math.h>
#include <sys/stat.h>

/* Opens a file with this header and n bytes of data. */
static bool open_made(const char *header, size_t n, Fault *f)
{
    char folder[64], path[128];
    uint8_t b[4096] = {0};
    size_t length = strlen(header);
    StFile s;
    bool ok;
    b[0] = (uint8_t)length;
    b[1] = (uint8_t)(length >> 8);
    memcpy(b + 8, header, length);
    scratch_folder(folder);
    scratch_file(path, folder, "x.safetensors", b, 8 + length + n);
    f->code = 0;
    ok = st_open(&s, path, f);
    if (ok)
        st_close(&s);
    unlink(path);
    rmdir(folder);
    return ok;
}

START_TEST(test_round_trip)
{
    const float a[2] = {1.5f, -2}, b[1] = {3};
    const int64_t dim[1] = {2};
    char key[] = "ke\"y", value[] = "li\nne \\ \xc3\xa9", folder[64], path[128];
    const StItem items[2] = {{"z", 1, dim, a}, {"a", 0, NULL, b}};
    const StText text[1] = {{key, value}};
    float back[2];
    StFile s;
    Fault f;
    scratch_folder(folder);
    snprintf(path, sizeof path, "%s/x", folder);
    ck_assert(st_write(path, items, 2, text, 1, &f));
    ck_assert_msg(st_open(&s, path, &f), "%s", f.text);
    ck_assert_int_eq(s.data % 8, 0);
    ck_assert_str_eq(st_text(&s, key), value);
    ck_assert_ptr_null(st_text(&s, "other"));
    ck_assert(st_load(&s, st_find(&s, "z"), back, &f));
    ck_assert_mem_eq(back, a, sizeof a);
    ck_assert_int_eq(st_find(&s, "a")->rank, 0);
    ck_assert_ptr_null(st_find(&s, "b"));
    st_close(&s);
    unlink(path);
    rmdir(folder);
}
END_TEST

#define ONE "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
START_TEST(test_headers)
{
    static const struct { const char *header; size_t data; const char *says; } bad[] = {
        {"{\"a\":" ONE "}", 3, "take 4 bytes, the file holds 3"},
        {"{\"a\":" ONE "}", 5, "take 4 bytes, the file holds 5"},
        {"{\"a\":" ONE ",\"a\":" ONE "}", 4, "ends at 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "two tensors"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "starts at byte 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "its shape needs 8"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "only F32"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "a dimension"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "a dimension"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387905],\"data_offsets\":[0,4]}}", 4, "a file could hold"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}", 4, "a dimension"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "ascending"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "pair of strings"},
        {"{\"__metadata__\":{\"a\":\"b\"},\"__metadata__\":{}}", 0, "once only"},
        {"{\"a\\u0000b\":" ONE "}", 4, "name"},
        {"{\"a\\ud800\":" ONE "}", 4, "name"},
        {"{\"a", 4, "name"}, {"{\"a\\", 4, "name"}, {"{\"a\":", 4, "'{'"}, {"{\"a\":" ONE, 4, "',' or '}'"}, {"{\"a\":" ONE "}x", 4, "its end"},
        {"[]", 0, "'{'"}, {"  ", 0, "'{'"},
    };
    Fault f;
    ck_assert_msg(open_made("{\"a\":" ONE "}", 4, &f), "%s", f.text);
    ck_assert_msg(open_made("{ }  ", 0, &f), "%s", f.text);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(!open_made(bad[i].header, bad[i].data, &f), "'%s' was accepted", bad[i].header);
        ck_assert_int_eq(f.code, EXIT_DATA);
        ck_assert_has(f.text, bad[i].says);
    }
}
END_TEST

START_TEST(test_header_length)
{
    static const uint8_t lengths[][8] = {{0}, {1}, {255, 255, 255, 255, 255, 255, 255, 255}, {0, 0, 0, 0, 0, 0, 0, 0x80}, {9}};
    char folder[64], path[128];
    scratch_folder(folder);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t b[16] = {0};
        StFile s;
        Fault f;
        memcpy(b, lengths[i], 8);
        memcpy(b + 8, "{}      ", 8);
        scratch_file(path, folder, "x", b, sizeof b);
        ck_assert(!st_open(&s, path, &f));
        ck_assert_int_eq(f.code, EXIT_DATA);
    }
    unlink(path);
    rmdir(folder);
}
END_TEST

static char *new_state(const nrt_model *m, uint64_t seed)
{
    char *state = aligned_alloc(64, (size_t)(m->state_bytes + 63) / 64 * 64);
    memset(state, 0, (size_t)m->state_bytes);
    init_state(m, state, seed);
    return state;
}

START_TEST(test_checkpoint)
{
    const nrt_model *m = &nrt_the_model;
    char folder[64], path[128], *a = new_state(m, 1), *b = new_state(m, 2);
    Checkpoint c = {.epoch = 2, .seen = 384, .step = 941, .seed = UINT64_MAX, .loss_sum = 0.1, .correct = 5, .best_loss = INFINITY, .images = 380, .classes = (char[]){"cat/dog"}}, d = {0};
    Fault f;
    history_add(&c.history, (EpochResult){1, 0.5, 0.25, NAN, NAN, 123.5, 2, 0.5, 0});
    scratch_folder(folder);
    snprintf(path, sizeof path, "%s/x", folder);
    ck_assert(checkpoint_save(path, m, a, &c, &f));
    ck_assert_msg(checkpoint_resume(path, m, b, &d, &f), "%s", f.text);
    ck_assert_mem_eq(a, b, (size_t)m->state_bytes);
    ck_assert(d.epoch == 2 && d.seen == 384 && d.step == 941 && d.seed == UINT64_MAX && d.loss_sum == 0.1 && d.correct == 5 && isinf(d.best_loss) && d.images == 380);
    ck_assert_str_eq(d.classes, "cat/dog");
    free(d.classes);
    ck_assert_int_eq(d.history.n, 1);
    ck_assert(d.history.at[0].train_acc == 0.25 && isnan(d.history.at[0].val_loss) && isnan(d.history.at[0].seconds));
    ck_assert(checkpoint_export(path, m, a, "cat/dog", &f));
    d.classes = checkpoint_classes(path);
    ck_assert_str_eq(d.classes, "cat/dog");
    free(d.classes);
    ck_assert(!checkpoint_resume(path, m, b, &d, &f));
    ck_assert_has(f.text, "--init-weights");
    init_state(m, b, 3);
    ck_assert(checkpoint_weights(path, m, b, &f));
    ck_assert_mem_eq(a, b, (size_t)m->state_bytes);
    unlink(path);
    rmdir(folder);
    history_free(&c.history);
    history_free(&d.history);
    free(a);
    free(b);
}
END_TEST

/* Missing, extra and wrongly shaped tensors are named, and the state stays as it was. */
START_TEST(test_weights_that_do_not_fit)
{
    const nrt_model *m = &nrt_the_model;
    const int64_t shape[2] = {10, 784}, transposed[2] = {784, 10}, ten[1] = {10};
    float *zeros = calloc(7840, sizeof *zeros);
    const StItem sets[3][3] = {{{"linear1.weight", 2, shape, zeros}},
                               {{"linear1.weight", 2, transposed, zeros}, {"linear1.bias", 1, ten, zeros}},
                               {{"linear1.weight", 2, shape, zeros}, {"linear1.bias", 1, ten, zeros}, {"linear2.bias", 1, ten, zeros}}};
    const char *says[3] = {"no tensor 'linear1.bias'", "has shape [784, 10], the network's has [10, 784]", "'linear2.bias'"};
    char folder[64], path[128], *state = new_state(m, 1), *before = new_state(m, 1);
    Fault f;
    scratch_folder(folder);
    snprintf(path, sizeof path, "%s/x", folder);
    for (int i = 0; i < 3; i++) {
        ck_assert(st_write(path, sets[i], i + 1, NULL, 0, &f));
        ck_assert(!checkpoint_weights(path, m, state, &f));
        ck_assert_int_eq(f.code, EXIT_DATA);
        ck_assert_has(f.text, says[i]);
        ck_assert_mem_eq(state, before, (size_t)m->state_bytes);
    }
    unlink(path);
    rmdir(folder);
    free(zeros);
    free(state);
    free(before);
}
END_TEST

/* A write that fails leaves the old file and no other. */
START_TEST(test_failed_write)
{
    const nrt_model *m = &nrt_the_model;
    char *state = new_state(m, 1);
    Checkpoint c = {0};
    Fault f;
    ck_assert(!checkpoint_save("/proc/self/no/such", m, state, &c, &f));
    ck_assert_int_eq(f.code, EXIT_IO);
    free(state);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_round_trip, test_headers, test_header_length, test_checkpoint, test_weights_that_do_not_fit, test_failed_write, NULL};
    return run_suite("safetensors", tests);
}
