/* images("dir"): what is listed, in which order; and how a loader goes through files, good and bad. */
#include "image_list.h"
#include "loader.h"
#include "picture_make.h"

#include <sys/stat.h>

static void folder_in(const char *folder, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void text_file(const char *folder, const char *name, const char *text)
{
    char path[128];
    scratch_file(path, folder, name, text, strlen(text));
}

static void remove_all(const char *folder)
{
    char command[100];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* Fails unless the list is these files, separated by blanks. */
static void check_list(const ImageList *l, const char *wanted)
{
    char found[1000] = "";
    for (int64_t i = 0; i < l->count; i++) {
        strcat(strcat(found, i ? " " : ""), l->path[i]);
        ck_assert_int_eq(strncmp(l->path[i], l->class_name[l->label[i]], strlen(l->class_name[l->label[i]])), 0);
    }
    ck_assert_str_eq(found, wanted);
}

static void read_list(const char *folder, bool test, double share, const char *wanted)
{
    ImageList l;
    Fault f;
    ck_assert_msg(image_list_read(folder, test, share, 10, &l, &f), "%s", f.text);
    check_list(&l, wanted);
    image_list_free(&l);
}

static void refuse_list(const char *folder, bool test, int64_t most, const char *words)
{
    ImageList l;
    Fault f;
    ck_assert(!image_list_read(folder, test, 0.1, most, &l, &f));
    ck_assert_int_eq(f.code, EXIT_DATA);
    ck_assert_has(f.text, words);
}

/* ---- lists ---- */

START_TEST(test_split)
{
    char folder[64], *classes;
    ImageList l;
    Fault f;
    scratch_folder(folder);
    folder_in(folder, "b");
    folder_in(folder, "B");
    folder_in(folder, "a c");
    folder_in(folder, ".hidden");
    text_file(folder, "notes.txt", "");
    for (int i = 0; i < 5; i++)
        text_file(folder, (const char *[]){"b/1.png", "b/10.JPG", "b/2.jpeg", "b/3.PNG", "b/4.jpg"}[i], "");
    text_file(folder, "b/.5.png", "");
    text_file(folder, "b/6.gif", "");
    text_file(folder, "B/x.png", "");
    text_file(folder, "a c/y.png", "");
    text_file(folder, "a c/z.png", "");
    read_list(folder, false, 0, "B/x.png a c/y.png b/1.png a c/z.png b/10.JPG b/2.jpeg b/3.PNG b/4.jpg");
    read_list(folder, true, 0, "");
    read_list(folder, false, 0.4, "B/x.png a c/y.png b/1.png a c/z.png b/10.JPG b/3.PNG"); /* floor(n * 0.4): 0, 0 and 2 */
    read_list(folder, true, 0.4, "b/2.jpeg b/4.jpg");
    ck_assert(image_list_read(folder, false, 0, 3, &l, &f));
    classes = image_list_classes(&l);
    ck_assert_str_eq(classes, "B/a c/b");
    free(classes);
    image_list_free(&l);
    refuse_list(folder, false, 2, "3 folders, so 3 classes ('B' to 'b'); the network has 2 outputs");
    remove_all(folder);
}
END_TEST

/* folder/train/{cat,dog} and folder/NAME/dog, a picture in each. */
static void two_parts(char *folder, const char *name)
{
    char path[100];
    scratch_folder(folder);
    folder_in(folder, "train");
    folder_in(folder, "train/cat");
    folder_in(folder, "train/dog");
    text_file(folder, "train/cat/1.png", "");
    text_file(folder, "train/dog/2.png", "");
    folder_in(folder, name);
    snprintf(path, sizeof path, "%s/dog", name);
    folder_in(folder, path);
    snprintf(path, sizeof path, "%s/dog/3.png", name);
    text_file(folder, path, "");
}

START_TEST(test_parts) /* the class of a part without all classes is still that of the other part */
{
    static const char *const names[] = {"test", "val", "validation"};
    char folder[64], path[100];
    ImageList l;
    Fault f;
    two_parts(folder, names[_i]);
    read_list(folder, false, 0.5, "cat/1.png dog/2.png");
    ck_assert(image_list_read(folder, true, 0.5, 10, &l, &f));
    check_list(&l, "dog/3.png");
    ck_assert(l.classes == 2 && l.label[0] == 1);
    image_list_free(&l);
    snprintf(path, sizeof path, "%s/bird", names[_i]);
    folder_in(folder, path);
    refuse_list(folder, true, 10, "bird: a class to test that is none of those to train on");
    remove_all(folder);
}
END_TEST

START_TEST(test_train_alone) /* is split; and `train` may be a class's name, where it holds files and no folders */
{
    char folder[64];
    scratch_folder(folder);
    folder_in(folder, "train");
    folder_in(folder, "plane");
    text_file(folder, "train/1.png", "");
    text_file(folder, "plane/1.png", "");
    read_list(folder, false, 0, "plane/1.png train/1.png");
    folder_in(folder, "train/x");
    text_file(folder, "train/x/1.png", "");
    text_file(folder, "train/x/2.png", "");
    read_list(folder, false, 0.5, "x/1.png");
    read_list(folder, true, 0.5, "x/2.png");
    remove_all(folder);
}
END_TEST

START_TEST(test_no_pictures)
{
    char folder[64], nowhere[100];
    scratch_folder(folder);
    snprintf(nowhere, sizeof nowhere, "%s/nowhere", folder);
    refuse_list(nowhere, false, 10, "nowhere: there is no such folder of images");
    refuse_list(folder, false, 10, "no folders in this folder");
    folder_in(folder, "cat");
    text_file(folder, "cat/1.gif", "");
    refuse_list(folder, false, 10, "cat: no .png, .jpg or .jpeg file in the folder of this class");
    remove_all(folder);
}
END_TEST

/* ---- loading ---- */

/* A network of 3x4x4 in two classes, for images in a folder of its own: n pictures in each class, grey levels 10 i (class a) and 10 i + 5. */
static nrt_model image_model(char *folder, int n)
{
    nrt_model m = nrt_the_model;
    char name[20];
    m.train.data = NRT_IMAGES;
    m.train.path_a = folder;
    m.train.mean[1] = 0.25;
    m.train.std[2] = 0.5;
    m.input_dim[0] = 3;
    m.input_dim[1] = m.input_dim[2] = 4;
    scratch_folder(folder);
    folder_in(folder, "a");
    folder_in(folder, "b");
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 2; k++) {
            uint8_t level = (uint8_t)(10 * i + 5 * k);
            snprintf(name, sizeof name, "%c/%02d.png", "ab"[k], i);
            png_file(folder, name, 4 + i % 3, 4, level, (uint8_t)(level + 1), (uint8_t)(level + 2)); /* some are resized */
        }
    return m;
}

static void read_data(const nrt_model *m, Dataset *d)
{
    DataWant want = {.model = m, .limit = -1, .limit_test = -1, .train = true};
    Dataset none;
    Fault f;
    ck_assert_msg(dataset_read(&want, d, &none, &f), "%s", f.text);
}

/* The level of a batch's image r, which its scaled channels must agree on; and that the label is the level's. */
static int level_of(const Batch *b, int64_t r)
{
    const float *x = b->x + r * 48;
    int level = (int)(x[0] * 255 + 0.5f);
    for (int k = 0; k < 16; k++) {
        ck_assert(x[k] == (float)level / 255.0f);
        ck_assert(x[16 + k] == (float)(level + 1) / 255.0f - 0.25f);
        ck_assert(x[32 + k] == ((float)(level + 2) / 255.0f) / 0.5f);
    }
    ck_assert_int_eq(b->labels[r], level % 10 == 5);
    return level;
}

/* Walks and writes down the levels; returns how many. */
static int walk(Loader *l, bool shuffle, uint64_t epoch, int64_t first, int *levels, int64_t *last_end)
{
    const Batch *b;
    int n = 0;
    loader_begin(l, shuffle, 1, epoch, first);
    for (; (b = loader_next(l)); *last_end = b->end)
        for (int64_t r = 0; r < b->n; r++)
            levels[n++] = level_of(b, r);
    return n;
}

START_TEST(test_walks) /* the same pictures whether they are decoded or kept from the walk before, and whatever the batch */
{
    char folder[64];
    nrt_model m = image_model(folder, 10);
    int one[20], two[20], seen = 0;
    int64_t end = 0;
    Dataset d;
    Loader *l, *small;
    read_data(&m, &d);
    l = loader_new(&d, &m, 8);
    small = loader_new(&d, &m, 3);
    ck_assert_int_eq(walk(l, false, 0, 0, one, &end), 20);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(one[i], 5 * i);
    ck_assert_int_eq(walk(l, true, 1, 0, one, &end), 20);
    ck_assert_int_eq(walk(small, true, 1, 0, two, &end), 20);
    ck_assert_mem_eq(one, two, sizeof one);
    ck_assert_int_eq(walk(small, true, 1, 12, two, &end), 8);
    ck_assert_mem_eq(one + 12, two, 8 * sizeof *one);
    for (int i = 0; i < 20; i++)
        seen |= 1 << one[i] / 5;
    ck_assert_int_eq(seen, (1 << 20) - 1);
    ck_assert_ptr_null(loader_fault(l));
    loader_free(l);
    loader_free(small);
    dataset_free(&d);
    remove_all(folder);
}
END_TEST

START_TEST(test_unreadable) /* are left out, counted and told of; batches are filled up with what comes behind them */
{
    char folder[64], text[900];
    nrt_model m = image_model(folder, 10);
    int levels[20], again[20];
    int64_t end = 0;
    Dataset d;
    Loader *l;
    const Batch *b;
    text_file(folder, "a/00.png", "");
    text_file(folder, "a/03.png", "no picture");
    text_file(folder, "b/09.png", "\x89PNG\r\n\x1a\n");
    text_file(folder, "b/08.png", "");
    read_data(&m, &d);
    l = loader_new(&d, &m, 8);
    loader_begin(l, false, 0, 0, 0);
    b = loader_next(l);
    ck_assert(b->n == 8 && b->end == 10); /* two of the first ten are bad */
    ck_assert_int_eq(walk(l, false, 0, 0, levels, &end), 16);
    ck_assert_int_eq(end, 19); /* the last file of all is bad */
    ck_assert(levels[0] == 5 && levels[5] == 35 && levels[15] == 90);
    ck_assert_int_eq(loader_unreadable(l, text, sizeof text), 4);
    ck_assert_has(text, "a/00.png: byte 0: this is neither");
    ck_assert_has(text, "; ");
    ck_assert_int_eq(walk(l, true, 3, 0, levels, &end), 16);
    ck_assert_int_eq(walk(l, true, 3, 0, again, &end), 16);
    ck_assert_mem_eq(levels, again, 16 * sizeof *levels);
    ck_assert_int_eq(loader_unreadable(l, text, sizeof text), 4);
    ck_assert_ptr_null(loader_fault(l));
    loader_free(l);
    dataset_free(&d);
    remove_all(folder);
}
END_TEST

START_TEST(test_too_many_unreadable)
{
    char folder[64], name[20];
    nrt_model m = image_model(folder, 10);
    int levels[20];
    int64_t end = 0;
    Dataset d;
    Loader *l;
    for (int i = 0; i < 11; i++) {
        snprintf(name, sizeof name, "%c/%02d.png", "ab"[i % 2], i / 2 + 3);
        text_file(folder, name, "x");
    }
    read_data(&m, &d);
    l = loader_new(&d, &m, 2);
    ck_assert_int_lt(walk(l, false, 0, 0, levels, &end), 10);
    ck_assert_ptr_nonnull(loader_fault(l));
    ck_assert_int_eq(loader_fault(l)->code, EXIT_DATA);
    ck_assert_has(loader_fault(l)->text, "more than half of the 20 pictures cannot be read; the first: ");
    ck_assert_has(loader_fault(l)->text, "a/03.png: byte 0");
    loader_begin(l, false, 0, 0, 0);
    ck_assert_ptr_null(loader_next(l));
    loader_free(l);
    dataset_free(&d);
    remove_all(folder);
}
END_TEST

START_TEST(test_waits) /* a slow source makes the caller wait, and the loader says for how long */
{
    char folder[64];
    nrt_model m = image_model(folder, 0);
    uint8_t *rgb = noise_make(1200, 1200);
    Bytes b = png_make(rgb, 1200, 1200);
    Dataset d;
    Loader *l;
    char path[128];
    scratch_file(path, folder, "a/1.png", b.at, b.n);
    scratch_file(path, folder, "b/1.png", b.at, b.n);
    read_data(&m, &d);
    l = loader_new(&d, &m, 1);
    ck_assert(loader_wait_seconds(l) == 0);
    loader_begin(l, false, 0, 0, 0);
    ck_assert_ptr_nonnull(loader_next(l));
    ck_assert(loader_wait_seconds(l) > 0.001 && loader_wait_seconds(l) < 20);
    loader_free(l);
    dataset_free(&d);
    free(b.at);
    free(rgb);
    remove_all(folder);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("images");
    TCase *c = tcase_create("images");
    SRunner *r;
    int failed;
    tcase_set_timeout(c, 60);
    tcase_add_test(c, test_split);
    tcase_add_loop_test(c, test_parts, 0, 3);
    tcase_add_test(c, test_train_alone);
    tcase_add_test(c, test_no_pictures);
    tcase_add_test(c, test_walks);
    tcase_add_test(c, test_unreadable);
    tcase_add_test(c, test_too_many_unreadable);
    tcase_add_test(c, test_waits);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
