/* CIFAR-10's binary files: good ones, cut ones, and a small one that unpacks to much. */
#include "cifar.h"
#include "dataset.h"
#include "runtime_test.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

enum { RECORD = 3073 };

/* n records: class i % 10, then bytes that depend on record and place. */
static uint8_t *records(int n)
{
    uint8_t *p = malloc((size_t)n * RECORD);
    for (int i = 0; i < n; i++) {
        p[i * RECORD] = (uint8_t)(i % 10);
        for (int k = 1; k < RECORD; k++)
            p[i * RECORD + k] = (uint8_t)(i * 7 + k * k % 251);
    }
    return p;
}

static size_t pack(const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)cap};
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    ck_assert_int_eq(deflateEnd(&z), Z_OK);
    return cap - z.avail_out;
}

static void write_file(const char *folder, const char *name, const uint8_t *bytes, size_t n)
{
    char path[128];
    scratch_file(path, folder, name, bytes, n);
}

static void remove_all(const char *folder)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static nrt_model cifar_model(void)
{
    nrt_model m = nrt_the_model;
    m.train.data = NRT_CIFAR10;
    m.input_dim[0] = 3;
    m.input_dim[1] = m.input_dim[2] = 32;
    return m;
}

/* Five files of two records, one packed; a test file of three. `sub` is a folder in it. */
static void data_folder(char *folder, const char *sub)
{
    uint8_t *p = records(16), z[20000];
    char at[100], name[40];
    scratch_folder(folder);
    snprintf(at, sizeof at, "%s/%s", folder, sub);
    mkdir(at, 0700);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "data_batch_%d.bin%s", i + 1, i == 3 ? ".gz" : "");
        if (i == 3)
            write_file(at, name, z, pack(p + i * 2 * RECORD, 2 * RECORD, z, sizeof z));
        else
            write_file(at, name, p + i * 2 * RECORD, 2 * RECORD);
    }
    write_file(at, "test_batch.bin", p + 10 * RECORD, 3 * RECORD);
    free(p);
}

static void check_part(const Dataset *d, int first, int count)
{
    uint8_t *p = records(16);
    ck_assert(d->count == count && d->elements == 3072 && d->channels == 3 && !d->resize);
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(dataset_label(d, i), (first + i) % 10);
        ck_assert_mem_eq(d->pixels + i * 3072, p + (first + i) * RECORD + 1, 3072);
    }
    free(p);
}

START_TEST(test_parts) /* in the folder itself and in its usual names */
{
    static const char *const subs[] = {"", "cifar-10", "cifar-10-batches-bin"};
    nrt_model m = cifar_model();
    char folder[64];
    DataWant want = {.model = &m, .root = folder, .limit = -1, .limit_test = -1, .train = true, .test = true};
    Dataset train, test;
    Fault f;
    data_folder(folder, subs[_i]);
    ck_assert_msg(dataset_read(&want, &train, &test, &f), "%s", f.text);
    check_part(&train, 0, 10);
    check_part(&test, 10, 3);
    dataset_free(&train);
    dataset_free(&test);
    want.limit = 3;
    want.limit_test = 1;
    ck_assert_msg(dataset_read(&want, &train, &test, &f), "%s", f.text);
    check_part(&train, 0, 3);
    check_part(&test, 10, 1);
    dataset_free(&train);
    dataset_free(&test);
    remove_all(folder);
}
END_TEST

START_TEST(test_missing_and_misfit)
{
    nrt_model m = cifar_model();
    char folder[64], path[128];
    DataWant want = {.model = &m, .root = folder, .limit = -1, .limit_test = -1, .train = true, .test = true};
    Dataset train, test;
    Fault f;
    data_folder(folder, "");
    m.input_dim[1] = 96;
    ck_assert(!dataset_read(&want, &train, &test, &f) && f.code == EXIT_DATA);
    ck_assert_has(f.text, "data gives 3x32x32, network wants 3x96x32");
    m = cifar_model();
    snprintf(path, sizeof path, "%s/data_batch_4.bin.gz", folder);
    unlink(path);
    ck_assert(!dataset_read(&want, &train, &test, &f) && f.code == EXIT_DATA);
    ck_assert_has(f.text, "no data_batch_4.bin or data_batch_4.bin.gz in this folder, its 'cifar-10' or its 'cifar-10-batches-bin'");
    remove_all(folder);
}
END_TEST

/* Reads a file; the fault, or code 0. Nothing may be there after a fault. */
static Fault added(const char *path, int64_t limit, int64_t classes)
{
    CifarImages all = {0};
    Fault f = {0};
    bool ok = cifar_add(&all, path, limit, classes, &f);
    ck_assert(ok ? f.code == 0 && all.count > 0 : f.code != 0 && all.count == 0);
    ck_assert(limit < 0 || all.count <= limit);
    cifar_free(&all);
    return f;
}

/* The same of a file of these bytes. */
static Fault added_bytes(const uint8_t *bytes, size_t n, int64_t limit, int64_t classes)
{
    char folder[64], path[128];
    Fault f;
    scratch_folder(folder);
    scratch_file(path, folder, "f.bin", bytes, n);
    f = added(path, limit, classes);
    remove_all(folder);
    return f;
}

START_TEST(test_truncated) /* everywhere in the first KiB and at a hundred places behind, plain and packed */
{
    uint8_t *p = records(4), *z = malloc(40000);
    char folder[64], path[128];
    uint32_t x = 3;
    size_t n, whole, cuts = 0;
    for (int i = 0; i < 4 * RECORD; i++)
        if (i % RECORD)
            p[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    n = whole = _i ? pack(p, 4 * RECORD, z, 40000) : 4 * RECORD;
    scratch_folder(folder);
    scratch_file(path, folder, "f.bin", _i ? z : p, n);
    ck_assert_int_eq(added(path, -1, 10).code, 0);
    for (; scratch_cut(path, &n, &x, whole); cuts++) {
        Fault f = added(path, -1, 10);
        if (!_i && n > 0 && n % RECORD == 0)
            continue; /* whole records are a whole file */
        ck_assert_msg(f.code == EXIT_DATA && strstr(f.text, "byte"), "%zu of %zu bytes: code %d, %s", n, whole, f.code, f.text);
    }
    ck_assert_uint_gt(cuts, 1100);
    remove_all(folder);
    free(p);
    free(z);
}
END_TEST

START_TEST(test_classes)
{
    uint8_t *p = records(3);
    Fault f;
    p[RECORD] = 10;
    f = added_bytes(p, 3 * RECORD, -1, 100);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "f.bin: byte 3073: class 10 of record 1; 0 to 9 are allowed");
    p[RECORD] = 4;
    f = added_bytes(p, 3 * RECORD, -1, 3);
    ck_assert_has(f.text, "class 4 of record 1; 0 to 2 are allowed");
    free(p);
}
END_TEST

START_TEST(test_bomb) /* 256 MiB behind 256 KiB: reading stops behind the 10,000 records that a file may have */
{
    size_t n = (size_t)256 << 20;
    uint8_t *b = calloc(n, 1), *z = malloc(1 << 20);
    struct rusage before, after;
    size_t packed = pack(b, n, z, 1 << 20);
    Fault f;
    getrusage(RUSAGE_SELF, &before);
    f = added_bytes(z, packed, -1, 10);
    getrusage(RUSAGE_SELF, &after);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "more than the 30730000 bytes");
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 64 << 10);
    f = added_bytes(z, packed, 5, 10);
    ck_assert_int_eq(f.code, 0);
    free(b);
    free(z);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cifar");
    TCase *c = tcase_create("cifar");
    SRunner *r;
    int failed;
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, test_parts, 0, 3);
    tcase_add_test(c, test_missing_and_misfit);
    tcase_add_loop_test(c, test_truncated, 0, 2);
    tcase_add_test(c, test_classes);
    tcase_add_test(c, test_bomb);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
