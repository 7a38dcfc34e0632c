/* safetensors.h: files of named float tensors, as Hugging Face's safetensors defines them: the length of the header (64 bits,
 * little-endian), a header in JSON, the tensors' bytes. Only F32. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include <stdint.h>

#include "fault.h"

enum { ST_RANK = 8 };

typedef struct StTensor {
    char *name;
    int rank;
    int64_t dim[ST_RANK];
    int64_t begin, end; /* bytes, from the start of the data */
} StTensor;

typedef struct StText { char *key, *value; } StText; /* one string of __metadata__ */

typedef struct StFile {
    char *path;
    int fd;
    int64_t data;       /* where the data starts in the file */
    int64_t count, texts;
    StTensor *at;       /* [count], sorted by name */
    StText *text;       /* [texts] */
} StFile;

/* Opens a file and reads its header, checking all of it: sizes, types, names that differ, tensors that fill the data without gap or
 * overlap. False with EXIT_DATA (EXIT_IO where it cannot be opened). What it returns is closed with st_close. */
bool st_open(StFile *s, const char *path, Fault *f);
void st_close(StFile *s);
/* The tensor of that name, or null. */
const StTensor *st_find(const StFile *s, const char *name);
/* The metadata of that key, or null. */
const char *st_text(const StFile *s, const char *key);
/* Reads a tensor's elements to `out`. */
bool st_load(const StFile *s, const StTensor *t, float *out, Fault *f);

typedef struct StItem { /* one tensor to be written */
    const char *name;
    int rank;
    const int64_t *dim;
    const float *data;
} StItem;

/* Writes tensors, in this order, and metadata (keys and values) to path, atomically. False with EXIT_IO. */
bool st_write(const char *path, const StItem *items, int64_t count, const StText *texts, int64_t text_count, Fault *f);

#endif
