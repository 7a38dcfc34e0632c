/* .npy files: what is written reads back; all types and versions; hostile headers. */
#include "npy.h"
#include "runtime_test.h"

/* A file of this version and dictionary with n bytes of elements; its reading's message in *f. */
static bool read_made(int version, const char *dictionary, const void *data, size_t n, NpyArray *a, Fault *f)
{
    char folder[64], path[128];
    uint8_t b[2048] = "\x93NUMPY";
    size_t length = strlen(dictionary), at = version > 1 ? 12 : 10;
    bool ok;
    b[6] = (uint8_t)version;
    b[8] = (uint8_t)length;
    b[9] = (uint8_t)(length >> 8);
    memcpy(b + at, dictionary, length);
    memcpy(b + at + length, data, n);
    scratch_folder(folder);
    scratch_file(path, folder, "a.npy", b, at + length + n);
    f->code = 0;
    ok = npy_read(path, a, f);
    unlink(path);
    rmdir(folder);
    return ok;
}

START_TEST(test_round_trip)
{
    const float data[6] = {0, -1.5f, 3e-41f, 4, 5, 6};
    const int64_t dim[2] = {2, 3};
    char folder[64], path[128];
    NpyArray a;
    Fault f;
    float *x;
    scratch_folder(folder);
    snprintf(path, sizeof path, "%s/x.npy", folder);
    ck_assert(npy_write(path, 2, dim, data, &f));
    ck_assert_msg(npy_read(path, &a, &f), "%s", f.text);
    ck_assert_int_eq(a.rank, 2);
    ck_assert_int_eq(a.dim[0], 2);
    ck_assert_int_eq(a.dim[1], 3);
    ck_assert_int_eq(a.start % 64, 0);
    x = npy_floats(&a);
    ck_assert_mem_eq(x, data, sizeof data);
    free(x);
    unlink(path);
    rmdir(folder);
}
END_TEST

START_TEST(test_types_and_versions)
{
    const double d[2] = {0.1, -2};
    const int64_t i[2] = {7, -8};
    const uint8_t u[2] = {200, 3};
    NpyArray a;
    Fault f;
    float *x;
    ck_assert_msg(read_made(2, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", d, sizeof d, &a, &f), "%s", f.text);
    x = npy_floats(&a);
    ck_assert(x[0] == 0.1f && x[1] == -2);
    free(x);
    ck_assert_msg(read_made(3, "{'shape': (1, 2), 'fortran_order': False, 'descr': '<i8'}", i, sizeof i, &a, &f), "%s", f.text);
    x = npy_floats(&a);
    ck_assert(x[0] == 7 && x[1] == -8);
    free(x);
    ck_assert_msg(read_made(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n", u, sizeof u, &a, &f), "%s", f.text);
    x = npy_floats(&a);
    ck_assert(x[0] == 200 && x[1] == 3);
    free(x);
}
END_TEST

START_TEST(test_classes)
{
    const int32_t v[3] = {0, 9, 10};
    NpyArray a;
    Fault f;
    int32_t *labels;
    ck_assert(read_made(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n", v, sizeof v, &a, &f));
    ck_assert(!npy_classes(&a, "a.npy", 10, &labels, &f));
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "class 10 of row 2; 0 to 9 are allowed");
    npy_free(&a);
    ck_assert(read_made(1, "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }\n", v, sizeof v, &a, &f));
    ck_assert(npy_classes(&a, "a.npy", 11, &labels, &f));
    ck_assert_mem_eq(labels, v, sizeof v);
    free(labels);
}
END_TEST

START_TEST(test_bad_headers)
{
    static const char *const bad[] = {
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,",
        "{'descr': '<f4', 'fortran_order': False, }",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '", "{'descr': ", "{'descr", "{", "", "[]", "{'descr': 'O', 'fortran_order': False, 'shape': (1,), }",
    };
    const float one = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        NpyArray a;
        Fault f;
        ck_assert_msg(!read_made(1, bad[i], &one, sizeof one, &a, &f), "'%s' was read", bad[i]);
        ck_assert_int_eq(f.code, EXIT_DATA);
        ck_assert_ptr_null(a.data);
    }
}
END_TEST

/* Data that is not there is a fault of the data; a file that is there but can not be opened is one of input. */
START_TEST(test_cannot_be_read)
{
    char folder[64], path[128], loop[128], below[160];
    NpyArray a;
    Fault f;
    scratch_folder(folder);
    snprintf(path, sizeof path, "%s/missing.npy", folder);
    ck_assert(!npy_read(path, &a, &f));
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "missing.npy: cannot be opened: No such file");
    scratch_file(path, folder, "file", "x", 1);
    snprintf(below, sizeof below, "%s/x.npy", path);
    ck_assert(!npy_read(below, &a, &f));
    ck_assert_int_eq(f.code, EXIT_DATA);
    snprintf(loop, sizeof loop, "%s/loop.npy", folder);
    ck_assert_int_eq(symlink("loop.npy", loop), 0);
    ck_assert(!npy_read(loop, &a, &f));
    ck_assert_int_eq(f.code, EXIT_IO);
    ck_assert_has(f.text, "loop.npy: cannot be opened: ");
    ck_assert(!npy_read(folder, &a, &f));
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "no regular file");
    unlink(loop);
    unlink(path);
    rmdir(folder);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_round_trip, test_types_and_versions, test_classes, test_bad_headers, test_cannot_be_read, NULL};
    return run_suite("npy", tests);
}
