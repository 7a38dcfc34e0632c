/* class_names.h: what the classes of a network are called. */
#ifndef CLASS_NAMES_H
#define CLASS_NAMES_H

#include <stddef.h>

#include "nrt.h"

/* The name of class i into buf, which is returned: of images(), the i-th name in `folders` ("cat/dog", or null where it is not known);
 * of mnist the digit; of fashion_mnist, cifar10 and synthetic, the usual name. "" where a class has no name. */
const char *class_name(const nrt_model *m, const char *folders, int64_t i, char *buf, size_t size);

#endif
