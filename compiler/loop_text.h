/* loop_text.h: the text of the loops, printed for people and read back by netc.
 *
 *     network lenet Nx1x28x28 -> Nx10 from "examples/lenet.net"      the model's header: see model_text.h
 *     ...
 *     program lanes=8 chunk=1 state=246912 arena=4718592 scratch=65536
 *     tensor conv1.weight weight [6, 1, 5, 5] offset=0 fan_in=25 fan_out=150
 *     buffer conv1.y f32 [-1, 6, 14, 14, 8] scratch offset=0 bytes=73728 base=0 stride [9408, 1568, 112, 8, 1]
 *     kernel conv1.forward layer conv1 forward flops=235200 bytes=4096 (lo, hi, task, n, blocks, chunks) "direct, tile 6x2" !1:6:5-24 {
 *         local acc f32 [6, 2, 8] local offset=0 bytes=384 base=0 stride [16, 8, 1]
 *         for nb = lo .. hi !1:6:5-24 {
 *             lane l = 0 .. 8 {
 *                 for ow = max(0, nb - 3) .. min(28, 2*nb + 4) step 2 {
 *                     unroll o = 0 .. 6 {
 *                         acc[o, 0, l] = fma(x[nb, 0, ow, l], w[o], acc[o, 0, l])
 *     ...
 *     step {
 *         segment train blocks { conv1.forward }
 *         segment fold items { conv1.fold 150 by 32 }
 *     }
 *     infer { ... }
 *
 * Halos, where there are any, are `halo [low:high, ...]`. Operators stand between their operands as in C; printed, every
 * operand that has an operator itself is in parentheses. A number with a point or an exponent is an f32, one without an i32;
 * `index(2*nb + l)` is the i32 value of a form. A comment statement is `note "text"`. A kernel variable that is not used is `-`.
 * Printing what was read from print gives the same text.
 */
#ifndef NETC_LOOP_TEXT_H
#define NETC_LOOP_TEXT_H

#include "diag.h"
#include "loop.h"

/* Appends the program to t. */
void loop_print(const Program *p, Text *t);
/* Appends the head of a loop: "for h2 = 0 .. 28 step 2". */
void loop_print_head(const Stmt *loop, Text *t);
/* Appends one kernel of it. */
void loop_print_kernel(const Program *p, const Kernel *k, Text *t);
/* Reads the text of file number `file` of the Diag. Returns null after errors, which are reported there; a program that is
 * returned has passed loop_verify. */
Program *loop_parse(Arena *a, Diag *d, int file);

#endif
