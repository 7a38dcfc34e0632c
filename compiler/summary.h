/* summary.h: the table of layers that --summary prints. */
#ifndef NETC_SUMMARY_H
#define NETC_SUMMARY_H

#include "model.h"

/* Appends a row for each layer (name, output shape, parameters, multiply-adds of forward for one image) and the totals. Scratch from a. */
void summary_print(Text *out, Arena *a, const Model *m);

#endif
