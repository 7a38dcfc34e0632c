/* graph_text.c: see graph_text.h.
 *
 * Attributes are printed and read by the operator's schema. The reader asks graph_infer before it builds, so that whatever
 * the text says of shapes is either right or an error at its place.
 */
#include "graph_text.h"
#include "model_text.h"
#include "scan_text.h"

#include <string.h>

/* ---- printing ---- */

/* Does the root belong to the forward pass? Running statistics do; what grad_build and infer_build add does not. */
static bool is_forward(const Root *r) {
    if (r->kind != ROOT_UPDATE) return r->kind == ROOT_OUTPUT || r->kind == ROOT_LOSS;
    int64_t role = r->target->attr.i[PARAM_ROLE];
    return role == NRT_RUNNING_MEAN || role == NRT_RUNNING_VAR;
}

static bool *printed_nodes(const Graph *g, bool forward_only) {
    bool *shown = ARENA_ARRAY(g->arena, bool, g->nodes.n + 1);
    for (int i = 0; i < g->nodes.n; i++) shown[i] = !forward_only;
    if (!forward_only) return shown;
    for (int i = 0; i < g->roots.n; i++)
        if (is_forward(&g->roots.at[i])) shown[g->roots.at[i].node->id] = true;
    for (int i = g->nodes.n - 1; i >= 0; i--)
        for (int k = 0; shown[i] && k < g->nodes.at[i]->nargs; k++) shown[g->nodes.at[i]->arg[k]->id] = true;
    return shown;
}

static void print_value(Text *t, const Node *n, const int *number) {
    text_printf(t, "%%");
    if (n->op == OP_param) print_name(t, n->name);
    else text_printf(t, "%d", number[n->id]);
}

static bool at_default(const AttrField *f, const Attr *attr) {
    if (f->kind == FIELD_SHAPE) return true;
    bool same = f->has_default;
    for (int i = 0; same && i < f->n; i++) same = attr->i[f->slot + i] == f->initial;
    return same;
}

static void print_attrs(Text *t, const Node *n) {
    AttrField f = {0};
    const char *p = op_table[n->op].attrs;
    char number[32];
    while (attr_next(&p, &f)) {
        if (at_default(&f, &n->attr)) continue;
        text_printf(t, " %.*s=", f.name_n, f.name);
        if (f.kind == FIELD_REAL) text_printf(t, "%s", double_text(n->attr.f[f.slot], number));
        else if (f.kind == FIELD_ROLE) text_printf(t, "%s", role_names[n->attr.i[f.slot]]);
        else
            for (int i = 0; i < f.n; i++) text_printf(t, "%s%lld", i ? "," : "", (long long)n->attr.i[f.slot + i]);
    }
}

static void print_node(Text *t, const Graph *g, const Node *n, const int *number) {
    print_value(t, n, number);
    text_printf(t, ": ");
    print_type(t, n->type);
    text_printf(t, " = %s", op_table[n->op].name);
    for (int k = 0; k < n->nargs; k++) {
        text_printf(t, k ? ", " : "(");
        print_value(t, n->arg[k], number);
    }
    if (n->nargs) text_printf(t, ")");
    print_attrs(t, n);
    if (n->op != OP_param && *n->name) {
        text_printf(t, " @");
        print_name(t, n->name);
    }
    if (n->pass != NRT_FORWARD) text_printf(t, " %s", pass_names[n->pass]);
    print_span(t, g->model, n->span);
    text_printf(t, "\n");
}

static void print_root(Text *t, const Root *r, const int *number) {
    static const char *const words[] = {[ROOT_OUTPUT] = "output ", [ROOT_LOSS] = "loss ", [ROOT_UPDATE] = "update ", [ROOT_INFER_OUTPUT] = "infer output ", [ROOT_INFER_LOSS] = "infer loss "};
    text_printf(t, "%s", words[r->kind]);
    if (r->target) {
        print_value(t, r->target, number);
        text_printf(t, " = ");
    }
    print_value(t, r->node, number);
    text_printf(t, "\n");
}

void graph_print(const Graph *g, Text *t, bool forward_only) {
    bool *shown = printed_nodes(g, forward_only);
    int *number = ARENA_ARRAY(g->arena, int, g->nodes.n + 1), next = 0;
    for (int i = 0; i < g->nodes.n; i++)
        if (shown[i] && g->nodes.at[i]->op != OP_param) number[i] = next++;
    model_print(g->model, t);
    text_printf(t, "\n");
    for (int i = 0; i < g->nodes.n; i++)
        if (shown[i]) print_node(t, g, g->nodes.at[i], number);
    for (int i = 0; i < g->roots.n; i++)
        if (!forward_only || is_forward(&g->roots.at[i])) print_root(t, &g->roots.at[i], number);
}

/* ---- reading: values ---- */

typedef struct Binding { const char *name; int64_t number; Node *node; } Binding; /* number where name is null */

typedef struct Reader {
    TextScanner scan;
    Graph *g;
    Binding *slot;  /* open addressing: what each %value means */
    int size, used; /* size is a power of two, at most half of it in use */
} Reader;

static Binding *find_binding(Binding *slot, int size, const char *name, int64_t number) {
    uint64_t key = name ? (uint64_t)(uintptr_t)name >> 4 : (uint64_t)number;
    unsigned mask = (unsigned)size - 1, i = (unsigned)(key * 0x9e3779b97f4a7c15u >> 32) & mask;
    while (slot[i].node && (slot[i].name != name || slot[i].number != number)) i = (i + 1) & mask;
    return &slot[i];
}

static Binding *token_binding(Reader *r) {
    const TextToken *t = &r->scan.token;
    return find_binding(r->slot, r->size, t->text, t->text ? 0 : t->i);
}

static void grow_bindings(Reader *r) {
    int size = r->size ? 2 * r->size : 64;
    Binding *slot = ARENA_ARRAY(r->scan.arena, Binding, size);
    for (int i = 0; i < r->size; i++)
        if (r->slot[i].node) *find_binding(slot, size, r->slot[i].name, r->slot[i].number) = r->slot[i];
    r->slot = slot;
    r->size = size;
}

/* A value that has been defined. */
static Node *read_value(Reader *r) {
    TextScanner *s = &r->scan;
    if (s->token.kind != SCAN_VALUE) {
        scan_unexpected(s, "a value (%1)");
        return NULL;
    }
    Node *n = token_binding(r)->node;
    if (!n) scan_error(s, s->token.span, "value is not defined");
    else scan_next(s);
    return n;
}

static int read_args(Reader *r, Node ***args) {
    VEC(Node *) list = {0};
    if (scan_accept(&r->scan, "(")) {
        do {
            Node *n = read_value(r);
            if (n) VEC_PUSH(r->scan.arena, &list, n);
        } while (scan_accept(&r->scan, ","));
        scan_expect(&r->scan, ")");
    }
    *args = list.at;
    return list.n;
}

/* ---- reading: attributes ---- */

static void read_field(TextScanner *s, const AttrField *f, Attr *attr) {
    int role = 0;
    scan_expect(s, "=");
    if (f->kind == FIELD_REAL) {
        scan_real(s, &attr->f[f->slot]);
    } else if (f->kind == FIELD_ROLE) {
        if (scan_choice(s, "a role", role_names, &role)) attr->i[f->slot] = role;
    } else {
        for (int i = 0; i < f->n; i++)
            if (i == 0 || scan_expect(s, ",")) scan_int(s, INT64_MIN + 1, INT64_MAX, &attr->i[f->slot + i]);
    }
}

static void shape_field(const AttrField *f, Type type, Attr *attr) {
    attr->i[f->slot] = type.rank;
    for (int i = 0; i < type.rank && i < f->n - 1; i++) attr->i[f->slot + 1 + i] = type.dim[i];
}

/* The attributes in any order; those that are missing get their default, shapes are those of the declared type. */
static Attr read_attrs(TextScanner *s, OpKind op, Type declared, Span place) {
    Attr attr = {0};
    unsigned seen = 0;
    for (bool more = true; more && !s->failed;) {
        AttrField f = {0};
        const char *p = op_table[op].attrs;
        more = false;
        for (unsigned bit = 1; !more && attr_next(&p, &f); bit <<= 1) {
            if (f.kind == FIELD_SHAPE || !scan_is(s, arena_str(s->arena, f.name, (size_t)f.name_n))) continue;
            if (seen & bit) scan_error(s, s->token.span, "attribute is there twice");
            seen |= bit;
            scan_next(s);
            read_field(s, &f, &attr);
            more = true;
        }
    }
    AttrField f = {0};
    const char *p = op_table[op].attrs;
    for (unsigned bit = 1; attr_next(&p, &f); bit <<= 1) {
        if (f.kind == FIELD_SHAPE) shape_field(&f, declared, &attr);
        else if (!(seen & bit) && !f.has_default) scan_error(s, place, "%s lacks its attribute '%.*s'", op_table[op].name, f.name_n, f.name);
        else if (!(seen & bit))
            for (int i = 0; i < f.n; i++) attr.i[f.slot + i] = f.initial;
    }
    return attr;
}

/* ---- reading: statements ---- */

static OpKind read_op(TextScanner *s) {
    const char *names[OP_COUNT], *near;
    for (int op = 0; op < OP_COUNT; op++) {
        names[op] = op_table[op].name;
        if (scan_accept(s, names[op])) return (OpKind)op;
    }
    if (s->token.kind == SCAN_NAME) {
        near = nearest_name(s->token.text, names, OP_COUNT);
        scan_error(s, s->token.span, near ? "unknown operator '%s'; did you mean '%s'?" : "unknown operator '%s'", s->token.text, near);
    }
    scan_unexpected(s, "an operator");
    return OP_COUNT;
}

/* " @conv1 backward_data !1:6:5-24" */
static void read_origin(Reader *r) {
    TextScanner *s = &r->scan;
    const char *layer = "";
    int pass = NRT_FORWARD;
    if (scan_accept(s, "@")) scan_name(s, &layer);
    for (int i = NRT_FORWARD; pass_names[i]; i++)
        if (scan_accept(s, pass_names[i])) pass = i;
    scan_span(s, r->g->model, &r->g->span);
    r->g->layer = layer;
    r->g->pass = (nrt_pass)pass;
}

/* "Nx6x28x28", as the texts have it. */
static const char *type_words(Arena *a, Type type) {
    Text t = {0};
    print_type(&t, type);
    const char *words = arena_str(a, t.at, t.n);
    text_free(&t);
    return words;
}

static Node *build_node(Reader *r, OpKind op, const Attr *attr, int nargs, Node **args, Type declared, const char *name, Span place) {
    TextScanner *s = &r->scan;
    Type *types = ARENA_ARRAY(s->arena, Type, nargs + 1), type;
    for (int i = 0; i < nargs; i++) types[i] = args[i]->type;
    const char *why = graph_infer(s->arena, op, attr, nargs, types, &type);
    if (!why && !type_equal(type, declared))
        why = arena_printf(s->arena, "the value is said to be %s, %s gives %s", type_words(s->arena, declared), op_table[op].name,
                           type_words(s->arena, type));
    if (!why && (op == OP_param) != (name != NULL)) why = "a param is named, every other value is numbered";
    if (why) {
        scan_error(s, place, "%s", why);
        return NULL;
    }
    if (op != OP_param) return graph_node(r->g, op, *attr, nargs, args);
    return graph_param(r->g, name, type, (nrt_role)attr->i[PARAM_ROLE], attr->i[PARAM_FAN_IN], attr->i[PARAM_FAN_OUT]);
}

/* %1: Nx6x28x28 = conv(%0, %conv1.weight) ... */
static void read_node(Reader *r) {
    TextScanner *s = &r->scan;
    if (2 * (r->used + 1) > r->size) grow_bindings(r);
    TextToken label = s->token;
    Binding *binding = token_binding(r);
    if (binding->node) scan_error(s, label.span, "value is defined twice");
    scan_next(s);
    Type declared = {0};
    Node **args;
    scan_expect(s, ":");
    scan_type(s, &declared);
    scan_expect(s, "=");
    Span place = s->token.span;
    OpKind op = read_op(s);
    if (s->failed) return;
    int nargs = read_args(r, &args);
    Attr attr = read_attrs(s, op, declared, place);
    read_origin(r);
    if (s->failed) return;
    Node *n = build_node(r, op, &attr, nargs, args, declared, label.text, place);
    if (!n) return;
    *binding = (Binding){.name = label.text, .number = label.text ? 0 : label.i, .node = n};
    r->used++;
}

static void read_root(Reader *r, RootKind kind) {
    Node *target = kind == ROOT_UPDATE ? read_value(r) : NULL;
    if (kind == ROOT_UPDATE) scan_expect(&r->scan, "=");
    Node *n = read_value(r);
    if (!r->scan.failed) graph_root(r->g, kind, n, target);
}

static void read_infer_root(Reader *r) {
    if (scan_accept(&r->scan, "output")) read_root(r, ROOT_INFER_OUTPUT);
    else if (scan_accept(&r->scan, "loss")) read_root(r, ROOT_INFER_LOSS);
    else scan_unexpected(&r->scan, "'output' or 'loss'");
}

static void read_statements(Reader *r) {
    TextScanner *s = &r->scan;
    while (s->token.kind != SCAN_END) {
        if (s->token.kind == SCAN_VALUE) read_node(r);
        else if (scan_accept(s, "output")) read_root(r, ROOT_OUTPUT);
        else if (scan_accept(s, "loss")) read_root(r, ROOT_LOSS);
        else if (scan_accept(s, "update")) read_root(r, ROOT_UPDATE);
        else if (scan_accept(s, "infer")) read_infer_root(r);
        else scan_unexpected(s, "a value, 'output', 'loss', 'update' or 'infer'");
    }
}

Graph *graph_parse(Arena *a, Diag *d, int file) {
    Reader r = {0};
    scan_open(&r.scan, a, d, file);
    Model *m = model_parse(&r.scan);
    if (!m) return NULL;
    r.g = graph_new(a, m);
    grow_bindings(&r);
    read_statements(&r);
    if (r.scan.failed) return NULL;
    const char *why = graph_verify(r.g);
    if (why) scan_error(&r.scan, r.scan.token.span, "%s", why);
    return why ? NULL : r.g;
}
