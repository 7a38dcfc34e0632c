/* fault.c: one message on stderr, one exit code. The message is written with one call, so that it stays whole beside the
 * output of other processes, and control characters that came from outside (file names) are shown as '?'. */
#include "fault.h"
#include "nrt.h"

#include <stdio.h>
#include <stdlib.h>

bool fault_set(Fault *f, int code, const char *fmt, ...)
{
    va_list ap;
    f->code = code;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    return false;
}

static void say(const char *kind, const char *text)
{
    char line[sizeof((Fault *)0)->text + 256];
    fflush(stdout);
    snprintf(line, sizeof line, "%.128s: %s: %s", nrt_the_model.name, kind, text);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    fprintf(stderr, "%s\n", line);
}

_Noreturn void fault_die(const Fault *f)
{
    say("error", f->text);
    exit(f->code);
}

void fault_warn(const char *fmt, ...)
{
    char text[sizeof((Fault *)0)->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    say("warning", text);
}

_Noreturn void die(int code, const char *fmt, ...)
{
    Fault f;
    va_list ap;
    f.code = code;
    va_start(ap, fmt);
    vsnprintf(f.text, sizeof f.text, fmt, ap);
    va_end(ap);
    fault_die(&f);
}
