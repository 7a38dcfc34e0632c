/* rng.h: the runtime's one source of chance: xoshiro256** (Blackman and Vigna, 2018), seeded through splitmix64.
 *
 * A generator is named by a seed and a stream: (seed, stream) always gives the same numbers, and streams do not overlap in
 * practice (2^256 states). Which stream means what is said where it is used. */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

typedef struct Rng { uint64_t s[4]; } Rng;

/* The generator of this seed and stream. */
Rng rng_new(uint64_t seed, uint64_t stream);
/* 64 random bits. */
uint64_t rng_next(Rng *r);
/* Uniform in [0, 1), a multiple of 2^-53. */
double rng_uniform(Rng *r);
/* Uniform in [lo, hi). */
double rng_range(Rng *r, double lo, double hi);
/* Standard normal, by Box and Muller's formula; uses two numbers for each. */
double rng_normal(Rng *r);
/* Uniform in 0 .. n-1 for n > 0, without bias (Lemire, 2019). */
uint64_t rng_below(Rng *r, uint64_t n);
/* A number that depends on every byte of the text: FNV-1a, 64 bits. Streams that have a name use it. */
uint64_t rng_hash(const char *text);

#endif
