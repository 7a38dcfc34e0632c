/* random_shrink.h: the smallest network that still fails. */
#ifndef RANDOM_SHRINK_H
#define RANDOM_SHRINK_H

#include "random_net.h"

typedef bool NetPredicate(void *ctx, const RandomNet *net);

/* Makes a failing network smaller as long as it fails: no record can then be dropped, no number lowered, nothing turned to its plainest
 * form by itself. `fails` is asked about valid networks only, at most `questions` times. */
RandomNet net_shrink(const RandomNet *net, NetPredicate *fails, void *ctx, int questions);

#endif
