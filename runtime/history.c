/* history.c: a growing list, as text with %.17g so that a resumed run shows the very same numbers. */
#include "history.h"
#include "mem.h"

#include <math.h>
#include <stdlib.h>

void history_add(History *h, EpochResult r)
{
    if (h->n == h->cap)
        h->at = mem_grow(h->at, (size_t)(h->cap = h->cap * 2 + 16), sizeof *h->at);
    h->at[h->n++] = r;
}

void history_free(History *h)
{
    free(h->at);
    *h = (History){0};
}

char *history_text(const History *h)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out)
        return mem_printf("%s", "");
    for (int64_t i = 0; i < h->n; i++) {
        const EpochResult *r = &h->at[i];
        fprintf(out, "%lld %.17g %.17g %.17g %.17g;", (long long)r->epoch, r->train_loss, r->train_acc, r->val_loss, r->val_acc);
    }
    fclose(out);
    return text;
}

bool history_parse(History *h, const char *text)
{
    *h = (History){0};
    while (*text) {
        double v[5];
        for (int i = 0; i < 5; i++) {
            char *end;
            v[i] = strtod(text, &end);
            if (end == text || *end != (i < 4 ? ' ' : ';')) {
                history_free(h);
                return false;
            }
            text = end + 1;
        }
        history_add(h, (EpochResult){fabs(v[0]) < 1e15 ? (int64_t)v[0] : 0, v[1], v[2], v[3], v[4], NAN, NAN, NAN, 0});
    }
    return true;
}

static void field(FILE *out, const char *name, double value, int digits)
{
    if (isfinite(value))
        fprintf(out, ",\"%s\":%.*g", name, digits, value);
    else
        fprintf(out, ",\"%s\":null", name);
}

void history_json(FILE *out, const EpochResult *r)
{
    fprintf(out, "{\"event\":\"epoch\",\"epoch\":%lld", (long long)r->epoch);
    field(out, "train_loss", r->train_loss, 9);
    field(out, "train_acc", r->train_acc, 9);
    field(out, "val_loss", r->val_loss, 9);
    field(out, "val_acc", r->val_acc, 9);
    field(out, "images_per_s", r->images_per_s, 6);
    field(out, "seconds", r->seconds, 6);
    field(out, "data_wait_seconds", r->data_wait_seconds, 6);
    if (r->unreadable > 0)
        fprintf(out, ",\"unreadable\":%lld", (long long)r->unreadable);
    fprintf(out, "}\n");
}
