/* progress.h: what a user sees on stderr while a network trains. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>

#include "history.h"

typedef struct Progress Progress;

/* A display for `epochs` epochs: on a terminal a bar that is redrawn ten times a second, else a line an epoch; quiet: nothing. */
Progress *progress_new(int64_t epochs, bool quiet);
void progress_free(Progress *p);
/* After a step: `done` of `total` images of the epoch, and the epoch's figures so far (accuracy NaN: left out). */
void progress_step(Progress *p, int64_t epoch, int64_t done, int64_t total, double loss, double accuracy, double images_per_s);
/* After an epoch: its line, which tells of time spent waiting for data where it was a hundredth or more. */
void progress_epoch(Progress *p, const EpochResult *r);
/* Takes the bar off the screen. */
void progress_clear(Progress *p);
/* A line of text under what was shown, unless quiet. */
void progress_note(Progress *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
