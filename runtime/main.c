/* main.c: the trainer's main(): the processor first, for nothing compiled for another may run; then the command line. */
#include "commands.h"
#include "cpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void check_processor(const nrt_model *m)
{
    char missing[400];
    if (m->abi != NRT_ABI)
        die(EXIT_BUG, "internal error: the network was compiled for runtime version %d, this is %d", m->abi, NRT_ABI);
    if (cpu_missing(m->features, missing, sizeof missing) > 0)
        die(EXIT_ENV, "this processor does not have %s, which the network was compiled for (-march=%s); compile it on this machine, or for an older -march",
            missing, m->cpu);
}

/* The exit code; a failure inside ends the process itself. */
static int run_command(const nrt_model *m, const Options *o)
{
    switch (o->command) {
    case CMD_TRAIN: return command_train(m, o);
    case CMD_TEST: return command_test(m, o);
    case CMD_PREDICT: return command_predict(m, o);
    case CMD_RUN: return command_run(m, o);
    case CMD_SUMMARY: return command_summary(m, o);
    case CMD_TIME: return command_time(m, o);
    case CMD_EXPORT: return command_export(m, o);
    case CMD_NONE:
    case CMD_HELP: options_help(o->help, m); break;
    }
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    const nrt_model *m = &nrt_the_model;
    Options o;
    Fault f;
    int code;
    check_processor(m);
    if (!options_read(&o, m, argc, argv, &f))
        fault_die(&f);
    code = run_command(m, &o);
    if (fflush(stdout) != 0 || ferror(stdout))
        die(EXIT_IO, "standard output: cannot be written: %s", strerror(errno));
    return code;
}
