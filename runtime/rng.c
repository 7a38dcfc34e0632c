/* rng.c: xoshiro256** and what is drawn from it. */
#include "rng.h"

#include <math.h>

static uint64_t rotate_left(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

/* splitmix64: a bijection's output on a counter, so different inputs can not collide in all four words. */
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

Rng rng_new(uint64_t seed, uint64_t stream)
{
    uint64_t x = seed, y;
    y = splitmix(&x) ^ stream;
    Rng r;
    for (int i = 0; i < 4; i++)
        r.s[i] = splitmix(&y);
    return r;
}

uint64_t rng_next(Rng *r)
{
    uint64_t *s = r->s, result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double rng_uniform(Rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

double rng_range(Rng *r, double lo, double hi)
{
    return lo + (hi - lo) * rng_uniform(r);
}

double rng_normal(Rng *r)
{
    double u = 1.0 - rng_uniform(r), v = rng_uniform(r); /* u > 0 for the logarithm */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

uint64_t rng_below(Rng *r, uint64_t n)
{
    __extension__ typedef unsigned __int128 Wide;
    Wide m = (Wide)rng_next(r) * n;
    if ((uint64_t)m < n) {
        uint64_t least = (0 - n) % n; /* 2^64 mod n: products below it are drawn again */
        while ((uint64_t)m < least)
            m = (Wide)rng_next(r) * n;
    }
    return (uint64_t)(m >> 64);
}

uint64_t rng_hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}
