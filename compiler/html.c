/* html.c: see html.h; the page from its first line to its last. */
#include "html.h"

#include <string.h>

#include "html_internal.h"
#include "loop_alike.h"

/* Made of compiler/html/page.css and page.js when netc is built (cmake/embed.cmake). */
extern const char html_css[], html_js[];

/* ---- the source ---- */

static void source_text(const Html *h, int source) {
    size_t n;
    const Source *s = &h->model->sources.at[source - 1];
    const char *text = diag_text(h->page->diag, s->file, &n), *end = text + n;
    text_printf(h->out, "<h3>");
    html_text(h->out, s->path);
    text_printf(h->out, "</h3>\n<ol class=\"lines\">\n");
    for (int line = 1; text < end; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop ? stop : end) - text), shown = length && text[length - 1] == '\r' ? length - 1 : length;
        text_printf(h->out, "<li data-line=\"%d:%d\"><code>", source, line);
        html_escape(h->out, text, shown);
        text_printf(h->out, "</code></li>\n");
        text = stop ? stop + 1 : end;
    }
    text_printf(h->out, "</ol>\n");
}

/* ---- what the network is made of ---- */

static int depth_of(const char *name) {
    int n = 0;
    for (; *name; name++) n += *name == '.';
    return n;
}

static void entry(const Html *h, const char *name, const char *what) {
    text_printf(h->out, "<li data-o=\"");
    html_text(h->out, name);
    text_printf(h->out, "\" class=\"d%d\">", depth_of(name) < 6 ? depth_of(name) : 6);
    html_text(h->out, name);
    text_printf(h->out, " <small>");
    html_text(h->out, what);
    text_printf(h->out, "</small></li>\n");
}

/* The calls that a layer stands in, from the outermost, each where its first layer is. */
static void calls_around(const Html *h, const char *layer, Map *shown) {
    for (const char *dot = strchr(layer, '.'); dot; dot = strchr(dot + 1, '.')) {
        const BlockCall *call = map_get(&h->blocks, arena_intern(h->a, layer, (size_t)(dot - layer)));
        if (!call || map_get(shown, call->name)) continue;
        *map_at(h->a, shown, call->name) = (void *)(intptr_t)1;
        entry(h, call->name, call->text);
    }
}

static void outline(const Html *h) {
    Map shown = {0};
    text_printf(h->out, "<h3>Blocks and layers</h3>\n<ul class=\"outline\">\n");
    for (int i = 0; i < h->model->layers.n; i++) {
        const Layer *l = &h->model->layers.at[i];
        calls_around(h, l->name, &shown);
        entry(h, l->name, arena_printf(h->a, "N\xC3\x97%s", type_text(h->a, l->out)));
    }
    text_printf(h->out, "</ul>\n");
}

static void source_pane(const Html *h) {
    bool any = false;
    text_printf(h->out, "<section class=\"pane\" id=\"source\" aria-labelledby=\"source-title\">\n<h2 id=\"source-title\">Source</h2>\n<div class=\"scroll\">\n");
    for (int i = 0; i < h->model->sources.n; i++) {
        if (!html_source(h, h->model->sources.at[i].file)) continue;
        source_text(h, i + 1);
        any = true;
    }
    if (!any) text_printf(h->out, "<p class=\"note\">The page was made from a later form, which holds no source.</p>\n");
    outline(h);
    text_printf(h->out, "</div>\n</section>\n");
}

/* ---- the page ---- */

static void head(const Html *h) {
    Text *out = h->out;
    text_printf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>");
    html_text(out, h->model->name);
    text_printf(out, " - netc</title>\n<style>\n%s</style>\n</head>\n<body>\n", html_css);
}

static int64_t parameters(const Model *m) {
    int64_t n = 0;
    for (int i = 0; i < m->layers.n; i++) n += m->layers.at[i].params;
    return n;
}

static void facts(const Html *h) {
    const Timing *t = h->page->timing;
    text_printf(h->out, "<p class=\"facts\">from ");
    html_text(h->out, h->page->input);
    for (int i = 0; i < h->page->ndefines; i++) {
        text_printf(h->out, " -D ");
        html_text(h->out, h->page->defines[i]);
    }
    text_printf(h->out, " for ");
    html_text(h->out, h->page->target);
    text_printf(h->out, "; N\xC3\x97%s \xE2\x86\x92 ", type_text(h->a, h->model->input));
    text_printf(h->out, "N\xC3\x97%s; %lld parameters; %d nodes; %d kernels", type_text(h->a, h->model->output), (long long)parameters(h->model),
                h->page->graph ? h->page->graph->nodes.n : 0, h->nkernels);
    if (t) text_printf(h->out, "; measured: %.4g ms a step of %lld on %lld thread%s", t->step_ms, (long long)t->batch, (long long)t->threads, t->threads == 1 ? "" : "s");
    text_printf(h->out, "</p>\n");
}

static void header(const Html *h) {
    text_printf(h->out, "<header>\n<h1>");
    html_text(h->out, h->model->name);
    text_printf(h->out, "</h1>\n");
    facts(h);
    text_printf(h->out,
                "<div id=\"tools\" hidden>\n<label>Search <input id=\"find\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label> <output id=\"found\"></output>\n"
                        "<p id=\"keys\"><kbd>/</kbd> search, <kbd>Tab</kbd> next pane, <kbd>\xE2\x86\x91</kbd> <kbd>\xE2\x86\x93</kbd> move, <kbd>Enter</kbd> choose, <kbd>Esc</kbd> nothing</p>\n"
                        "<p id=\"chosen\" role=\"status\"></p>\n<div id=\"parts\"></div>\n</div>\n</header>\n");
}

static void index_names(Html *h) {
    const Program *p = h->page->program;
    Map first = {0}; /* by likeness: place + 1 of its first kernel */
    h->family = ARENA_ARRAY(h->a, int, h->nkernels + 1);
    for (int i = 0; i < h->nkernels; i++) {
        *map_at(h->a, &h->kernels, arena_name(h->a, p->kernels.at[i]->name)) = (void *)(intptr_t)(i + 1);
        void **at = map_at(h->a, &first, loop_likeness(h->a, p->kernels.at[i]).key);
        if (!*at) *at = (void *)(intptr_t)(i + 1);
        h->family[i] = (int)(intptr_t)*at - 1;
    }
    for (int i = 0; i < h->model->blocks.n; i++) *map_at(h->a, &h->blocks, h->model->blocks.at[i].name) = &h->model->blocks.at[i];
}

void html_print(Arena *a, const HtmlPage *page, Text *out) {
    Html h = {.a = a, .out = out, .page = page, .model = page->program->model, .nkernels = page->program->kernels.n};
    index_names(&h);
    head(&h);
    header(&h);
    text_printf(out, "<main>\n");
    source_pane(&h);
    html_graph(&h);
    html_roofline(&h);
    html_plan(&h);
    html_loops(&h);
    html_ir(&h);
    html_assembly(&h);
    text_printf(out, "</main>\n<script>\n%s</script>\n</body>\n</html>\n", html_js);
}
