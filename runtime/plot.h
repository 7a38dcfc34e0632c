/* plot.h: the learning curve as a picture. */
#ifndef PLOT_H
#define PLOT_H

#include "fault.h"
#include "history.h"

/* Writes an SVG with the losses and (where there are any) the accuracies by epoch to path, atomically. Without epochs it
 * shows empty axes. False with EXIT_IO. */
bool plot_write(const char *path, const char *title, const History *h, Fault *f);

#endif
