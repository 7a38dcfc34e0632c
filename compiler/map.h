/* map.h: hash tables from pointers (interned names, mostly) to pointers, in an arena. Keys are never removed. */
#ifndef NETC_MAP_H
#define NETC_MAP_H

#include "base.h"

typedef struct MapSlot { const void *key; void *value; } MapSlot;
typedef struct Map { MapSlot *slots; int n, cap; } Map; /* all zero: empty */

/* The value of a key, or null. */
void *map_get(const Map *m, const void *key);
/* The place of a key's value, made (null) where there was none; valid until the next map_at. Keys are not null. */
void **map_at(Arena *a, Map *m, const void *key);

#endif
