/* Datasets: arrays of all shapes that fit and some that do not, IDX with resize; and the schedules of the learning rate. */
#include "dataset.h"
#include "npy.h"
#include "runtime_test.h"
#include "train.h"

#include <inttypes.h>
#include <math.h>

/* A model for arrays x.npy -> y.npy: 1x2x3 -> 4, in a scratch folder that becomes the working folder. */
static nrt_model array_model(char *folder)
{
    nrt_model m = nrt_the_model;
    m.train.data = NRT_ARRAYS;
    m.train.loss = NRT_SQUARED_ERROR;
    m.train.path_a = "x.npy";
    m.train.path_b = "y.npy";
    m.input_rank = 3;
    m.input_dim[0] = 1;
    m.input_dim[1] = 2;
    m.input_dim[2] = 3;
    m.output_dim[0] = 4;
    scratch_folder(folder);
    ck_assert_int_eq(chdir(folder), 0);
    return m;
}

static void leave(const char *folder)
{
    unlink("x.npy");
    unlink("y.npy");
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void put(const char *name, int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    static float zeros[1000];
    Fault f;
    for (int i = 0; i < 1000; i++)
        zeros[i] = (float)i;
    ck_assert(npy_write(name, rank, (int64_t[]){a, b, c, d}, zeros, &f));
}

static bool read_both(const nrt_model *m, const char *root, Dataset *d, Fault *f)
{
    DataWant want = {.model = m, .root = root, .limit = -1, .limit_test = -1, .train = true, .test = true};
    Dataset test;
    bool ok = dataset_read(&want, d, &test, f);
    ck_assert_int_eq(test.count, 0);
    return ok;
}

START_TEST(test_arrays)
{
    char folder[64];
    nrt_model m = array_model(folder);
    Dataset d;
    Fault f;
    put("x.npy", 4, 5, 1, 2, 3);
    put("y.npy", 2, 5, 4, 0, 0);
    ck_assert_msg(read_both(&m, NULL, &d, &f), "%s", f.text);
    ck_assert(d.count == 5 && d.elements == 6 && d.target_elements == 4 && d.values[29] == 29 && d.targets[19] == 19);
    dataset_free(&d);
    put("x.npy", 3, 5, 2, 3, 0); /* the leading 1 may be left out */
    ck_assert_msg(read_both(&m, folder, &d, &f), "%s", f.text);
    dataset_free(&d);
    leave(folder);
}
END_TEST

START_TEST(test_arrays_that_do_not_fit)
{
    char folder[64];
    nrt_model m = array_model(folder);
    Dataset d;
    Fault f;
    ck_assert(!read_both(&m, NULL, &d, &f));
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "x.npy: cannot be opened");
    put("x.npy", 4, 5, 1, 3, 2);
    ck_assert(!read_both(&m, NULL, &d, &f));
    ck_assert_has(f.text, "shape 5x1x3x2, network wants Nx1x2x3");
    put("x.npy", 4, 5, 1, 2, 3);
    put("y.npy", 2, 6, 4, 0, 0);
    ck_assert(!read_both(&m, NULL, &d, &f));
    ck_assert_has(f.text, "6 rows, but x.npy has 5");
    put("x.npy", 4, 0, 1, 2, 3);
    ck_assert(!read_both(&m, NULL, &d, &f));
    ck_assert_has(f.text, "N at least 1");
    put("x.npy", 4, 5, 1, 2, 3);
    m.train.loss = NRT_CROSS_ENTROPY;
    put("y.npy", 1, 5, 0, 0, 0);
    ck_assert(!read_both(&m, NULL, &d, &f));
    ck_assert_has(f.text, "must be integers");
    put("y.npy", 2, 5, 1, 0, 0);
    ck_assert(!read_both(&m, NULL, &d, &f));
    ck_assert_has(f.text, "shape 5x1, network wants N with N at least 1");
    leave(folder);
}
END_TEST

/* What is no number, or has none in float32, is told with its place before it can spoil the weights. */
START_TEST(test_arrays_not_finite)
{
    char folder[64];
    nrt_model m = array_model(folder);
    float x[30] = {0}, y[20] = {0};
    Dataset d;
    Fault f;
    x[7] = -INFINITY;
    y[3] = NAN;
    put("y.npy", 2, 5, 4, 0, 0);
    ck_assert(npy_write("x.npy", 4, (int64_t[]){5, 1, 2, 3}, x, &f));
    ck_assert(!read_both(&m, NULL, &d, &f));
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "x.npy: byte 156: a number that is not finite in float32");
    put("x.npy", 4, 5, 1, 2, 3);
    ck_assert(npy_write("y.npy", 2, (int64_t[]){5, 4}, y, &f));
    ck_assert(!read_both(&m, NULL, &d, &f));
    ck_assert_has(f.text, "y.npy: byte 140: not a number");
    leave(folder);
}
END_TEST

START_TEST(test_idx_resized)
{
    static const char images[] = "\0\0\x08\x03\0\0\0\1\0\0\0\2\0\0\0\2\x0a\x0a\x0a\x0a", labels[] = "\0\0\x08\x01\0\0\0\1\7";
    char folder[64], a[128], b[128];
    nrt_model m = nrt_the_model;
    DataWant want = {.model = &m, .root = folder, .limit = -1, .limit_test = -1, .train = true};
    Dataset d, none;
    Fault f;
    scratch_folder(folder);
    scratch_file(a, folder, "train-images-idx3-ubyte", images, 20);
    scratch_file(b, folder, "train-labels-idx1-ubyte", labels, 9);
    ck_assert(!dataset_read(&want, &d, &none, &f));
    ck_assert_has(f.text, "byte 8: data gives 1x2x2, network wants 1x28x28");
    m.train.resize_h = m.train.resize_w = 28;
    ck_assert_msg(dataset_read(&want, &d, &none, &f), "%s", f.text);
    ck_assert(d.stored == 4 && d.elements == 784 && d.resize && dataset_label(&d, 0) == 7);
    dataset_free(&d);
    unlink(a);
    unlink(b);
    rmdir(folder);
}
END_TEST

/* Against PyTorch's schedulers, as tests/record_training.py wrote them down: "KIND EVERY GAMMA WARMUP LR : rates", for 12 epochs. */
START_TEST(test_schedules)
{
    static const char *const kinds[] = {[NRT_CONSTANT] = "constant", [NRT_STEP] = "step", [NRT_COSINE] = "cosine"};
    enum { EPOCHS = 12 };
    FILE *in = fopen(TEST_DATA "/schedules.txt", "r");
    char kind[16];
    double lr, wanted;
    int lines = 0;
    nrt_train t = {0};
    ck_assert(in != NULL);
    while (fscanf(in, "%15s %" SCNd64 " %lf %" SCNd64 " %lf :", kind, &t.schedule_every, &t.schedule_gamma, &t.schedule_warmup, &lr) == 5) {
        for (t.schedule = NRT_COSINE; t.schedule > 0 && strcmp(kinds[t.schedule], kind) != 0;)
            t.schedule--;
        for (int64_t e = 0; e < EPOCHS; e++) {
            ck_assert_int_eq(fscanf(in, "%lf", &wanted), 1);
            ck_assert_msg(fabs(train_rate(&t, lr, e, EPOCHS) - wanted) <= 1e-14 * lr, "%s, epoch %d", kind, (int)e);
        }
        lines++;
    }
    ck_assert_int_eq(lines, 8);
    fclose(in);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_arrays, test_arrays_that_do_not_fit, test_arrays_not_finite, test_idx_resized, test_schedules, NULL};
    return run_suite("dataset", tests);
}
