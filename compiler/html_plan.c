/* html_plan.c: the kernels as a table, and as points of a roofline: how much each computes for a byte that it moves, and what share of a core's peak it
 * should reach by the predicted time (cost.h), or has reached by a measured one. */
#include <math.h>
#include <string.h>

#include "cost.h"
#include "html_internal.h"

/* ---- figures of a kernel ---- */

static double flop_of(const Html *h, const Kernel *k) { return (double)k->flops * (double)h->model->train.batch; } /* of a batch */

/* A slot is a multiply-add of vectors. */
static double predicted_share(const Html *h, const Kernel *k) { return k->slots > 0 ? flop_of(h, k) / ((double)k->slots * 2 * h->page->program->lanes) : 0; }

static const KernelTime *measured(const Html *h, const Kernel *k) {
    const Timing *t = h->page->timing;
    for (int i = 0; t && i < t->kernels.n; i++)
        if (!strcmp(t->kernels.at[i].name, k->name)) return &t->kernels.at[i];
    return NULL;
}

/* Milliseconds of the batch that was measured, on the threads and at the peak that were measured. */
static double predicted_ms(const Html *h, const Kernel *k) {
    const Timing *t = h->page->timing;
    double share = t->batch > 0 ? (double)t->batch / (double)h->model->train.batch : 1;
    return (double)k->slots * share * 2 * h->page->program->lanes / (t->peak_gflops * 1e6);
}

/* ---- the table ---- */

static void head(const Html *h) {
    text_printf(h->out, "<table id=\"kernels\">\n<thead><tr><th scope=\"col\">kernel</th><th scope=\"col\">pass</th><th scope=\"col\" class=\"num\">MFLOP</th>"
                        "<th scope=\"col\" class=\"num\">kB</th><th scope=\"col\" class=\"num\">FLOP/B</th><th scope=\"col\" class=\"num\">slots</th>"
                        "<th scope=\"col\" class=\"num\">of peak</th>");
    if (h->page->timing)
        text_printf(h->out, "<th scope=\"col\" class=\"num\">predicted ms</th><th scope=\"col\" class=\"num\">measured ms</th>"
                            "<th scope=\"col\" class=\"num\">GFLOP/s</th>");
    text_printf(h->out, "<th scope=\"col\">algorithm, tile, what is fused</th></tr></thead>\n<tbody>\n");
}

static void measured_cells(const Html *h, const Kernel *k) {
    const KernelTime *t = measured(h, k);
    if (!h->page->timing) return;
    if (t) text_printf(h->out, "<td class=\"num\">%.4f</td><td class=\"num\">%.4f</td><td class=\"num\">%.4g</td>", predicted_ms(h, k), t->ms, t->gflops);
    else text_printf(h->out, "<td></td><td class=\"num\">not run</td><td></td>");
}

static void row(const Html *h, int i, const SegmentPart *part, SegmentKind kind) {
    const Kernel *k = h->page->program->kernels.at[i];
    Text *out = h->out;
    text_printf(out, "<tr data-k=\"%d\"><th scope=\"row\">", i);
    html_text(out, k->name);
    text_printf(out, "</th><td class=\"%s\">%s</td><td class=\"num\">%.4g</td><td class=\"num\">%.4g</td>", html_pass_class(k->pass), html_pass_class(k->pass),
                (double)k->flops * 1e-6, (double)k->bytes * 1e-3);
    if (k->flops && k->bytes) text_printf(out, "<td class=\"num\">%.3g</td>", (double)k->flops / (double)k->bytes);
    else text_printf(out, "<td></td>");
    text_printf(out, "<td class=\"num\">%lld</td>", (long long)k->slots);
    if (k->flops) text_printf(out, "<td class=\"num\">%.0f%%</td>", 100 * predicted_share(h, k));
    else text_printf(out, "<td></td>");
    measured_cells(h, k);
    text_printf(out, "<td>");
    if (kind == SEGMENT_ITEMS) text_printf(out, "%lld items by %lld; ", (long long)part->items, (long long)part->per_task);
    html_text(out, k->plan ? k->plan : "");
    text_printf(out, "</td></tr>\n");
}

static void segment_rows(const Html *h, const Segment *s) {
    text_printf(h->out, "<tr class=\"segment\"><th scope=\"rowgroup\" colspan=\"%d\">", h->page->timing ? 11 : 8);
    html_text(h->out, s->name);
    text_printf(h->out, ": %s</th></tr>\n", s->kind == SEGMENT_BLOCKS ? "depth first, a lane block a task" : "independent kernels, cut into items");
    for (int i = 0; i < s->parts.n; i++) row(h, html_kernel(h, s->parts.at[i].kernel->name), &s->parts.at[i], s->kind);
}

void html_plan(const Html *h) {
    const Program *p = h->page->program;
    const Entry *entries[] = {&p->step, &p->infer};
    text_printf(h->out, "<section class=\"pane\" id=\"plan\" aria-labelledby=\"plan-title\">\n<h2 id=\"plan-title\">Plan</h2>\n<div class=\"scroll\">\n"
                        "<p class=\"note\">MFLOP and kB are for one image; slots, the predicted time, are for a batch of %lld: vector multiply-adds that "
                        "a core could do meanwhile. "
                        "Lanes hold %d image%s. Memory: state %lld B, arena %lld B, scratch %lld B a thread.</p>\n",
                (long long)h->model->train.batch, p->lanes, p->lanes == 1 ? "" : "s", (long long)p->state_bytes, (long long)p->arena_bytes, (long long)p->scratch_bytes);
    head(h);
    for (int e = 0; e < 2; e++)
        for (int i = 0; i < entries[e]->segments.n; i++) segment_rows(h, entries[e]->segments.at[i]);
    text_printf(h->out, "</tbody></table>\n</div>\n</section>\n");
}

/* ---- the roofline ---- */

enum { LEFT = 72, TOP = 16, WIDTH = 520, HEIGHT = 300, BOTTOM = 52 };

typedef struct Plot { const Html *h; double x0, x1, y0, y1; } Plot; /* decades at the edges */

static double place_x(const Plot *p, double intensity) { return LEFT + WIDTH * (log10(intensity) - p->x0) / (p->x1 - p->x0); }
static double place_y(const Plot *p, double share) { return TOP + HEIGHT * (p->y1 - log10(share)) / (p->y1 - p->y0); }

static bool is_shown(const Kernel *k) { return k->flops > 0 && k->bytes > 0 && k->slots > 0; }

/* Makes room for a share of the peak: a whole decade below, some air above, where what computes less than it stands for can pass the peak. */
static void hold_share(Plot *p, double share) {
    p->y0 = fmin(p->y0, floor(log10(share)));
    p->y1 = fmax(p->y1, log10(share) + 0.1);
}

/* Whole decades around all points; the peak is always seen. */
static Plot frame(const Html *h) {
    Plot p = {h, 0, 1, -1, 0.3};
    for (int i = 0; i < h->nkernels; i++) {
        const Kernel *k = h->page->program->kernels.at[i];
        const KernelTime *t = measured(h, k);
        if (!is_shown(k)) continue;
        double x = log10((double)k->flops / (double)k->bytes);
        p.x0 = fmin(p.x0, floor(x));
        p.x1 = fmax(p.x1, ceil(x));
        hold_share(&p, predicted_share(h, k));
        if (t && t->gflops > 0) hold_share(&p, t->gflops / h->page->timing->peak_gflops);
    }
    return p;
}

static void axes(const Plot *p) {
    Text *out = p->h->out;
    for (int d = (int)p->x0; d <= (int)p->x1; d++)
        text_printf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/><text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
                    place_x(p, pow(10, d)), TOP, place_x(p, pow(10, d)), TOP + HEIGHT, place_x(p, pow(10, d)), TOP + HEIGHT + 20, pow(10, d));
    for (int d = (int)p->y0; d <= (int)p->y1; d++)
        text_printf(out, "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/><text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g%%</text>\n",
                    LEFT, place_y(p, pow(10, d)), LEFT + WIDTH, place_y(p, pow(10, d)), LEFT - 6, place_y(p, pow(10, d)) + 4, 100 * pow(10, d));
    text_printf(out, "<text class=\"tick\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">FLOP for a byte that is moved</text>\n", LEFT + WIDTH / 2, TOP + HEIGHT + 42);
    text_printf(out, "<text class=\"tick\" transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">share of the peak</text>\n", TOP + HEIGHT / 2);
}

/* The roof where bytes come from among `among` that are in use: it rises until it meets the peak. */
static void roof(const Plot *p, double among, const char *name) {
    double slot_bytes = 1 / cost_memory(p->h->page->machine, 1, among), ridge = 2 * p->h->page->program->lanes / slot_bytes; /* FLOP/B at which a core is at its peak */
    double from = fmax(pow(10, p->x0), ridge * pow(10, p->y0));
    if (from >= ridge) return;
    double x = place_x(p, from), y = place_y(p, from / ridge), top = place_y(p, 1);
    text_printf(p->h->out, "<polyline class=\"roof\" points=\"%.1f,%.1f %.1f,%.1f %d,%.1f\"/>", x, y, place_x(p, ridge), top, LEFT + WIDTH, top);
    text_printf(p->h->out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x + 16, y + 4, name);
}

static void point(const Plot *p, int i) {
    const Html *h = p->h;
    const Kernel *k = h->page->program->kernels.at[i];
    const KernelTime *t = measured(h, k);
    if (!is_shown(k)) return;
    double x = place_x(p, (double)k->flops / (double)k->bytes), share = predicted_share(h, k), y = place_y(p, share);
    double real = t && t->gflops > 0 ? t->gflops / h->page->timing->peak_gflops : 0;
    text_printf(h->out, "<g class=\"point %s\" data-k=\"%d\">", html_pass_class(k->pass), i);
    if (real > 0) text_printf(h->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/><rect x=\"%.1f\" y=\"%.1f\" width=\"7\" height=\"7\"/>", x, y, x,
                              place_y(p, real), x - 3.5, place_y(p, real) - 3.5);
    text_printf(h->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/><title>", x, y);
    html_text(h->out, k->name);
    text_printf(h->out, ": %.3g FLOP/B, predicted %.0f%% of the peak", (double)k->flops / (double)k->bytes, 100 * share);
    if (real > 0) text_printf(h->out, ", measured %.0f%%", 100 * real);
    text_printf(h->out, "</title></g>\n");
}

void html_roofline(const Html *h) {
    Plot p = frame(h);
    text_printf(h->out, "<section class=\"pane\" id=\"roofline\" aria-labelledby=\"roofline-title\">\n<h2 id=\"roofline-title\">Roofline</h2>\n<div class=\"scroll\">\n"
                        "<p class=\"note\">Circles: predicted%s. To the left of a slope&#39;s knee, a kernel that takes its bytes from there waits for them. Above the peak "
                        "is what computes less than it stands for: Winograd&#39;s FLOP are those of the plain sum.</p>\n"
                        "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Share of the peak by FLOP for a byte, a point for each kernel\">\n",
                h->page->timing ? "; squares: measured" : "", LEFT + WIDTH + 24, TOP + HEIGHT + BOTTOM);
    axes(&p);
    roof(&p, BYTES_NEAR, "own cache");
    roof(&p, BYTES_FAR * 2.0, "memory");
    for (int i = 0; i < h->nkernels; i++) point(&p, i);
    text_printf(h->out, "</svg>\n</div>\n</section>\n");
}
