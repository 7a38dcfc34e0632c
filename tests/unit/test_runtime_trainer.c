/* The trainer as a process: what it writes, how it goes on, and how it fails. Paths of the executables come from the build. */
#include "runtime_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct Place { char folder[64]; } Place; /* the working folder of a test */

static Place *place; /* of the test that runs: Check gives each a process of its own */

static void enter(void)
{
    place = calloc(1, sizeof *place);
    scratch_folder(place->folder);
    ck_assert_int_eq(chdir(place->folder), 0);
    unsetenv("NETC_DATA");
    setenv("HOME", place->folder, 1);
    unsetenv("XDG_CACHE_HOME");
}

static void leave(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", place->folder);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
    free(place);
}

/* Starts a program; stdout goes to the file "out", stderr to "err". */
static pid_t start(const char *const *argv)
{
    pid_t id = fork();
    ck_assert_int_ge(id, 0);
    if (id == 0) {
        dup2(open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666), 1);
        dup2(open("err", O_WRONLY | O_CREAT | O_TRUNC, 0666), 2);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return id;
}

static int wait_for(pid_t id)
{
    int status;
    ck_assert_int_eq(waitpid(id, &status, 0), id);
    return status;
}

/* Runs to the end and gives the exit code. */
static int run_words(const char *const *argv)
{
    int status = wait_for(start(argv));
    ck_assert_msg(WIFEXITED(status), "%s %s died of signal %d", argv[0], argv[1], WTERMSIG(status));
    return WEXITSTATUS(status);
}
#define RUN(...) run_words((const char *const[]){__VA_ARGS__, NULL})

static char *text_of(const char *path)
{
    char *text = calloc(1, 1 << 20);
    FILE *in = fopen(path, "rb");
    ck_assert_msg(in != NULL, "%s is missing", path);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, in), (1 << 20) - 1);
    fclose(in);
    return text;
}

static bool same_file(const char *a, const char *b)
{
    char *x = text_of(a), *y = text_of(b);
    bool same = memcmp(x, y, 1 << 20) == 0;
    free(x);
    free(y);
    return same;
}

/* The message on stderr has this part, and is one line. */
static void says(const char *part)
{
    char *err = text_of("err");
    ck_assert_has(err, part);
    ck_assert_has(err, ": error: ");
    ck_assert_ptr_eq(strchr(err, '\n'), err + strlen(err) - 1);
    free(err);
}

/* No temporary file is in the folder. */
static void tidy(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    ck_assert_ptr_nonnull(d);
    while ((e = readdir(d)))
        ck_assert_msg(strstr(e->d_name, ".tmp") == NULL, "%s was left behind", e->d_name);
    closedir(d);
}

#define SMALL "--limit", "1000", "--limit-test", "200"

START_TEST(test_train)
{
    char *text;
    enter();
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--log", "log.jsonl", "--epochs", "2"), 0);
    text = text_of("log.jsonl");
    ck_assert_has(text, "{\"event\":\"step\",\"epoch\":1,\"step\":1,\"loss\":2.");
    ck_assert_has(text, "\"step\":16,");
    ck_assert_has(text, ",\"images\":104}\n{\"event\":\"epoch\",\"epoch\":1,\"train_loss\":");
    free(text);
    text = text_of("runs/fake/metrics.jsonl");
    ck_assert_has(text, "{\"event\":\"epoch\",\"epoch\":2,");
    free(text);
    ck_assert_int_eq(access("runs/fake/best.safetensors", R_OK) | access("runs/fake/last.safetensors", R_OK) | access("runs/fake/curve.svg", R_OK), 0);
    tidy("runs/fake");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "test", "--limit-test", "200"), 0);
    text = text_of("out");
    ck_assert_has(text, "images 200\n");
    ck_assert_has(text, "accuracy 0.");
    free(text);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "predict", "--index", "3", "--top", "2"), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "predict", "x.png"), 6);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "summary"), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "time", "--steps", "3", "--json"), 0);
    text = text_of("out");
    ck_assert_has(text, "{\"images_per_s\":");
    ck_assert_has(text, "\"kernels\":[{\"name\":\"linear1.forward\"");
    free(text);
    leave();
}
END_TEST

/* Weights after 20 steps, by several ways that must not matter. */
START_TEST(test_same_weights)
{
    static const char *const threads[] = {"1", "2", "3", "7"};
    enter();
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--max-steps", "20", "--quiet", "--out", "a", "--threads", "1"), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "export", "whole", "--weights", "a/last.safetensors"), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--max-steps", "11", "--quiet", "--out", "b", "--threads", threads[i]), 0);
        ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "export", "half", "--weights", "b/last.safetensors"), 0);
        ck_assert(!same_file("whole", "half"));
        ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--max-steps", "20", "--quiet", "--out", "b", "--resume"), 0);
        ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "export", "half", "--weights", "b/last.safetensors"), 0);
        ck_assert(same_file("whole", "half"));
    }
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--max-steps", "20", "--quiet", "--out", "b", "--no-shuffle"), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "export", "half", "--weights", "b/last.safetensors"), 0);
    ck_assert(!same_file("whole", "half"));
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--max-steps", "1", "--lr", "0", "--quiet", "--out", "c", "--init-weights", "whole"), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "export", "half", "--weights", "c/last.safetensors"), 0);
    ck_assert(same_file("whole", "half"));
    leave();
}
END_TEST

START_TEST(test_signal)
{
    static const int numbers[] = {SIGINT, SIGTERM};
    const char *const argv[] = {TRAINER_SYNTHETIC, "train", "--limit", "5000", "--epochs", "100000", "--out", "a", "--log", "log", "--no-test", NULL};
    int status;
    pid_t id;
    enter();
    id = start(argv);
    for (int i = 0; i < 500 && access("a/best.safetensors", R_OK) != 0; i++)
        usleep(10000);
    unlink("a/last.safetensors");
    ck_assert_int_eq(kill(id, numbers[_i]), 0);
    status = wait_for(id);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == numbers[_i]);
    ck_assert_int_eq(access("a/last.safetensors", R_OK) | access("a/curve.svg", R_OK), 0);
    tidy("a");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", "--resume", "--limit", "5000", "--out", "a", "--no-test", "--quiet", "--max-steps", "1"), 0);
    leave();
}
END_TEST

START_TEST(test_failures)
{
    struct stat log;
    enter();
    ck_assert_int_eq(RUN(TRAINER_OTHER_CPU, "train"), 6);
    says("no-such-feature");
    ck_assert_int_eq(close(creat("old.jsonl", 0444)), 0);
    ck_assert_int_eq(truncate("old.jsonl", 10), 0);
    ck_assert_int_eq(RUN(TRAINER, "train", "--log", "old.jsonl"), 3);
    says("train-images-idx3-ubyte");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", "--resume"), 4);
    ck_assert_int_ne(access("runs", F_OK), 0); /* a run that cannot begin leaves no folder, and the old log as it was */
    ck_assert_int_eq(stat("old.jsonl", &log), 0);
    ck_assert_int_eq(log.st_size, 10);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", "--out", "/proc/self/x"), 4);
    says("/proc/self/x");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", "--log", "/proc/self/x"), 4);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", "--nolog"), 2);
    says("--nolog");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", "--resume", "missing"), 4);
    says("missing");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "test"), 4);
    says("runs/fake");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--quiet", "--epochs", "1"), 0);
    ck_assert_int_eq(rename("runs/fake/last.safetensors", "kept"), 0);
    ck_assert_int_eq(link("kept", "runs/fake/last.safetensors"), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--quiet", "--lr", "1e38"), 5);
    says("not a finite number");
    ck_assert(same_file("kept", "runs/fake/last.safetensors"));
    ck_assert_int_eq(truncate("kept", 5000), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "test", "--weights", "kept"), 3);
    says("the file holds");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC), 0);
    leave();
}
END_TEST

/* A write that fails in the middle of a checkpoint (here for a limit on the size of files) leaves the one from before and nothing else. */
START_TEST(test_failed_save)
{
    struct rlimit small = {20000, 20000};
    enter();
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--quiet", "--epochs", "1"), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "export", "before"), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--quiet", "--epochs", "2"), 4);
    says("best.safetensors: cannot be written");
    says("the file from before is untouched");
    tidy("runs/fake");
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "export", "after"), 4);
    ck_assert_int_ne(access("after", F_OK), 0);
    tidy(".");
    leave();
}
END_TEST

/* ---- IDX data in a folder ---- */

static void big_endian(FILE *out, uint32_t v)
{
    for (int s = 24; s >= 0; s -= 8)
        fputc((int)(v >> s & 255), out);
}

static void idx_write(const char *part, uint32_t images, uint32_t labels, int label)
{
    char path[128];
    FILE *out;
    snprintf(path, sizeof path, "fashion-mnist/%s-images-idx3-ubyte", part);
    out = fopen(path, "wb");
    big_endian(out, 0x803);
    big_endian(out, images);
    big_endian(out, 28);
    big_endian(out, 28);
    for (uint32_t i = 0; i < images * 784; i++)
        fputc((int)(i * i >> 7 & 255), out);
    fclose(out);
    snprintf(path, sizeof path, "fashion-mnist/%s-labels-idx1-ubyte", part);
    out = fopen(path, "wb");
    big_endian(out, 0x801);
    big_endian(out, labels);
    for (uint32_t i = 0; i < labels; i++)
        fputc(i == labels - 1 ? label : (int)(i % 10), out);
    fclose(out);
}

START_TEST(test_idx_folder)
{
    enter();
    ck_assert_int_eq(mkdir("fashion-mnist", 0777), 0);
    idx_write("train", 300, 300, 9);
    idx_write("t10k", 50, 50, 9);
    ck_assert_int_eq(RUN(TRAINER, "train", "--data", ".", "--epochs", "1"), 0);
    ck_assert_int_eq(RUN(TRAINER, "train", "--data", "fashion-mnist", "--epochs", "1", "--batch", "50"), 0);
    setenv("NETC_DATA", ".", 1);
    ck_assert_int_eq(RUN(TRAINER, "test"), 0);
    idx_write("train", 300, 300, 10);
    ck_assert_int_eq(RUN(TRAINER, "train"), 3);
    says("train-labels-idx1-ubyte: byte 307: label 10 of image 299; 0 to 9 are allowed");
    idx_write("train", 300, 299, 0);
    ck_assert_int_eq(RUN(TRAINER, "train"), 3);
    says("299 labels, but");
    idx_write("train", 300, 300, 0);
    ck_assert_int_eq(truncate("fashion-mnist/t10k-images-idx3-ubyte", 1000), 0);
    ck_assert_int_eq(RUN(TRAINER, "train"), 3);
    says("ends at byte 1000");
    leave();
}
END_TEST

START_TEST(test_run_array)
{
    char header[128] = "\x93NUMPY\1\0\x76";
    FILE *out;
    char *text;
    enter();
    memset(header + 10, ' ', 117);
    memcpy(header + 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (130, 1, 28, 28), }", 69);
    header[8] = 118;
    header[127] = '\n';
    out = fopen("in.npy", "wb");
    fwrite(header, 1, 128, out);
    for (int i = 0; i < 130 * 784 * 4; i++)
        fputc(0, out);
    fclose(out);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "train", SMALL, "--epochs", "1"), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "run", "in.npy", "-o", "out.npy"), 0);
    text = text_of("out.npy");
    ck_assert_has(text + 10, "'shape': (130, 10)");
    ck_assert_mem_eq(text + 128, text + 128 + 129 * 40, 40);
    free(text);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "run", "in.npy", "-o", "./in.npy"), 2);
    says("is the input itself");
    ck_assert_int_eq(truncate("in.npy", 128 + 130 * 784 * 4 - 1), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "run", "in.npy", "-o", "none.npy"), 3);
    ck_assert_int_ne(access("none.npy", F_OK), 0);
    ck_assert_int_eq(RUN(TRAINER_SYNTHETIC, "run", "nothing.npy", "-o", "none.npy"), 3);
    leave();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trainer");
    TCase *c = tcase_create("trainer");
    SRunner *r;
    int failed;
    tcase_set_timeout(c, 60);
    tcase_add_test(c, test_train);
    tcase_add_test(c, test_same_weights);
    tcase_add_loop_test(c, test_signal, 0, 2);
    tcase_add_test(c, test_failures);
    tcase_add_test(c, test_failed_save);
    tcase_add_test(c, test_idx_folder);
    tcase_add_test(c, test_run_array);
    suite_add_tcase(s, c);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
