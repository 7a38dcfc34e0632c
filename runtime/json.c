/* json.c: the part of JSON that the header of a safetensors file is made of: objects, arrays, strings and whole numbers. */
#include "json.h"
#include "mem.h"

#include <stdlib.h>
#include <string.h>

bool json_take(Json *j, char c)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r'))
        j->at++;
    if (j->at == j->end || *j->at != c)
        return false;
    j->at++;
    return true;
}

bool json_end(Json *j)
{
    (void)json_take(j, '\1'); /* skips blanks; no such character can be taken for JSON */
    return j->at == j->end;
}

static bool hex4(Json *j, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = j->at < j->end && *j->at ? strchr(digits, *j->at >= 'A' && *j->at <= 'F' ? *j->at + 32 : *j->at) : NULL;
        if (!d)
            return false;
        *out = *out << 4 | (unsigned)(d - digits);
    }
    return true;
}

static char *utf8_put(char *p, unsigned c)
{
    if (c < 0x80) {
        *p++ = (char)c;
    } else if (c < 0x800) {
        *p++ = (char)(0xc0 | c >> 6);
        *p++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *p++ = (char)(0xe0 | c >> 12);
        *p++ = (char)(0x80 | (c >> 6 & 63));
        *p++ = (char)(0x80 | (c & 63));
    } else {
        *p++ = (char)(0xf0 | c >> 18);
        *p++ = (char)(0x80 | (c >> 12 & 63));
        *p++ = (char)(0x80 | (c >> 6 & 63));
        *p++ = (char)(0x80 | (c & 63));
    }
    return p;
}

/* What follows \u: one unit, or a surrogate pair. */
static bool unicode_escape(Json *j, char **out)
{
    unsigned c, low;
    if (!hex4(j, &c) || c == 0 || (c >= 0xdc00 && c < 0xe000))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        if (j->end - j->at < 6 || j->at[0] != '\\' || j->at[1] != 'u')
            return false;
        j->at += 2;
        if (!hex4(j, &low) || low < 0xdc00 || low >= 0xe000)
            return false;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = utf8_put(*out, c);
    return true;
}

static bool escape(Json *j, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *k;
    char c;
    if (j->at == j->end)
        return false;
    c = *j->at++;
    if (c == 'u')
        return unicode_escape(j, out);
    if (!c || !(k = strchr(from, c)))
        return false;
    *(*out)++ = to[k - from];
    return true;
}

bool json_string(Json *j, char **out)
{
    const char *q;
    char *p;
    *out = NULL;
    if (!json_take(j, '"'))
        return false;
    for (q = j->at; q < j->end && *q != '"'; q += *q == '\\' ? 2 : 1) {}
    if (q >= j->end)
        return false;
    *out = p = mem_get((size_t)(q - j->at) + 1, 1); /* no escape is shorter than what it stands for */
    while (*j->at != '"') {
        if (*j->at != '\\' && (unsigned char)*j->at >= 0x20) {
            *p++ = *j->at++;
            continue;
        }
        if (*j->at++ != '\\' || !escape(j, &p)) {
            free(*out);
            *out = NULL;
            return false;
        }
    }
    j->at++;
    return true;
}

bool json_integer(Json *j, int64_t *out)
{
    int64_t v = 0;
    const char *start;
    (void)json_take(j, '\1'); /* blanks */
    start = j->at;
    for (; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++)
        if (__builtin_mul_overflow(v, (int64_t)10, &v) || __builtin_add_overflow(v, (int64_t)(*j->at - '0'), &v))
            return false;
    *out = v;
    return j->at > start && (j->at - start == 1 || *start != '0') && (j->at == j->end || !strchr(".eE", *j->at));
}

void json_write_string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}
