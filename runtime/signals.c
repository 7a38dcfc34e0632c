/* signals.c: both signals are blocked everywhere and awaited by a thread of their own, so no handler runs between two
 * instructions of something else, and no global is needed. The thread lives as long as the process. */
#include "signals.h"
#include "fault.h"
#include "mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct Signals {
    sigset_t set;
    _Atomic int caught;
};

/* Ends the process by its default action. */
static _Noreturn void end_by(int number)
{
    sigset_t one;
    signal(number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, number);
    kill(getpid(), number); /* to the whole process: pending until a thread takes it, which is this one, next */
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    for (;;)
        pause();
}

static void *watch(void *arg)
{
    Signals *s = arg;
    for (;;) {
        int number;
        if (sigwait(&s->set, &number) != 0)
            continue;
        if (atomic_load(&s->caught))
            end_by(number);
        atomic_store(&s->caught, number);
    }
    return NULL;
}

static void watch_unless_ignored(Signals *s, int number)
{
    struct sigaction now;
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        sigaddset(&s->set, number);
}

Signals *signals_watch(void)
{
    Signals *s = mem_get(1, sizeof *s);
    pthread_t id;
    sigemptyset(&s->set);
    watch_unless_ignored(s, SIGINT);
    watch_unless_ignored(s, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &s->set, NULL);
    if (pthread_create(&id, NULL, watch, s) != 0)
        die(EXIT_ENV, "the system has no thread left to wait for signals with");
    pthread_detach(id);
    return s;
}

int signals_caught(const Signals *s)
{
    return atomic_load(&s->caught);
}

_Noreturn void signals_raise(const Signals *s)
{
    end_by(atomic_load(&s->caught));
}
