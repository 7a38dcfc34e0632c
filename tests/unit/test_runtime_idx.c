/* IDX files: good ones, plain and packed, and every way in which they can be bad. */
#include "idx.h"
#include "runtime_test.h"

#include <zlib.h>

static void word(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* Three pictures of 2x3 with the bytes 0, 1, 2, ...; 34 bytes. */
static size_t pictures(uint8_t *p)
{
    word(p, 0x803);
    word(p + 4, 3);
    word(p + 8, 2);
    word(p + 12, 3);
    for (int i = 0; i < 18; i++)
        p[16 + i] = (uint8_t)i;
    return 34;
}

static size_t labels(uint8_t *p)
{
    word(p, 0x801);
    word(p + 4, 3);
    memcpy(p + 8, "\0\1\2", 3);
    return 11;
}

static size_t pack(const uint8_t *in, size_t n, uint8_t *out, size_t cap)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)cap};
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    ck_assert_int_eq(deflateEnd(&z), Z_OK);
    return cap - z.avail_out;
}

/* Reads pictures from these bytes, as a file; the message, or "" if all is well. */
static Fault images_of(const uint8_t *bytes, size_t n, IdxImages *out)
{
    char folder[64], path[128];
    Fault f = {0};
    scratch_folder(folder);
    scratch_file(path, folder, "images", bytes, n);
    idx_images(path, -1, 1, 2, 3, out, &f);
    unlink(path);
    rmdir(folder);
    return f;
}

static Fault labels_of(const uint8_t *bytes, size_t n, int64_t total, uint8_t **out)
{
    char folder[64], path[128];
    Fault f = {0};
    scratch_folder(folder);
    scratch_file(path, folder, "labels", bytes, n);
    idx_labels(path, total, total, 3, "images", out, &f);
    unlink(path);
    rmdir(folder);
    return f;
}

START_TEST(test_plain)
{
    uint8_t b[64];
    IdxImages in;
    Fault f = images_of(b, pictures(b), &in);
    ck_assert_msg(f.code == 0, "%s", f.text);
    ck_assert_int_eq(in.count, 3);
    ck_assert_int_eq(in.height, 2);
    ck_assert_int_eq(in.width, 3);
    for (int i = 0; i < 18; i++)
        ck_assert_int_eq(in.pixels[i], i);
    free(in.pixels);
}
END_TEST

START_TEST(test_packed)
{
    uint8_t b[64], z[256];
    IdxImages in;
    Fault f = images_of(z, pack(b, pictures(b), z, sizeof z), &in);
    ck_assert_msg(f.code == 0, "%s", f.text);
    ck_assert_int_eq(in.pixels[17], 17);
    free(in.pixels);
}
END_TEST

START_TEST(test_truncated_packed_at_every_byte)
{
    uint8_t b[64], z[256];
    size_t n = pack(b, pictures(b), z, sizeof z);
    for (size_t k = 0; k < n; k++) {
        IdxImages in;
        Fault f = images_of(z, k, &in);
        ck_assert_msg(f.code == EXIT_DATA, "%zu of %zu bytes were taken for a whole file", k, n);
    }
}
END_TEST

START_TEST(test_truncated_large) /* everywhere in the first KiB and at 100 places behind, plain and packed */
{
    enum { COUNT = 1500, BYTES = 16 + COUNT * 6 };
    uint8_t b[BYTES], z[2 * BYTES];
    char folder[64], path[128];
    uint32_t x = 9;
    size_t packed;
    pictures(b);
    word(b + 4, COUNT);
    for (int i = 16; i < BYTES; i++)
        b[i] = (uint8_t)((x = x * 1664525u + 1013904223u) >> 24);
    packed = pack(b, BYTES, z, sizeof z);
    scratch_folder(folder);
    for (int form = 0; form < 2; form++) {
        size_t n = form ? packed : BYTES, whole = n, cuts = 0;
        scratch_file(path, folder, "images", form ? z : b, n);
        for (; scratch_cut(path, &n, &x, whole); cuts++) {
            IdxImages in;
            Fault f = {0};
            ck_assert_msg(!idx_images(path, -1, 1, 2, 3, &in, &f) && f.code == EXIT_DATA && strstr(f.text, "byte"), "%zu of %zu bytes: code %d, %s", n,
                          whole, f.code, f.text);
        }
        ck_assert_uint_gt(cuts, 1030);
    }
    unlink(path);
    rmdir(folder);
}
END_TEST

START_TEST(test_damaged_sum)
{
    uint8_t b[64], z[256];
    size_t n = pack(b, pictures(b), z, sizeof z);
    IdxImages in;
    Fault f;
    z[n - 6] ^= 1;
    f = images_of(z, n, &in);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "damaged");
}
END_TEST

START_TEST(test_truncated_plain)
{
    uint8_t b[64];
    size_t n = pictures(b);
    IdxImages in;
    Fault f = images_of(b, n - 1, &in);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "ends at byte 33, 34 bytes are needed");
}
END_TEST

START_TEST(test_too_long)
{
    uint8_t b[64];
    size_t n = pictures(b);
    IdxImages in;
    Fault f;
    b[n] = 0;
    f = images_of(b, n + 1, &in);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "more than the 34 bytes");
}
END_TEST

START_TEST(test_bad_magic)
{
    uint8_t b[64];
    size_t n = pictures(b);
    IdxImages in;
    Fault f;
    b[3] = 1;
    f = images_of(b, n, &in);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "byte 0");
    ck_assert_has(f.text, "0x00000801, 0x00000803");
}
END_TEST

START_TEST(test_lying_count) /* 4 billion pictures are promised: nothing of that size may be asked for */
{
    uint8_t b[64];
    size_t n = pictures(b);
    IdxImages in;
    Fault f;
    word(b + 4, 0xffffffffu);
    f = images_of(b, n, &in);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "ends at byte 34");
}
END_TEST

START_TEST(test_bomb) /* 64 MiB of zeros behind 18 promised bytes: reading stops at the first one too many */
{
    size_t n = (size_t)64 << 20, packed;
    uint8_t *b = calloc(n, 1), *z = malloc(n / 500);
    IdxImages in;
    Fault f;
    pictures(b);
    packed = pack(b, n, z, n / 500);
    f = images_of(z, packed, &in);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "more than the 34 bytes");
    free(b);
    free(z);
}
END_TEST

START_TEST(test_other_size)
{
    uint8_t b[64];
    size_t n = pictures(b);
    IdxImages in;
    Fault f;
    word(b + 8, 3);
    word(b + 12, 2);
    f = images_of(b, n, &in);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "byte 8: data gives 1x3x2, network wants 1x2x3");
}
END_TEST

START_TEST(test_labels)
{
    uint8_t b[64], *out;
    Fault f = labels_of(b, labels(b), 3, &out);
    ck_assert_msg(f.code == 0, "%s", f.text);
    ck_assert_mem_eq(out, "\0\1\2", 3);
    free(out);
}
END_TEST

START_TEST(test_label_out_of_range)
{
    uint8_t b[64], *out;
    size_t n = labels(b);
    Fault f;
    b[9] = 3;
    f = labels_of(b, n, 3, &out);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "byte 9: label 3 of image 1; 0 to 2 are allowed");
}
END_TEST

START_TEST(test_counts_differ)
{
    uint8_t b[64], *out;
    Fault f = labels_of(b, labels(b), 4, &out);
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, "3 labels, but images holds 4 images");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_plain, test_packed, test_truncated_packed_at_every_byte, test_truncated_large, test_damaged_sum, test_truncated_plain, test_too_long,
                                  test_bad_magic, test_lying_count, test_bomb, test_other_size, test_labels, test_label_out_of_range, test_counts_differ, NULL};
    return run_suite("idx", tests);
}
