/* plot.c: two panels side by side, loss and accuracy, each with a training and a test line; plain SVG, no script, no font files.
 *
 * Colours are CSS classes, with a second set for dark surroundings; no CSS variables, which many renderers do not know. Ticks are at 1, 2 or 5 times a power of ten, chosen so
 * that 4 to 8 fall into an axis; the loss axis starts at zero, so that heights can be compared. */
#include "plot.h"
#include "atomic_file.h"

#include <math.h>
#include <string.h>

enum { PANEL_W = 380, PANEL_H = 250, LEFT = 62, TOP = 74, GAP = 84, MARGIN_RIGHT = 28, BOTTOM = 58 };

typedef struct Panel {
    FILE *out;
    const History *h;
    double x0, y0;          /* upper left corner of the plot area, pixels */
    double first, last;     /* epochs at its left and right edge */
    double lo, hi, tick;    /* values at its lower and upper edge, distance of ticks */
} Panel;

typedef double Value(const EpochResult *r);

static double train_loss(const EpochResult *r) { return r->train_loss; }
static double train_acc(const EpochResult *r) { return r->train_acc; }
static double val_loss(const EpochResult *r) { return r->val_loss; }
static double val_acc(const EpochResult *r) { return r->val_acc; }

static double tick_step(double span, int most)
{
    double raw = span / most, power = pow(10, floor(log10(raw))), m = raw / power;
    return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

static double place_x(const Panel *p, double epoch)
{
    return p->last > p->first ? p->x0 + PANEL_W * (epoch - p->first) / (p->last - p->first) : p->x0 + PANEL_W / 2.0;
}

static double place_y(const Panel *p, double v)
{
    return p->y0 + PANEL_H * (1 - (v - p->lo) / (p->hi - p->lo));
}

static void label(FILE *out, double x, double y, const char *class, const char *anchor, const char *text)
{
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">", x, y, class, anchor);
    for (; *text; text++) {
        const char *entity = *text == '<' ? "&lt;" : *text == '&' ? "&amp;" : *text == '>' ? "&gt;" : NULL;
        if (entity)
            fputs(entity, out);
        else
            fputc(*text, out);
    }
    fputs("</text>\n", out);
}

static void panel_axes(const Panel *p, const char *name)
{
    FILE *out = p->out;
    char text[32];
    double step = p->last > p->first ? fmax(1, tick_step(p->last - p->first, 8)) : 1;
    int decimals = p->tick < 1 && p->tick > 1e-5 ? (int)ceil(-log10(p->tick) - 1e-9) : 0;
    label(out, p->x0, p->y0 - 14, "name", "start", name);
    for (int i = 0; p->lo + i * p->tick <= p->hi + p->tick * 1e-6; i++) {
        double v = p->lo + i * p->tick, y = place_y(p, v);
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", p->x0, y, p->x0 + PANEL_W, y);
        if (fabs(v) < 1e6 && p->tick > 1e-5)
            snprintf(text, sizeof text, "%.*f", decimals, fabs(v) < p->tick * 1e-6 ? 0 : v);
        else
            snprintf(text, sizeof text, "%.6g", v);
        label(out, p->x0 - 10, y + 4, "tick", "end", text);
    }
    for (double e = ceil(p->first / step) * step; e <= p->last; e += step) {
        double x = place_x(p, e);
        fprintf(out, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x, p->y0 + PANEL_H, x, p->y0 + PANEL_H + 5);
        snprintf(text, sizeof text, "%.6g", e);
        label(out, x, p->y0 + PANEL_H + 20, "tick", "middle", text);
    }
    fprintf(out, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", p->x0, p->y0 + PANEL_H, p->x0 + PANEL_W, p->y0 + PANEL_H);
    label(out, p->x0 + PANEL_W / 2.0, p->y0 + PANEL_H + 42, "tick", "middle", "epoch");
}

static bool has_values(const History *h, Value *value)
{
    for (int64_t i = 0; i < h->n; i++)
        if (isfinite(value(&h->at[i])))
            return true;
    return false;
}

static void panel_line(const Panel *p, Value *value, const char *class)
{
    int points = 0;
    fprintf(p->out, "<path class=\"line %s\" d=\"", class);
    for (int64_t i = 0; i < p->h->n; i++) {
        double v = value(&p->h->at[i]);
        if (isfinite(v))
            fprintf(p->out, "%s%.2f %.2f", points++ ? "L" : "M", place_x(p, (double)p->h->at[i].epoch), place_y(p, v));
    }
    fprintf(p->out, "\"/>\n");
    for (int64_t i = 0; i < p->h->n && p->h->n <= 60; i++) {
        double v = value(&p->h->at[i]);
        if (isfinite(v))
            fprintf(p->out, "<circle class=\"dot %s\" cx=\"%.2f\" cy=\"%.2f\" r=\"2.6\"><title>epoch %lld: %.6g</title></circle>\n", class,
                    place_x(p, (double)p->h->at[i].epoch), place_y(p, v), (long long)p->h->at[i].epoch, v);
    }
}

static void legend(FILE *out, double x, double y, const char *class, const char *name)
{
    fprintf(out, "<line class=\"line %s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x, y - 4, x + 22, y - 4);
    label(out, x + 28, y, "tick", "start", name);
}

/* One panel: its range from the values (a loss's from zero), axes, a line each for training and test. */
static void panel_draw(Panel p, const char *name, Value *train, Value *test, bool is_loss)
{
    double lo = INFINITY, hi = -INFINITY;
    for (int64_t i = 0; i < p.h->n; i++) {
        double v[2] = {train(&p.h->at[i]), test(&p.h->at[i])};
        for (int k = 0; k < 2; k++) {
            lo = isfinite(v[k]) ? fmin(lo, v[k]) : lo;
            hi = isfinite(v[k]) ? fmax(hi, v[k]) : hi;
        }
    }
    if (lo > hi)
        lo = 0, hi = 1;
    lo = is_loss ? fmin(lo, 0) : lo;
    hi = hi - lo < 1e-9 ? lo + fmax(fabs(lo), 1e-3) : hi;
    p.tick = tick_step(hi - lo, 6);
    p.lo = floor(lo / p.tick) * p.tick;
    p.hi = ceil(hi / p.tick) * p.tick;
    panel_axes(&p, name);
    if (has_values(p.h, train))
        panel_line(&p, train, "train");
    if (has_values(p.h, test))
        panel_line(&p, test, "test");
    legend(p.out, p.x0 + PANEL_W - (has_values(p.h, test) ? 140 : 70), p.y0 - 14, "train", "train");
    if (has_values(p.h, test))
        legend(p.out, p.x0 + PANEL_W - 62, p.y0 - 14, "test", "test");
}

static const char style[] =
    "<style>\n"
    "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2933}\n"
    ".title{font-size:17px;font-weight:600}.name{font-size:13px;font-weight:600}.tick{font-size:12px;fill:#6b7785}\n"
    ".paper{fill:#ffffff}.grid{stroke:#e6e9ed;stroke-width:1}.axis{stroke:#8a95a3;stroke-width:1}\n"
    ".line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.train{stroke:#2f6fde}.test{stroke:#e0702b}\n"
    ".dot,.dot.train,.dot.test{stroke:#ffffff;stroke-width:1}.dot.train{fill:#2f6fde}.dot.test{fill:#e0702b}\n"
    "@media(prefers-color-scheme:dark){text{fill:#e8ecf1}.tick{fill:#98a4b3}.paper{fill:#14181d}.grid{stroke:#2a313a}.axis{stroke:#6b7785}\n"
    ".train{stroke:#6ea8ff}.test{stroke:#ffa25c}.dot,.dot.train,.dot.test{stroke:#14181d}.dot.train{fill:#6ea8ff}.dot.test{fill:#ffa25c}}\n"
    "</style>\n";

bool plot_write(const char *path, const char *title, const History *h, Fault *f)
{
    AtomicFile out;
    bool accuracy = has_values(h, train_acc) || has_values(h, val_acc);
    int width = LEFT + PANEL_W + MARGIN_RIGHT + (accuracy ? GAP + PANEL_W : 0), height = TOP + PANEL_H + BOTTOM;
    Panel p = {.h = h, .x0 = LEFT, .y0 = TOP, .first = h->n ? (double)h->at[0].epoch : 0, .last = h->n ? (double)h->at[h->n - 1].epoch : 1};
    if (!atomic_open(&out, path, f))
        return false;
    p.out = out.out;
    fprintf(out.out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n%s", width, height,
            width, height, style);
    fprintf(out.out, "<rect class=\"paper\" width=\"%d\" height=\"%d\" rx=\"8\"/>\n", width, height);
    label(out.out, LEFT, 34, "title", "start", title);
    panel_draw(p, "loss", train_loss, val_loss, true);
    p.x0 += PANEL_W + GAP;
    if (accuracy)
        panel_draw(p, "accuracy", train_acc, val_acc, false);
    fputs("</svg>\n", out.out);
    return atomic_commit(&out, f);
}
