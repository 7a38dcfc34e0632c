/* json.h: a strict reader of JSON text (RFC 8259) that never looks behind its end, and a writer of strings.
 *
 * The reader is a cursor: each function takes one thing off the front and returns false where something else stands; `at` is then
 * the place that a message should name. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Json { const char *start, *at, *end; } Json;

/* Skips blanks, then takes the character c. */
bool json_take(Json *j, char c);
/* Takes a string and decodes its escapes into the heap (the caller frees *out); a string with a zero character is refused. */
bool json_string(Json *j, char **out);
/* Takes an integer from 0 to 2^63 - 1 without sign, fraction or exponent. */
bool json_integer(Json *j, int64_t *out);
/* True when only blanks are left. */
bool json_end(Json *j);
/* Writes s as a JSON string. */
void json_write_string(FILE *out, const char *s);

#endif
