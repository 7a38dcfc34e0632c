/* cli.c: what all writers ask of an option. */
#include "cli.h"

#include <string.h>

CliValue cli_value(const CliOption *o) {
    if (!o->arg) return CLI_NOTHING;
    if (o->words) return CLI_WORDS;
    if (strstr(o->arg, "FILE")) return CLI_FILE;
    return strstr(o->arg, "DIR") ? CLI_FOLDER : CLI_TEXT;
}

const char *cli_join(const CliOption *o) {
    switch (o->form) {
    case CLI_FLAG:
    case CLI_TIGHT: return "";
    case CLI_SPACED:
    case CLI_EITHER:
    case CLI_MAYBE: return " ";
    case CLI_EQUALS: return "=";
    }
    return "";
}

bool cli_takes(const CliOption *o, int command) { return o->commands >> command & 1; }

void cli_escape(FILE *out, const char *text, const char *special) {
    for (; *text; text++) {
        if (strchr(special, *text)) putc('\\', out);
        putc(*text, out);
    }
}
