/* PNG and JPEG: every kind as Pillow reads it (tests/record_pictures.py), and files that are cut short, damaged, or lie. */
#include "picture.h"
#include "picture_make.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

enum { WIDTH = 48, HEIGHT = 40 };

/* ---- as recorded ---- */

static Bytes file_bytes(const char *path)
{
    FILE *in = fopen(path, "rb");
    Bytes b = {malloc(1 << 16), 0};
    ck_assert_msg(in != NULL, "%s is not there", path);
    b.n = fread(b.at, 1, 1 << 16, in);
    fclose(in);
    return b;
}

/* The largest difference to `n` recorded bytes; JPEG decoders may differ by a step, PNG's may not. */
static void compare(const char *name, const uint8_t *found, const uint8_t *wanted, int64_t n)
{
    int most = 0, allowed = strstr(name, ".jp") ? 1 : 0;
    for (int64_t i = 0; i < n; i++)
        most = abs(found[i] - wanted[i]) > most ? abs(found[i] - wanted[i]) : most;
    ck_assert_msg(most <= allowed, "%s differs by %d", name, most);
}

static void check_recorded(const char *name, int64_t height, int64_t width)
{
    char path[300];
    Picture p;
    Fault f;
    Bytes planes;
    snprintf(path, sizeof path, TEST_DATA "/pictures/%s.planes", name);
    planes = file_bytes(path);
    snprintf(path, sizeof path, TEST_DATA "/pictures/%s", name);
    ck_assert_msg(picture_read(path, 3, &p, &f), "%s", f.text);
    ck_assert(p.channels == 3 && p.height == height && p.width == width && planes.n == (size_t)(4 * height * width));
    compare(name, p.pixels, planes.at, 3 * height * width);
    free(p.pixels);
    ck_assert_msg(picture_read(path, 1, &p, &f), "%s", f.text);
    ck_assert(p.channels == 1 && p.height == height && p.width == width);
    compare(name, p.pixels, planes.at + 3 * height * width, height * width);
    free(p.pixels);
    free(planes.at);
}

START_TEST(test_as_recorded)
{
    FILE *in = fopen(TEST_DATA "/pictures/sizes.txt", "r");
    char name[100];
    long height, width;
    int files = 0;
    ck_assert_ptr_nonnull(in);
    for (; fscanf(in, "%99s %ld %ld", name, &height, &width) == 3; files++)
        check_recorded(name, height, width);
    ck_assert_int_eq(files, 33);
    fclose(in);
}
END_TEST

/* ---- cut short and damaged ---- */

static Bytes sample(int kind)
{
    uint8_t *rgb = noise_make(WIDTH, HEIGHT);
    Bytes b = kind == 3 ? png_make(rgb, WIDTH, HEIGHT) : jpeg_make(rgb, WIDTH, HEIGHT, (JpegKind)kind);
    free(rgb);
    return b;
}

/* Decodes a copy of exactly n bytes, so that the sanitizer sees a step behind it. True where it is a picture; else the fault must be one of data
 * that names a byte. */
static bool decodes(const uint8_t *bytes, size_t n, Fault *f)
{
    uint8_t *copy = malloc(n ? n : 1);
    Picture p;
    bool ok;
    memcpy(copy, bytes, n);
    *f = (Fault){0};
    ok = picture_decode(copy, n, "some.file", 3, &p, f);
    free(copy);
    if (ok) {
        free(p.pixels);
        return true;
    }
    ck_assert_ptr_null(p.pixels);
    ck_assert_int_eq(f->code, EXIT_DATA);
    ck_assert_msg(strncmp(f->text, "some.file: byte ", 16) == 0, "the message does not name file and byte: %s", f->text);
    return false;
}

START_TEST(test_truncated) /* everywhere in the first KiB, and at 100 places behind */
{
    Bytes b = sample(_i);
    uint32_t x = 1;
    Fault f;
    ck_assert_uint_gt(b.n, 1200);
    ck_assert_msg(decodes(b.at, b.n, &f), "%s", f.text);
    for (size_t n = 0; n < 1124; n++) {
        size_t end = n < 1024 ? n : 1024 + (x = x * 1664525u + 1013904223u) % (b.n - 1024);
        ck_assert_msg(!decodes(b.at, end, &f), "%zu of %zu bytes were taken for a whole picture", end, b.n);
    }
    free(b.at);
}
END_TEST

START_TEST(test_damaged) /* a byte changed anywhere: a picture or a fault, never a crash */
{
    Bytes b = sample(_i);
    uint32_t x = 5;
    int refused = 0;
    for (int i = 0; i < 1500; i++) {
        size_t at = i < 700 ? (size_t)i : (x = x * 1664525u + 1013904223u) % b.n;
        uint8_t old = b.at[at];
        Fault f;
        b.at[at] = (uint8_t)(old ^ (1u << (x >> 29)) ^ (i & 1 ? 0x55 : 0));
        refused += !decodes(b.at, b.n, &f);
        b.at[at] = old;
    }
    ck_assert_int_gt(refused, 100);
    free(b.at);
}
END_TEST

START_TEST(test_stray_bytes) /* two bytes between the last scan and the end, as some cameras write them, do no harm */
{
    Bytes b = sample(JPEG_BASELINE);
    Fault f;
    b.at = realloc(b.at, b.n + 2);
    memmove(b.at + b.n, b.at + b.n - 2, 2);
    memset(b.at + b.n - 2, 0, 2);
    ck_assert_msg(decodes(b.at, b.n + 2, &f), "%s", f.text);
    free(b.at);
}
END_TEST

START_TEST(test_neither)
{
    Fault f;
    ck_assert(!decodes((const uint8_t *)"GIF89a\1\0\1\0", 10, &f));
    ck_assert_has(f.text, "neither a PNG nor a JPEG");
    ck_assert(!decodes((const uint8_t *)"", 0, &f));
}
END_TEST

/* ---- lies ---- */

static void word(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static long rss_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* Refused, with these words, and with less than 32 MiB of memory on the way. */
static void check_lie(const Bytes *b, const char *words)
{
    long before = rss_kib();
    Fault f;
    ck_assert(!decodes(b->at, b->n, &f));
    ck_assert_has(f.text, words);
    ck_assert_int_lt(rss_kib() - before, 32 << 10);
}

START_TEST(test_png_sizes)
{
    static const struct { uint32_t width, height; const char *words; } lies[] = {
        {0x7fffffff, 0x7fffffff, "2147483647x2147483647 pixels; sides of 1 to 65535"}, {65536, 1, "65536x1 pixels"}, {60000, 60000, "60000x60000"},
        {8000, 8000, "byte 16: a picture of 8000x8000 pixels, which a file of"}, {0, 5, "IHDR"}, {0x80000000u, 5, "damaged"}};
    Bytes b = sample(3);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        word(b.at + 16, lies[i].width);
        word(b.at + 20, lies[i].height);
        word(b.at + 29, (uint32_t)crc32(crc32(0, NULL, 0), b.at + 12, 17));
        check_lie(&b, lies[i].words);
    }
    free(b.at);
}
END_TEST

/* The frame header of a JPEG file: SOF0 to SOF2. */
static uint8_t *jpeg_frame(const Bytes *b)
{
    for (size_t i = 2; i + 9 < b->n; i++)
        if (b->at[i] == 0xff && b->at[i + 1] >= 0xc0 && b->at[i + 1] <= 0xc2)
            return b->at + i;
    ck_abort_msg("no frame");
    return NULL;
}

START_TEST(test_jpeg_sizes) /* _i: baseline or progressive, which needs memory for the whole picture */
{
    static const struct { int width, height; const char *words; } lies[] = {
        {65500, 65500, "a picture of 65500x65500 pixels"}, {8000, 8000, "8000x8000 pixels, which a file of"}, {0, 5, "damaged"}, {500, 500, "damaged"}};
    Bytes b = sample(_i);
    uint8_t *frame = jpeg_frame(&b);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        frame[5] = (uint8_t)(lies[i].height >> 8);
        frame[6] = (uint8_t)lies[i].height;
        frame[7] = (uint8_t)(lies[i].width >> 8);
        frame[8] = (uint8_t)lies[i].width;
        check_lie(&b, lies[i].words);
    }
    free(b.at);
}
END_TEST

START_TEST(test_jpeg_components)
{
    Bytes b = sample(JPEG_BASELINE);
    jpeg_frame(&b)[9] = 2;
    check_lie(&b, "byte ");
    free(b.at);
}
END_TEST

/* The place of the k-th start of a scan. */
static size_t jpeg_scan(const Bytes *b, int k)
{
    for (size_t i = 2; i + 1 < b->n; i++)
        if (b->at[i] == 0xff && b->at[i + 1] == 0xda && k-- == 0)
            return i;
    ck_abort_msg("no scan");
    return 0;
}

START_TEST(test_jpeg_scans) /* one scan over and over */
{
    Bytes b = sample(JPEG_SCANS), many;
    size_t first = jpeg_scan(&b, 0), one = jpeg_scan(&b, 1) - first;
    many = (Bytes){malloc(b.n + 200 * one), 0};
    memcpy(many.at, b.at, first);
    many.n = first;
    for (int i = 0; i < 200; i++, many.n += one)
        memcpy(many.at + many.n, b.at + first, one);
    memcpy(many.at + many.n, b.at + first, b.n - first);
    many.n += b.n - first;
    check_lie(&many, "more than 100 scans");
    free(many.at);
    free(b.at);
}
END_TEST

static void chunk(Bytes *b, const char *name, const uint8_t *data, size_t n)
{
    b->at = realloc(b->at, b->n + n + 12);
    word(b->at + b->n, (uint32_t)n);
    memcpy(b->at + b->n + 4, name, 4);
    memcpy(b->at + b->n + 8, data, n);
    word(b->at + b->n + 8 + n, (uint32_t)crc32(crc32(0, NULL, 0), b->at + b->n + 4, (uInt)n + 4));
    b->n += n + 12;
}

START_TEST(test_png_bombs) /* pixels and text that unpack to 256 MiB behind the four bytes that the picture has */
{
    uLong packed = 2 << 20;
    size_t zeros = (size_t)256 << 20;
    uint8_t *z = malloc(packed + 32), *text = calloc(zeros, 1);
    Bytes b = {malloc(8), 8};
    long before;
    Fault f;
    memcpy(b.at, "\x89PNG\r\n\x1a\n", 8);
    memcpy(z, "profile\0", 8);
    z[8] = 0;
    ck_assert_int_eq(compress2(z + 9, &packed, text, zeros, 1), Z_OK);
    free(text);
    before = rss_kib();
    chunk(&b, "IHDR", (const uint8_t *)"\0\0\0\1\0\0\0\1\x08\2\0\0\0", 13);
    chunk(&b, "iCCP", z, packed + 9);
    chunk(&b, "zTXt", z, packed + 9);
    chunk(&b, "IDAT", z + 9, packed);
    chunk(&b, "IEND", z, 0);
    decodes(b.at, b.n, &f);
    ck_assert_int_lt(rss_kib() - before, 32 << 10);
    free(b.at);
    free(z);
}
END_TEST

/* ---- files ---- */

START_TEST(test_files)
{
    char folder[64], path[128];
    Picture p;
    Fault f;
    scratch_folder(folder);
    ck_assert(!picture_read(folder, 3, &p, &f) && f.code == EXIT_DATA);
    ck_assert_has(f.text, "no regular file");
    snprintf(path, sizeof path, "%s/pipe", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(!picture_read(path, 3, &p, &f) && f.code == EXIT_DATA);
    ck_assert_has(f.text, "pipe: this is no regular file");
    unlink(path);
    ck_assert(!picture_read(path, 3, &p, &f) && f.code == EXIT_DATA);
    ck_assert_has(f.text, "pipe: cannot be opened");
    rmdir(folder);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("picture");
    TCase *c = tcase_create("picture");
    SRunner *r;
    int failed;
    tcase_set_timeout(c, 60);
    tcase_add_test(c, test_as_recorded);
    tcase_add_loop_test(c, test_truncated, 0, 4);
    tcase_add_loop_test(c, test_damaged, 0, 4);
    tcase_add_test(c, test_stray_bytes);
    tcase_add_test(c, test_neither);
    tcase_add_test(c, test_png_sizes);
    tcase_add_loop_test(c, test_jpeg_sizes, 0, 2);
    tcase_add_test(c, test_jpeg_components);
    tcase_add_test(c, test_jpeg_scans);
    tcase_add_test(c, test_png_bombs);
    tcase_add_test(c, test_files);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
