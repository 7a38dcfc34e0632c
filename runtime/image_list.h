/* image_list.h: the picture files of images("dir"), by class. Nothing is decoded here.
 *
 *   dir/CLASS/FILE                      without a folder `train`: a share of each class is for testing
 *   dir/train/CLASS/FILE, dir/test/...  the parts as they are; instead of `test`, `val` or `validation`. Without any of them a
 *                                       share of the classes under `train` is for testing
 *
 * Classes are the folders that hold the files, sorted by the bytes of their names, so that the first is class 0; folders whose
 * names begin with a dot are passed over. Pictures are the files directly in them that are named *.png, *.jpg or *.jpeg (in any
 * case); everything else is passed over. They are listed in turn from each class, its files sorted by bytes: the first of every
 * class, then the second of every class, so that the first N are a fair sample.
 *
 * A share s of a class's n files is floor(n * s) of them, spread evenly over the class. */
#ifndef IMAGE_LIST_H
#define IMAGE_LIST_H

#include <stdint.h>

#include "fault.h"

typedef struct ImageList {
    char *folder;      /* where the classes' folders lie */
    int64_t classes;
    char **class_name; /* [classes] */
    int64_t count;
    char **path;       /* [count], within `folder`: "CLASS/FILE" */
    int32_t *label;    /* [count] */
} ImageList;

/* Lists the training (or test) part of the folder `dir` into *out, which the caller frees with image_list_free. Without test pictures (a share
 * of 0, say) count is 0. False with EXIT_DATA where there is no folder, no class, a class without pictures to train on, more than
 * `most` classes, or a test class that is not trained on; EXIT_IO where a folder cannot be read. */
bool image_list_read(const char *dir, bool test, double share, int64_t most, ImageList *out, Fault *f);
void image_list_free(ImageList *l);
/* The names of the classes as one text, "cat/dog": no name of a folder holds a '/'. The caller frees it. */
char *image_list_classes(const ImageList *l);

#endif
