/* history.h: what became of each epoch; the source of the log's epoch lines, the curve and a resumed run's past. */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct EpochResult {
    int64_t epoch;                     /* from 1 */
    double train_loss, train_acc;      /* an accuracy is NaN where there are no classes */
    double val_loss, val_acc;          /* NaN without a test part */
    double images_per_s, seconds;      /* of training steps; seconds with evaluation; NaN where another run took them */
    double data_wait_seconds;          /* of these, how long training steps waited for their data */
    int64_t unreadable;                /* pictures left out so far because their files cannot be read */
} EpochResult;

typedef struct History { EpochResult *at; int64_t n, cap; } History;

void history_add(History *h, EpochResult r);
void history_free(History *h);
/* As text ("epoch train_loss ... ;..."), for a checkpoint; the caller frees it. Times are left out: equal runs write equal
 * checkpoints. history_parse reads it back: false, and an
 * empty history, where the text is damaged. */
char *history_text(const History *h);
bool history_parse(History *h, const char *text);
/* One line of JSON: {"event":"epoch",...}; what is NaN is null. */
void history_json(FILE *out, const EpochResult *r);

#endif
