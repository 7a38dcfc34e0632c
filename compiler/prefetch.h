/* prefetch.h: lines of memory are asked for before they are needed.
 *
 * A processor guesses what will be read where a few streams of lines follow one another. It does not where many streams go on at once (a
 * Winograd transform reads eight rows of a picture), where each pass jumps (down a column of weights), or where reading begins anew (behind a
 * sum: a short run for each row of a register tile). There the loops say it themselves.
 *
 *     behind a sum     What statements behind a reduction read is asked for in front of it: the reduction takes as long as memory does.
 *     ahead in a loop  What a later pass reads is asked for in this one, spread over its statements: requests in one heap would hold up
 *                      the loads of their own pass.
 *
 *     in sums          What the next pass of a loop reads, over several nests or with sums over channels in it (in one loop: not those by lines of them, conv.c), is asked for inside the sums of this one (prefetch_sums.c).
 *     tile after tile  What the next tile of sums multiplies, a line of each channel, or updates, is asked for while this one goes through its images (prefetch_spread.c).
 *
 * Only loads of vectors count (but in sums and tiles), and rows of squares that are turned round (stmt_turns); each of the four asks for nothing twice in a pass.
 */
#ifndef NETC_PREFETCH_H
#define NETC_PREFETCH_H

#include "loop.h"

/* Adds STMT_PREFETCHes to all kernels, whose buffers have strides and addresses. */
void prefetch_program(Program *p);

#endif
