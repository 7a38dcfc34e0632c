/* train.h: what the training loop computes with; the loop itself is command_train (commands.h). */
#ifndef TRAIN_H
#define TRAIN_H

#include "nrt.h"

/* The learning rate of epoch e (from 0) of `epochs`, starting from `lr`:
 *   constant            lr
 *   step(every, gamma)  lr * gamma^floor(e / every)
 *   cosine(warmup=w)    lr * (e + 1) / (w + 1) for e < w, then lr * (1 + cos(pi * (e - w) / (epochs - w))) / 2  (Loshchilov and Hutter, 2017) */
double train_rate(const nrt_train *t, double lr, int64_t e, int64_t epochs);

#endif
