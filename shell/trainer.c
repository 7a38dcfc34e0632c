/* trainer.c: the trainers' command line, from the runtime's tables. */
#include "cli.h"
#include "options.h"

#include <stdlib.h>

/* The runtime's messages name the network; here there is none. */
const nrt_model nrt_the_model = {.abi = NRT_ABI, .name = "netc-trainer", .source = ""};

static const CliForm forms[] = {
    [OPT_FLAG] = CLI_FLAG, [OPT_TEXT] = CLI_EITHER, [OPT_TEXT_MAYBE] = CLI_MAYBE, [OPT_COUNT] = CLI_EITHER, [OPT_NUMBER] = CLI_EITHER,
};

static void fill_commands(CliCommand *out) {
    for (int c = CMD_TRAIN; c <= CMD_EXPORT; c++) *out++ = (CliCommand){command_table[c].name, command_table[c].words, command_table[c].doc};
    *out = (CliCommand){0};
}

static CliOption *make_options(void) {
    size_t n = 0;
    while (option_table[n].name) n++;
    CliOption *all = calloc(n + 1, sizeof *all);
    if (!all) abort();
    for (size_t i = 0; i < n; i++) {
        const Option *o = &option_table[i];
        all[i] = (CliOption){forms[o->kind], o->name, o->value, o->doc, NULL, (unsigned)o->commands >> CMD_TRAIN};
    }
    return all;
}

const Cli *cli_describe(void) {
    static const CliList lists[] = {{NULL, NULL}};
    static CliCommand commands[CMD_EXPORT - CMD_TRAIN + 2];
    static Cli cli = {.program = "netc-trainer", .commands = commands, .lists = lists};
    fill_commands(commands);
    cli.options = make_options();
    return &cli;
}
