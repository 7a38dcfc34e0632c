/* signals.h: SIGINT and SIGTERM as something that the training loop asks about. */
#ifndef SIGNALS_H
#define SIGNALS_H

typedef struct Signals Signals;

/* From now on the first SIGINT or SIGTERM is only noted, the second one ends the process as if nobody had handled it. To be called
 * before other threads are started, for they inherit the mask. Signals that the process was told to ignore stay ignored. */
Signals *signals_watch(void);
/* The signal that came, or 0. */
int signals_caught(const Signals *s);
/* Ends the process by the signal that came, so that whoever waits for it sees why (130 or 143 in a shell). */
_Noreturn void signals_raise(const Signals *s);

#endif
