/* stream_lines.h: of the stores that had better go past the caches, those that fill lines of memory.
 *
 * Such stores meet in a few buffers of a line each. Where a vector is a line, every store fills one. Where it is half of one (AVX2), a line whose other half comes late, or never, is written in parts, each of
 * which costs as much as the whole: so the stores of a line have to follow one another in one straight run of statements, as the points of a Winograd tile do.
 */
#ifndef NETC_STREAM_LINES_H
#define NETC_STREAM_LINES_H

#include "loop.h"
#include "map.h"

/* Marks (Stmt.streamed) the stores in the body, of vectors of so many f32, to buffers that are keys of `late`, where they fill lines. Buffers have their addresses. */
void stream_lines(Arena *a, Stmt *body, int lanes, const Map *late);

#endif
