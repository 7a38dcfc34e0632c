/* map.c: see map.h. Open addressing, at most half full; the capacity is a power of two. */
#include "map.h"

static MapSlot *find_slot(MapSlot *slots, int cap, const void *key) {
    uint64_t hash = (uint64_t)(uintptr_t)key * 0x9E3779B97F4A7C15u;
    size_t mask = (size_t)cap - 1, i = (size_t)(hash >> 32) & mask;
    while (slots[i].key && slots[i].key != key) i = (i + 1) & mask;
    return &slots[i];
}

static void grow(Arena *a, Map *m) {
    int cap = m->cap ? m->cap * 2 : 8;
    MapSlot *slots = ARENA_ARRAY(a, MapSlot, cap);
    for (int i = 0; i < m->cap; i++)
        if (m->slots[i].key) *find_slot(slots, cap, m->slots[i].key) = m->slots[i];
    m->slots = slots;
    m->cap = cap;
}

void *map_get(const Map *m, const void *key) { return m->n ? find_slot(m->slots, m->cap, key)->value : NULL; }

void **map_at(Arena *a, Map *m, const void *key) {
    if (m->n * 2 >= m->cap) grow(a, m);
    MapSlot *slot = find_slot(m->slots, m->cap, key);
    if (!slot->key) {
        slot->key = key;
        m->n++;
    }
    return &slot->value;
}
