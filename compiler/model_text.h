/* model_text.h: the header of the text forms: what a Model says, printed and read back.
 *
 *     network lenet Nx1x28x28 -> Nx10 from "examples/lenet.net"
 *     source 1 "examples/lenet.net"
 *     header !1:2:1-30
 *     call 1 stage1 "stage(2, 64, 1)" !1:25:5-35
 *     call 2 stage1.residual1 "residual(64, 1, false)" !1:18:5-31@1
 *     train { lr=0.9 init=xavier_uniform }
 *     layer conv1 conv Nx6x28x28 params=156 macs=117600 !1:6:5-24
 *
 * `source` gives the files that spans point into their numbers; `header` is where the network's is; `call` gives the calls of blocks their numbers,
 * and behind the span of what stands in a block's body, @ and a number say which call that is (Span.call). `train` holds the settings that are not at their default.
 */
#ifndef NETC_MODEL_TEXT_H
#define NETC_MODEL_TEXT_H

#include "model.h"
#include "scan_text.h"

/* Appends the header to t; ends with a newline. */
void model_print(const Model *m, Text *t);
/* Reads a header, up to the first token that is not of it. The sources are added to the scanner's Diag, without their text,
 * so that spans keep their file. Returns null after an error. */
Model *model_parse(TextScanner *s);

#endif
