/* The command line: values, defaults and messages. */
#include "cpu.h"
#include "options.h"
#include "runtime_test.h"

static bool read_words(Options *o, Fault *f, int argc, const char *const *words)
{
    static char copies[12][64];
    static char *argv[13];
    f->code = 0;
    for (int i = 0; i < argc; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", words[i]);
        argv[i] = copies[i];
    }
    argv[argc] = NULL;
    return options_read(o, &nrt_the_model, argc, argv, f);
}
#define READ(o, f, ...) read_words(o, f, (int)(sizeof((const char *[]){"fake", __VA_ARGS__}) / sizeof(char *)), (const char *[]){"fake", __VA_ARGS__})

START_TEST(test_values)
{
    Options o;
    Fault f;
    ck_assert(READ(&o, &f, "train", "--epochs", "3", "--lr=0.5", "--resume", "--quiet", "--batch=128"));
    ck_assert(o.command == CMD_TRAIN && o.epochs == 3 && o.lr == 0.5 && o.quiet && o.batch == 128 && o.limit == -1);
    ck_assert_str_eq(o.resume, "");
    ck_assert(READ(&o, &f, "train", "--resume", "x.safetensors"));
    ck_assert_str_eq(o.resume, "x.safetensors");
    ck_assert(READ(&o, &f, "run", "-o", "out.npy", "in.npy"));
    ck_assert_str_eq(o.words[0], "in.npy");
    ck_assert_str_eq(o.out, "out.npy");
    ck_assert(READ(&o, &f, "test", "--help") && o.command == CMD_HELP && o.help == CMD_TEST);
    ck_assert(read_words(&o, &f, 1, (const char *[]){"fake"}) && o.command == CMD_HELP && o.help == CMD_NONE);
}
END_TEST

START_TEST(test_messages)
{
    Options o;
    Fault f;
    ck_assert(!READ(&o, &f, "train", "--epoch", "3"));
    ck_assert_int_eq(f.code, EXIT_USAGE);
    ck_assert_has(f.text, "did you mean '--epochs'?");
    ck_assert(!READ(&o, &f, "trian"));
    ck_assert_has(f.text, "did you mean 'train'?");
    ck_assert(!READ(&o, &f, "train", "--epochs", "0"));
    ck_assert_has(f.text, "'0' is not allowed");
    ck_assert(!READ(&o, &f, "train", "--epochs", "3x") && !READ(&o, &f, "train", "--epochs=") && !READ(&o, &f, "train", "--epochs"));
    ck_assert(!READ(&o, &f, "train", "--lr", "nan") && !READ(&o, &f, "train", "--lr", "-1"));
    ck_assert(!READ(&o, &f, "train", "--batch", "129"));
    ck_assert_has(f.text, "129 is more than the 128");
    ck_assert(!READ(&o, &f, "train", "extra"));
    ck_assert_has(f.text, "no use for 'extra'");
    ck_assert(!READ(&o, &f, "test", "--quiet"));
    ck_assert_has(f.text, "takes no option '--quiet'");
    ck_assert(!READ(&o, &f, "run", "in.npy"));
    ck_assert_has(f.text, "-o OUT.npy");
    ck_assert(!READ(&o, &f, "train", "--resume", "--init-weights", "x"));
    ck_assert_has(f.text, "exclude");
    ck_assert(!READ(&o, &f, "--epochs", "3"));
    ck_assert_has(f.text, "a subcommand comes first");
}
END_TEST

START_TEST(test_processor)
{
    char missing[200];
    ck_assert_int_eq(cpu_missing("", missing, sizeof missing), 0);
    ck_assert_int_eq(cpu_missing("sse2,+cx8,fast-bextr,-amx-tile,64bit", missing, sizeof missing), 0);
    ck_assert_int_eq(cpu_missing("sse2,amx-complexity,xyz", missing, sizeof missing), 2);
    ck_assert_str_eq(missing, "amx-complexity, xyz");
    ck_assert_int_eq(cpu_missing("avx2", missing, sizeof missing), !__builtin_cpu_supports("avx2"));
    ck_assert_int_eq(cpu_missing("avx512f", missing, sizeof missing), !__builtin_cpu_supports("avx512f"));
    ck_assert_int_eq(cpu_missing("fma", missing, sizeof missing), !__builtin_cpu_supports("fma"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {test_values, test_messages, test_processor, NULL};
    return run_suite("options", tests);
}
