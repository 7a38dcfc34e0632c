/* html_graph.c: the graph as a picture.
 *
 * The nodes of one layer stand in a *band*: its parameters at the left, then what it computes forward, from top to bottom, then its gradients, from bottom to
 * top, as they are computed. Bands stand in rows, by the longest way from the input through the forward graph: input at the top, loss at the bottom,
 * branches side by side. A block's call is a frame around its bands. So the forward pass runs down in one column and the
 * backward pass runs up in the next.
 *
 * Arrows from the last node of a column to the first of another go straight, by their upper and lower edges; others go around at the side. An arrow over
 * several rows goes around what stands in between, left of it (forward) or right (backward).
 */
#include <math.h>
#include <string.h>

#include "html_internal.h"

enum { COL_PARAM, COL_FORWARD, COL_DATA, COL_WEIGHTS, COLUMNS };
enum { NODE_W = 132, NODE_H = 32, NODE_GAP = 12, COL_GAP = 22 };
enum { BAND_PAD = 10, BAND_HEAD = 20, BAND_GAP = 44, ROW_GAP = 34, FRAME_PAD = 12, FRAME_HEAD = 18, MARGIN = 60 };
enum { LANES = 6, LANE_GAP = 7 }; /* of arrows that go around: side by side, so many */

typedef struct Band {
    const char *owner;   /* data-o */
    const char *title, *block;
    int row;
    double x, y, w, h;   /* without frames */
    double wanted;       /* where its predecessors ask for the centre of its forward column */
    double anchor;       /* that centre, from x */
    double column_x[COLUMNS];
    VEC(const Node *) column[COLUMNS];
} Band;

typedef struct Spot { Band *band; int column, place; double x, y; } Spot; /* of a node, by id */

typedef struct Frame { const char *name; int top, bottom, depth, within; double x0, y0, x1, y1; } Frame; /* a block's call; `within`: depth of frames in it */

typedef struct Row { double y, h, left, right; int opens, closes; } Row; /* opens, closes: frames that begin above and end below it, one around the other */

typedef struct Picture {
    const Html *h;
    const Graph *g;
    Spot *spot;
    Map band_of;         /* by owner */
    VEC(Band *) bands;
    VEC(Frame) frames;
    Row *row;
    int rows, detours;
    bool *infer;         /* by id: of inference alone */
    double width, height;
} Picture;

/* ---- what a node belongs to ---- */

static const char *block_of(const Html *h, const Node *n) { return n->span.call ? h->model->blocks.at[n->span.call - 1].name : ""; }

/* What of the network a node is: its layer; of a parameter the layer that it is of; else its block and place. */
static const char *owner_of(const Html *h, const Node *n) {
    const char *dot = strrchr(n->name, '.');
    if (n->op == OP_param) return arena_intern(h->a, n->name, dot ? (size_t)(dot - n->name) : strlen(n->name));
    if (*n->name) return arena_name(h->a, n->name);
    if (n->span.file) return arena_name(h->a, arena_printf(h->a, "%s%s@%d:%lld", block_of(h, n), n->span.call ? "." : "", n->span.file, (long long)n->span.start));
    return op_table[n->op].name;
}

/* Lines of a call, and of the calls around it. */
static void call_lines(const Html *h, Text *out, int call) {
    for (; call; call = h->model->blocks.at[call - 1].span.call) {
        int source, first, last;
        if (html_lines(h, h->model->blocks.at[call - 1].span, &source, &first, &last))
            for (int l = first; l <= last; l++) text_printf(out, " %d:%d", source, l);
    }
}

/* " data-s=... data-l=..." of a node: its own lines, and with those of the calls around it. */
static void node_lines(const Html *h, Text *out, const Node *n) {
    int source, first, last;
    Text own = {0};
    text_printf(&own, "%s", "");
    if (html_lines(h, n->span, &source, &first, &last))
        for (int l = first; l <= last; l++) text_printf(&own, "%s%d:%d", l > first ? " " : "", source, l);
    text_printf(out, " data-s=\"%s\" data-l=\"%s", own.at, own.at);
    call_lines(h, out, n->span.call);
    text_printf(out, "\"");
    text_free(&own);
}

/* Nodes that only inference needs. */
static bool *inference_only(const Html *h, const Graph *g) {
    bool *train = ARENA_ARRAY(h->a, bool, g->nodes.n + 1);
    for (int i = 0; i < g->roots.n; i++) {
        const Root *r = &g->roots.at[i];
        if (r->kind == ROOT_OUTPUT || r->kind == ROOT_LOSS || r->kind == ROOT_UPDATE) train[r->node->id] = true;
    }
    for (int i = g->nodes.n - 1; i >= 0; i--)
        for (int k = 0; train[i] && k < g->nodes.at[i]->nargs; k++) train[g->nodes.at[i]->arg[k]->id] = true;
    for (int i = 0; i < g->nodes.n; i++) train[i] = !train[i];
    return train;
}

/* ---- bands ---- */

static Band *band_for(Picture *p, const Node *n) {
    const char *owner = owner_of(p->h, n);
    void **at = map_at(p->h->a, &p->band_of, owner);
    if (*at) return *at;
    Band *b = *at = ARENA_NEW(p->h->a, Band);
    b->owner = owner;
    b->title = *n->name || !n->span.file ? owner : op_table[n->op].name;
    b->block = block_of(p->h, n);
    VEC_PUSH(p->h->a, &p->bands, b);
    return b;
}

static int column_of(const Node *n) {
    if (n->op == OP_param) return COL_PARAM;
    return n->pass == NRT_FORWARD ? COL_FORWARD : n->pass == NRT_BACKWARD_DATA ? COL_DATA : COL_WEIGHTS;
}

/* Gives every node its band; a band's row follows from the forward nodes before it. What has no forward node, as the learning rate, comes last. */
static void make_bands(Picture *p) {
    int last = 0;
    for (int i = 0; i < p->g->nodes.n; i++) {
        const Node *n = p->g->nodes.at[i];
        Band *b = band_for(p, n);
        int column = column_of(n);
        p->spot[i] = (Spot){.band = b, .column = column, .place = b->column[column].n};
        VEC_PUSH(p->h->a, &b->column[column], n);
        for (int k = 0; k < n->nargs && column == COL_FORWARD; k++) {
            const Spot *from = &p->spot[n->arg[k]->id];
            if (from->band != b && from->column == COL_FORWARD && from->band->row >= b->row) b->row = from->band->row + 1;
        }
        if (column == COL_FORWARD && b->row > last) last = b->row;
    }
    for (int i = 0; i < p->bands.n; i++)
        if (!p->bands.at[i]->column[COL_FORWARD].n) p->bands.at[i]->row = last + 1;
    for (int i = 0; i < p->bands.n; i++) p->rows = p->bands.at[i]->row >= p->rows ? p->bands.at[i]->row + 1 : p->rows;
}

static void size_band(Band *b) {
    int most = 0;
    double x = BAND_PAD;
    for (int c = 0; c < COLUMNS; c++) {
        b->column_x[c] = x;
        if (b->column[c].n) x += NODE_W + COL_GAP;
        if (b->column[c].n > most) most = b->column[c].n;
    }
    b->w = x - COL_GAP + BAND_PAD;
    b->anchor = b->column[COL_FORWARD].n ? b->column_x[COL_FORWARD] + NODE_W / 2.0 : b->w / 2;
    b->h = BAND_HEAD + most * (NODE_H + NODE_GAP) - NODE_GAP + BAND_PAD;
}

/* ---- frames ---- */

static void add_frame(Picture *p, const char *name) {
    Frame f = {.name = name, .top = INT32_MAX, .bottom = -1};
    for (const char *s = name; *s; s++) f.depth += *s == '.';
    for (int i = 0; i < p->bands.n; i++) {
        const Band *b = p->bands.at[i];
        if (!html_within(b->block, name) && !html_within(b->owner, name)) continue;
        if (b->row < f.top) f.top = b->row;
        if (b->row > f.bottom) f.bottom = b->row;
    }
    if (f.bottom >= 0) VEC_PUSH(p->h->a, &p->frames, f);
}

static void make_frames(Picture *p) {
    const Model *m = p->h->model;
    for (int i = 0; i < m->blocks.n; i++) add_frame(p, m->blocks.at[i].name);
    for (int i = 0; i < p->frames.n; i++) {
        Frame *f = &p->frames.at[i];
        for (int k = 0; k < p->frames.n; k++) {
            const Frame *inner = &p->frames.at[k];
            if (html_within(inner->name, f->name) && inner->depth - f->depth > f->within) f->within = inner->depth - f->depth;
        }
        if (f->within + 1 > p->row[f->top].opens) p->row[f->top].opens = f->within + 1;
        if (f->within + 1 > p->row[f->bottom].closes) p->row[f->bottom].closes = f->within + 1;
    }
}

/* ---- places ---- */

/* The mean of the forward predecessors' anchors; where there are none, the band stays where the row begins. */
static void want_place(const Picture *p, Band *b) {
    double sum = 0;
    int n = 0;
    for (int i = 0; i < b->column[COL_FORWARD].n; i++) {
        const Node *node = b->column[COL_FORWARD].at[i];
        for (int k = 0; k < node->nargs; k++) {
            const Spot *from = &p->spot[node->arg[k]->id];
            if (from->band == b || from->column != COL_FORWARD || from->band->row >= b->row) continue;
            sum += from->band->x + from->band->anchor;
            n++;
        }
    }
    b->wanted = n ? sum / n : 0;
}

typedef struct RowBands { VEC(Band *) at; } RowBands;

/* The bands of a row by the places that they want; the order of the source where these are the same. */
static RowBands row_bands(const Picture *p, int row) {
    RowBands r = {0};
    for (int i = 0; i < p->bands.n; i++) {
        Band *b = p->bands.at[i];
        if (b->row != row) continue;
        want_place(p, b);
        VEC_PUSH(p->h->a, &r.at, b);
        for (int k = r.at.n - 1; k > 0 && r.at.at[k - 1]->wanted > b->wanted; k--) {
            r.at.at[k] = r.at.at[k - 1];
            r.at.at[k - 1] = b;
        }
    }
    return r;
}

/* Puts the bands of a row side by side, as near to where they want to be as they fit. */
static void place_row(Picture *p, int row) {
    RowBands r = row_bands(p, row);
    double right = -1e9, off = 0;
    for (int i = 0; i < r.at.n; i++) {
        Band *b = r.at.at[i];
        b->x = fmax(b->wanted - b->anchor, right + BAND_GAP);
        right = b->x + b->w;
        off += b->x + b->anchor - b->wanted;
    }
    for (int i = 0; i < r.at.n; i++) r.at.at[i]->x -= off / r.at.n;
}

static void place_rows(Picture *p) {
    double y = MARGIN, left = 0;
    for (int r = 0; r < p->rows; r++) {
        Row *row = &p->row[r];
        y += row->opens * (FRAME_PAD + FRAME_HEAD);
        row->y = y;
        for (int i = 0; i < p->bands.n; i++)
            if (p->bands.at[i]->row == r && p->bands.at[i]->h > row->h) row->h = p->bands.at[i]->h;
        place_row(p, r);
        y += row->h + row->closes * FRAME_PAD + ROW_GAP;
    }
    p->height = y - ROW_GAP + MARGIN;
    for (int i = 0; i < p->bands.n; i++) left = fmin(left, p->bands.at[i]->x);
    for (int i = 0; i < p->bands.n; i++) {
        Band *b = p->bands.at[i];
        b->x += MARGIN * 2 - left;
        b->y = p->row[b->row].y;
        Row *row = &p->row[b->row];
        row->left = row->right ? fmin(row->left, b->x) : b->x;
        row->right = fmax(row->right, b->x + b->w);
        p->width = fmax(p->width, b->x + b->w + 2 * MARGIN);
    }
}

/* Forward nodes from the top of their band, others from its bottom. */
static void place_nodes(Picture *p) {
    for (int i = 0; i < p->g->nodes.n; i++) {
        Spot *s = &p->spot[i];
        double step = NODE_H + NODE_GAP, top = s->band->y + BAND_HEAD, bottom = s->band->y + s->band->h - BAND_PAD - NODE_H;
        s->x = s->band->x + s->band->column_x[s->column];
        s->y = s->column <= COL_FORWARD ? top + s->place * step : bottom - s->place * step;
    }
}

static void place_frames(Picture *p) {
    for (int i = 0; i < p->frames.n; i++) {
        Frame *f = &p->frames.at[i];
        double pad = FRAME_PAD * (f->within + 1);
        f->x0 = f->y0 = 1e9;
        for (int k = 0; k < p->bands.n; k++) {
            const Band *b = p->bands.at[k];
            if (!html_within(b->block, f->name) && !html_within(b->owner, f->name)) continue;
            f->x0 = fmin(f->x0, b->x - pad);
            f->x1 = fmax(f->x1, b->x + b->w + pad);
            f->y0 = fmin(f->y0, b->y - (FRAME_PAD + FRAME_HEAD) * (f->within + 1) + FRAME_PAD);
            f->y1 = fmax(f->y1, b->y + b->h + pad);
        }
    }
}

/* ---- drawing ---- */

/* Boxes are drawn beneath the arrows, their titles above. */
static void draw_frame_box(const Picture *p, const Frame *f) {
    text_printf(p->h->out, "<g class=\"frame\" data-o=\"");
    html_text(p->h->out, f->name);
    text_printf(p->h->out, "\"><rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"8\"/></g>\n", f->x0, f->y0, f->x1 - f->x0, f->y1 - f->y0);
}

static void draw_frame_title(const Picture *p, const Frame *f) {
    Text *out = p->h->out;
    const BlockCall *call = map_get(&p->h->blocks, f->name);
    text_printf(out, "<g class=\"frame\" data-o=\"");
    html_text(out, f->name);
    text_printf(out, "\"><text x=\"%.0f\" y=\"%.0f\">", f->x0 + 8, f->y0 + 14);
    html_text(out, f->name);
    text_printf(out, "<tspan class=\"call\" dx=\"8\">");
    html_text(out, call->text);
    text_printf(out, "</tspan></text></g>\n");
}

static void draw_band_box(const Picture *p, const Band *b) {
    text_printf(p->h->out, "<g class=\"band\" data-o=\"");
    html_text(p->h->out, b->owner);
    text_printf(p->h->out, "\"><rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" rx=\"5\"/></g>\n", b->x, b->y, b->w, b->h);
}

static void draw_band_title(const Picture *p, const Band *b) {
    text_printf(p->h->out, "<g class=\"band\" data-o=\"");
    html_text(p->h->out, b->owner);
    text_printf(p->h->out, "\"><text x=\"%.0f\" y=\"%.0f\">", b->x + 8, b->y + 14);
    html_text(p->h->out, b->title);
    text_printf(p->h->out, "</text></g>\n");
}

static void kernels_of(const Picture *p, const Node *n) {
    const Program *prog = p->h->page->program;
    text_printf(p->h->out, " data-k=\"");
    bool any = false;
    for (int k = 0; k < prog->kernels.n; k++)
        for (int i = 0; i < prog->kernels.at[k]->nodes.n; i++)
            if (prog->kernels.at[k]->nodes.at[i] == n->id) {
                text_printf(p->h->out, "%s%d", any ? " " : "", k);
                any = true;
            }
    text_printf(p->h->out, "\"");
}

static const char *shape_text(const Picture *p, const Node *n) {
    const char *type = type_text(p->h->a, n->type);
    if (!n->type.batched) return *type ? type : "scalar";
    return *type ? arena_printf(p->h->a, "N\xC3\x97%s", type) : "N";
}

static const char *part_of_step(nrt_pass pass) {
    static const char *const names[] = {"forward", "backward, of values", "backward, of weights", "update", "other"};
    return names[pass];
}

static void draw_node(const Picture *p, const Node *n) {
    Text *out = p->h->out;
    const Spot *s = &p->spot[n->id];
    const char *leaf = strrchr(n->name, '.'), *what = n->op == OP_param ? (leaf ? leaf + 1 : n->name) : op_table[n->op].name;
    text_printf(out, "<g class=\"node %s%s\" data-n=\"%d\" data-o=\"", n->op == OP_param ? "param" : html_pass_class(n->pass), p->infer[n->id] ? " infer" : "", n->id);
    html_text(out, s->band->owner);
    text_printf(out, "\"");
    kernels_of(p, n);
    node_lines(p->h, out, n);
    text_printf(out, "><rect x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%d\" rx=\"%d\"/><text x=\"%.0f\" y=\"%.0f\">", s->x, s->y, NODE_W, NODE_H,
                n->op == OP_param ? NODE_H / 2 : 3, s->x + NODE_W / 2, s->y + 13);
    html_text(out, what);
    text_printf(out, "</text><text class=\"shape\" x=\"%.0f\" y=\"%.0f\">%s</text><title>", s->x + NODE_W / 2, s->y + 26, shape_text(p, n));
    html_text(out, n->name);
    if (n->op == OP_param) text_printf(out, ": parameter</title></g>\n");
    else text_printf(out, "%s%s, %s</title></g>\n", *n->name ? ": " : "", op_table[n->op].name, p->infer[n->id] ? "inference" : part_of_step(n->pass));
}

static bool is_backward(const Spot *s) { return s->column >= COL_DATA; }

/* Is the node the last of its column (`out`: for an arrow that leaves), or the first (for one that arrives)? */
static bool at_edge(const Spot *s, bool out) { return out ? s->place + 1 == s->band->column[s->column].n : s->place == 0; }

static const char *edge_class(const Spot *from, const Spot *to) {
    if (from->column == COL_PARAM) return "of-param";
    if (!is_backward(to)) return "of-forward";
    return is_backward(from) ? "of-backward" : "reuse";
}

/* Over several rows: around what stands in between. */
static void draw_detour(Picture *p, const Spot *from, const Spot *to, bool up) {
    int lo = up ? to->band->row : from->band->row, hi = up ? from->band->row : to->band->row;
    double x = up ? -1e9 : 1e9, lane = LANE_GAP * (1 + p->detours++ % LANES), sign = up ? 1 : -1;
    for (int r = lo + 1; r < hi; r++) x = up ? fmax(x, p->row[r].right) : fmin(x, p->row[r].left);
    double x0 = from->x + (up ? NODE_W : 0), y0 = from->y + NODE_H / 2.0, x1 = to->x + (up ? NODE_W : 0), y1 = to->y + NODE_H / 2.0;
    x = up ? fmax(x, fmax(x0, x1)) : fmin(x, fmin(x0, x1));
    x += sign * (FRAME_PAD + lane);
    double turn = up ? -24 : 24;
    text_printf(p->h->out, "M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f", x0, y0, x, y0, x, y0, x, y0 + turn);
    text_printf(p->h->out, "L%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f", x, y1 - turn, x, y1, x, y1, x1, y1);
}

/* Up or down, from edge to edge; or around at the side where something stands in between: left where it goes down, right where it goes up. */
static void draw_vertical(const Picture *p, const Spot *from, const Spot *to, bool up) {
    bool straight = (from->band == to->band && to->place == from->place + 1) || (at_edge(from, true) && at_edge(to, false));
    double side = up ? NODE_W : 0, bend = up ? COL_GAP - 4 : 4 - COL_GAP;
    double x0 = from->x + (straight ? NODE_W / 2.0 : side), y0 = from->y + (!straight ? NODE_H / 2.0 : up ? 0 : NODE_H);
    double x1 = to->x + (straight ? NODE_W / 2.0 : side), y1 = to->y + (!straight ? NODE_H / 2.0 : up ? NODE_H : 0);
    double reach = straight ? fmax(10, fabs(y1 - y0) / 2.5) * (up ? -1 : 1) : 0;
    text_printf(p->h->out, "M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f", x0, y0, straight ? x0 : x0 + bend, y0 + reach, straight ? x1 : x1 + bend, y1 - reach, x1, y1);
}

static void draw_across(const Picture *p, const Spot *from, const Spot *to) {
    bool right = from->x <= to->x;
    double x0 = from->x + (right ? NODE_W : 0), x1 = to->x + (right ? 0 : NODE_W), y0 = from->y + NODE_H / 2.0, y1 = to->y + NODE_H / 2.0;
    double reach = right ? fmax(12, (x1 - x0) / 2) : fmin(-12, (x1 - x0) / 2);
    text_printf(p->h->out, "M%.0f %.0fC%.0f %.0f %.0f %.0f %.0f %.0f", x0, y0, x0 + reach, y0, x1 - reach, y1, x1, y1);
}

static void draw_edge(Picture *p, const Node *arg, const Node *n) {
    const Spot *from = &p->spot[arg->id], *to = &p->spot[n->id];
    const char *class = edge_class(from, to);
    bool up = is_backward(from) && is_backward(to), along = up || (from->column == COL_FORWARD && to->column == COL_FORWARD);
    int rows = up ? from->band->row - to->band->row : to->band->row - from->band->row;
    if (arg->op == OP_param && from->band == to->band && is_backward(to)) return; /* its updates and gradients stand beside it */
    if (!arg->nargs && is_backward(from)) return;                                 /* the learning rate goes everywhere */
    text_printf(p->h->out, "<path class=\"edge %s\" data-e=\"%d %d\" d=\"", class, arg->id, n->id);
    if (along && rows > 1) draw_detour(p, from, to, up);
    else if (along && (rows == 1 || from->column == to->column)) draw_vertical(p, from, to, up);
    else draw_across(p, from, to);
    text_printf(p->h->out, "\"/>\n");
}

static void draw(Picture *p) {
    Text *out = p->h->out;
    text_printf(out, "<svg id=\"drawing\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"group\" "
                     "aria-label=\"The graph, from input to output\">\n", p->width, p->height, p->width, p->height);
    text_printf(out, "<defs>");
    static const char *const heads[] = {"of-forward", "of-backward", "of-param", "reuse"};
    for (int i = 0; i < 4; i++)
        text_printf(out, "<marker id=\"head-%s\" class=\"head %s\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">"
                         "<path d=\"M0 0L8 4L0 8z\"/></marker>", heads[i], heads[i]);
    text_printf(out, "</defs>\n");
    for (int i = 0; i < p->frames.n; i++) draw_frame_box(p, &p->frames.at[i]);
    for (int i = 0; i < p->bands.n; i++) draw_band_box(p, p->bands.at[i]);
    for (int i = 0; i < p->g->nodes.n; i++)
        for (int k = 0; k < p->g->nodes.at[i]->nargs; k++) draw_edge(p, p->g->nodes.at[i]->arg[k], p->g->nodes.at[i]);
    for (int i = 0; i < p->frames.n; i++) draw_frame_title(p, &p->frames.at[i]);
    for (int i = 0; i < p->bands.n; i++) draw_band_title(p, p->bands.at[i]);
    for (int i = 0; i < p->g->nodes.n; i++) draw_node(p, p->g->nodes.at[i]);
    text_printf(out, "</svg>\n");
}

static void legend(Text *out) {
    static const char *const kinds[][2] = {{"param", "parameters"}, {"forward", "forward"}, {"infer", "inference only"},
                                           {"data", "backward, of values"}, {"weights", "backward, of weights"}, {"update", "update"}};
    text_printf(out, "<ul class=\"legend\">");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) text_printf(out, "<li class=\"%s\">%s</li>", kinds[i][0], kinds[i][1]);
    text_printf(out, "</ul>");
}

void html_graph(const Html *h) {
    const Graph *g = h->page->graph;
    text_printf(h->out, "<section class=\"pane\" id=\"graph\" aria-labelledby=\"graph-title\">\n<h2 id=\"graph-title\">Graph</h2>\n");
    legend(h->out);
    text_printf(h->out, "<div class=\"scroll\">\n");
    if (g) {
        Picture p = {.h = h, .g = g, .spot = ARENA_ARRAY(h->a, Spot, g->nodes.n + 1), .infer = inference_only(h, g)};
        make_bands(&p);
        for (int i = 0; i < p.bands.n; i++) size_band(p.bands.at[i]);
        p.row = ARENA_ARRAY(h->a, Row, p.rows + 1);
        make_frames(&p);
        place_rows(&p);
        place_nodes(&p);
        place_frames(&p);
        draw(&p);
    } else {
        text_printf(h->out, "<p class=\"note\">The page was made from loops; they do not tell of the graph that they come from.</p>\n");
    }
    text_printf(h->out, "</div>\n</section>\n");
}
