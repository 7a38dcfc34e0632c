/* packed.h: files of bytes read front to back, plain or gzip-compressed. Messages name the file and the place in its unpacked bytes. */
#ifndef PACKED_H
#define PACKED_H

#include <stdint.h>

#include "fault.h"

typedef struct Packed {
    const char *path;
    struct gzFile_s *gz;
    int64_t offset; /* unpacked bytes read */
} Packed;

/* Opens a file; path must live as long. False with EXIT_DATA (not there) or EXIT_IO, by the rule in dataset.h. */
bool packed_open(Packed *in, const char *path, Fault *f);
void packed_close(Packed *in);
/* Reads n bytes (at most 1 GiB) to p; `wanted` is the whole length that the file should have, for the message where they are not there. */
bool packed_bytes(Packed *in, uint8_t *p, int64_t n, int64_t wanted, Fault *f);
/* Reads n bytes into *out (the caller frees it), a buffer that grows with what arrives and is never larger than n: a header that
 * promises too much costs at most twice the bytes really there. */
bool packed_body(Packed *in, int64_t n, uint8_t **out, Fault *f);
/* As packed_body, but the file may end earlier: *got tells how many bytes there were. */
bool packed_upto(Packed *in, int64_t n, uint8_t **out, int64_t *got, Fault *f);
/* Nothing may follow: EXIT_DATA where something does, or where zlib's check sum is wrong. */
bool packed_end(Packed *in, Fault *f);

#endif
