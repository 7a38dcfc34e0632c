/* fault.h: how things go wrong. A function that can fail on outside grounds (files, data, the command line) returns false and
 * fills a Fault with the one message that the user will see; whoever owns the process ends it with fault_die. */
#ifndef FAULT_H
#define FAULT_H

#include <stdarg.h>
#include <stdbool.h>

/* Exit codes of a trainer (README, "Exit codes"); a signal that was handled is raised again instead. */
enum { EXIT_OK = 0, EXIT_USAGE = 2, EXIT_DATA = 3, EXIT_IO = 4, EXIT_NONFINITE = 5, EXIT_ENV = 6, EXIT_BUG = 70 };

typedef struct Fault {
    int code;        /* exit code; 0 while nothing went wrong */
    char text[1024]; /* one line without the program's name, no newline */
} Fault;

/* Fills f and returns false, so that `return fault_set(f, EXIT_DATA, ...)` leaves a failing function. */
bool fault_set(Fault *f, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Prints "NAME: error: TEXT" on stderr (NAME is the network's) and exits with f->code. */
_Noreturn void fault_die(const Fault *f);
/* Prints "NAME: warning: TEXT" on stderr, whatever --quiet says: something of the user's was left out. */
void fault_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* fault_set and fault_die in one. */
_Noreturn void die(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
