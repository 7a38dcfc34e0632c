/* elab_expr.c: expressions. Integers are exact: what overflows or does not divide is an error, never a rounded number. */
#include "elab.h"

#include <math.h>
#include <string.h>

/* ---- arithmetic on numbers ---- */

static int64_t floor_mod(int64_t a, int64_t b) {
    int64_t r = a % b;
    return r && (r < 0) != (b < 0) ? r + b : r;
}

static Value divide_ints(Elab *e, const Ast *ast, int64_t a, int64_t b) {
    if (b == -1 && a == INT64_MIN) return elab_fail(e, ast->span, "%lld / -1 overflows a 64-bit integer", (long long)a);
    if (a % b == 0) return value_int(a / b);
    if (elab_error(e, ast->span, "%lld / %lld is not an integer", (long long)a, (long long)b)) {
        elab_stack(e);
        diag_help(e->diag, (Span){0}, "write floor(%lld.0 / %lld) to round, or %lld.0 / %lld for a fraction", (long long)a, (long long)b,
                  (long long)a, (long long)b);
    }
    return value_error();
}

static Value int_arithmetic(Elab *e, const Ast *ast, char op, int64_t a, int64_t b) {
    int64_t r = 0;
    bool overflow = false;
    switch (op) {
    case '+': overflow = !checked_add(a, b, &r); break;
    case '-': overflow = __builtin_sub_overflow(a, b, &r); break;
    case '*': overflow = !checked_mul(a, b, &r); break;
    case '%': return b == -1 ? value_int(0) : value_int(floor_mod(a, b));
    default: return divide_ints(e, ast, a, b);
    }
    if (overflow) return elab_fail(e, ast->span, "%lld %c %lld overflows a 64-bit integer", (long long)a, op, (long long)b);
    return value_int(r);
}

static Value float_arithmetic(Elab *e, const Ast *ast, char op, double a, double b) {
    double r = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : op == '/' ? a / b : a - b * floor(a / b);
    if (isfinite(r)) return value_float(r);
    return elab_fail(e, ast->span, "%s %c %s is not a finite number", value_text(e->arena, value_float(a)), op,
                     value_text(e->arena, value_float(b)));
}

static const char *verb_of(char op) {
    return op == '+' ? "add" : op == '-' ? "subtract" : op == '*' ? "multiply" : op == '/' ? "divide" : "take the remainder of";
}

/* ---- arithmetic on tensors ---- */

/* The stride of a 1x1 convolution that makes `from` as high and wide as `to`; 0: none does. */
static int64_t projecting_stride(Type from, Type to) {
    if (from.rank != 3 || to.rank != 3) return 0;
    int64_t s = (from.dim[1] + to.dim[1] - 1) / to.dim[1];
    bool fits = (from.dim[1] - 1) / s + 1 == to.dim[1] && (from.dim[2] - 1) / s + 1 == to.dim[2];
    return fits ? s : 0;
}

/* "project the skip": the 1x1 convolution that makes one side as the other, the right side (mostly the skip) before the left. */
static void help_project(Elab *e, const Tensor *a, const Tensor *b) {
    const Tensor *from = b, *to = a;
    int64_t stride = projecting_stride(b->type, a->type);
    if (!stride) {
        from = a;
        to = b;
        stride = projecting_stride(a->type, b->type);
    }
    if (!stride) return;
    const char *more = stride > 1 ? arena_printf(e->arena, ", stride=%lld", (long long)stride) : "";
    diag_help(e->diag, (Span){0}, "project the skip: %s through conv(%lld, 1%s) becomes %s", type_text(e->arena, from->type),
              (long long)to->type.dim[0], more,
              type_text(e->arena, to->type));
}

static Value tensor_arithmetic(Elab *e, const Ast *ast, char op, const Tensor *a, const Tensor *b) {
    const char *ta = type_text(e->arena, a->type), *tb = type_text(e->arena, b->type);
    if (op == '/' || op == '%') return elab_fail(e, ast->span, "cannot %s tensors; +, - and * are possible", verb_of(op));
    if (!type_equal(a->type, b->type)) {
        if (!elab_error(e, ast->span, "cannot %s %s and %s", verb_of(op), ta, tb)) return value_error();
        diag_note(e->diag, a->span, "%s comes from here", ta);
        diag_note(e->diag, b->span, "%s comes from here", tb);
        help_project(e, a, b);
        elab_stack(e);
        return value_error();
    }
    Tensor *out = ARENA_NEW(e->arena, Tensor);
    *out = (Tensor){.type = a->type, .span = ast->span};
    e->graph->span = elab_place(e, ast->span);
    e->graph->layer = "";
    if (a->node && b->node) out->node = graph_binary(e->graph, op == '+' ? OP_add : op == '-' ? OP_sub : OP_mul, a->node, b->node);
    out->never_negative = op != '-' && a->never_negative && b->never_negative;
    elab_made(e, ast, arena_printf(e->arena, "'%c'", op), out);
    return (Value){.kind = VALUE_TENSOR, .tensor = out};
}

Value elab_arithmetic(Elab *e, const Ast *ast, Value a, Value b) {
    char op = *ast->text;
    if (a.kind == VALUE_TENSOR && b.kind == VALUE_TENSOR) return tensor_arithmetic(e, ast, op, a.tensor, b.tensor);
    if (!value_is_number(a) || !value_is_number(b))
        return elab_fail(e, ast->span, "cannot %s %s and %s", verb_of(op), value_text(e->arena, a), value_text(e->arena, b));
    if ((op == '/' || op == '%') && value_number(b) == 0) return elab_fail(e, ast->span, "division by zero");
    if (a.kind == VALUE_INT && b.kind == VALUE_INT) return int_arithmetic(e, ast, op, a.i, b.i);
    return float_arithmetic(e, ast, op, value_number(a), value_number(b));
}

/* ---- operators ---- */

/* An operand of and, or, not, if; reports what is no truth value. */
static Value eval_bool(Elab *e, const Ast *ast, const char *who) {
    Value v = elab_eval(e, ast);
    if (v.kind == VALUE_BOOL || v.kind == VALUE_ERROR) return v;
    return elab_fail(e, ast->span, "'%s' needs true or false, got %s", who, value_text(e->arena, v));
}

static Value eval_logic(Elab *e, const Ast *ast) {
    Value a = eval_bool(e, ast->kid[0], ast->text);
    if (a.kind == VALUE_ERROR || (bool)a.i == !strcmp(ast->text, "or")) return a;
    return eval_bool(e, ast->kid[1], ast->text);
}

static Value compare(Elab *e, const Ast *ast, Value a, Value b) {
    const char *op = ast->text;
    if (!strcmp(op, "==") || !strcmp(op, "!=")) {
        bool equal = value_equal(a, b, &e->steps);
        return value_bool(equal == (*op == '='));
    }
    if (!value_is_number(a) || !value_is_number(b))
        return elab_fail(e, ast->span, "cannot compare %s %s %s", value_text(e->arena, a), op, value_text(e->arena, b));
    bool ints = a.kind == VALUE_INT && b.kind == VALUE_INT;
    bool less = ints ? a.i < b.i : value_number(a) < value_number(b);
    bool more = ints ? a.i > b.i : value_number(a) > value_number(b);
    return value_bool(op[0] == '<' ? (op[1] ? !more : less) : (op[1] ? !less : more));
}

static Value eval_binary(Elab *e, const Ast *ast) {
    char op = *ast->text;
    if (op == 'a' || op == 'o') return eval_logic(e, ast);
    Value a = elab_eval(e, ast->kid[0]), b = elab_eval(e, ast->kid[1]);
    if (a.kind == VALUE_ERROR || b.kind == VALUE_ERROR) return value_error();
    return op == '=' || op == '!' || op == '<' || op == '>' ? compare(e, ast, a, b) : elab_arithmetic(e, ast, a, b);
}

static Value eval_unary(Elab *e, const Ast *ast) {
    if (*ast->text == 'n') {
        Value v = eval_bool(e, ast->kid[0], "not");
        return v.kind == VALUE_BOOL ? value_bool(!v.i) : v;
    }
    Value v = elab_eval(e, ast->kid[0]);
    if (v.kind == VALUE_FLOAT) return value_float(-v.f);
    if (v.kind == VALUE_INT && v.i != INT64_MIN) return value_int(-v.i);
    if (v.kind == VALUE_ERROR) return v;
    return elab_fail(e, ast->span, v.kind == VALUE_INT ? "-(%s) overflows a 64-bit integer" : "cannot negate %s", value_text(e->arena, v));
}

/* ---- the rest ---- */

static Value eval_tuple(Elab *e, const Ast *ast) {
    Value *at = ARENA_ARRAY(e->arena, Value, ast->n);
    for (int i = 0; i < ast->n; i++)
        if ((at[i] = elab_eval(e, ast->kid[i])).kind == VALUE_ERROR) return value_error();
    Tuple *t = ARENA_NEW(e->arena, Tuple);
    *t = (Tuple){ast->n, at};
    return (Value){.kind = VALUE_TUPLE, .tuple = t};
}

static Value eval_index(Elab *e, const Ast *ast) {
    Value t = elab_eval(e, ast->kid[0]), i = elab_eval(e, ast->kid[1]);
    if (t.kind == VALUE_ERROR || i.kind == VALUE_ERROR) return value_error();
    if (t.kind != VALUE_TUPLE) return elab_fail(e, ast->kid[0]->span, "only tuples can be indexed, got %s", value_text(e->arena, t));
    if (i.kind != VALUE_INT) return elab_fail(e, ast->kid[1]->span, "an index is an integer, got %s", value_text(e->arena, i));
    if (i.i < 0 || i.i >= t.tuple->n)
        return elab_fail(e, ast->kid[1]->span, "index %lld is outside a tuple of %d; allowed are 0 to %d", (long long)i.i, t.tuple->n,
                         t.tuple->n - 1);
    return t.tuple->at[i.i];
}

static Value unknown_attr(Elab *e, const Ast *ast, const char *const attrs[4]) {
    if (elab_reported(e, ast->name_span)) return value_error();
    const char *near = nearest_name(ast->text, attrs, 4);
    if (!near) return elab_fail(e, ast->name_span, "a tensor has no '%s'; there are channels, height, width and features", ast->text);
    if (!elab_error(e, ast->name_span, "a tensor has no '%s'; did you mean '%s'?", ast->text, near)) return value_error();
    diag_fixit(e->diag, ast->name_span, near);
    elab_stack(e);
    return value_error();
}

static Value eval_attr(Elab *e, const Ast *ast) {
    static const char *const attrs[] = {"channels", "height", "width", "features"};
    Value v = elab_eval(e, ast->kid[0]);
    if (v.kind == VALUE_ERROR) return v;
    int which = 0;
    while (which < 4 && strcmp(attrs[which], ast->text)) which++;
    if (v.kind != VALUE_TENSOR) return elab_fail(e, ast->name_span, "%s has no attributes; only tensors have", value_text(e->arena, v));
    if (which == 4) return unknown_attr(e, ast, attrs);
    Type t = v.tensor->type;
    if ((which == 3) != (t.rank == 1))
        return elab_fail(e, ast->name_span, "a tensor %s has no '%s'; %s", type_text(e->arena, t), ast->text,
                         t.rank == 1 ? "it is flat and has features" : "it has channels, height and width");
    return value_int(t.dim[which == 3 ? 0 : which]);
}

static Value eval_pipe(Elab *e, const Ast *ast) {
    Value a = elab_eval_layer(e, ast->kid[0]);
    Value b = elab_eval_layer(e, ast->kid[1]);
    if (b.kind != VALUE_LAYER && b.kind != VALUE_ERROR)
        return elab_fail(e, ast->kid[1]->span, "'->' needs a layer on its right, got %s", value_text(e->arena, b));
    if (a.kind != VALUE_LAYER && a.kind != VALUE_TENSOR && a.kind != VALUE_ERROR)
        return elab_fail(e, ast->kid[0]->span, "'->' needs a tensor or a layer on its left, got %s", value_text(e->arena, a));
    if (a.kind == VALUE_ERROR || b.kind == VALUE_ERROR) return value_error();
    if (a.kind == VALUE_TENSOR) return elab_apply(e, b.layer, a);
    LayerValue *chain = ARENA_NEW(e->arena, LayerValue);
    *chain = (LayerValue){.kind = LAYER_CHAIN, .span = ast->span, .first = a.layer, .second = b.layer};
    return (Value){.kind = VALUE_LAYER, .layer = chain};
}

static Value eval_choose(Elab *e, const Ast *ast) {
    Value c = eval_bool(e, ast->kid[0], "if");
    return c.kind == VALUE_BOOL ? elab_eval(e, ast->kid[c.i ? 1 : 2]) : c;
}

static Value eval_it(Elab *e, const Ast *ast) {
    if (e->it.kind == VALUE_NONE) return elab_fail(e, ast->span, "there is no 'it' here, outside of networks and blocks");
    return e->it;
}

static Value eval_kind(Elab *e, const Ast *ast) {
    switch (ast->kind) {
    case AST_int: return value_int(ast->i);
    case AST_float: return value_float(ast->f);
    case AST_bool: return value_bool(ast->i);
    case AST_string: return value_string(ast->text);
    case AST_it: return eval_it(e, ast);
    case AST_name: return elab_bare(e, ast, false);
    case AST_call: return elab_call(e, ast);
    case AST_attr: return eval_attr(e, ast);
    case AST_index: return eval_index(e, ast);
    case AST_tuple: return eval_tuple(e, ast);
    case AST_binary: return eval_binary(e, ast);
    case AST_unary: return eval_unary(e, ast);
    case AST_pipe: return eval_pipe(e, ast);
    case AST_choose: return eval_choose(e, ast);
    default: BUG("no expression: kind %d", ast->kind);
    }
}

Value elab_eval(Elab *e, const Ast *ast) {
    if (!elab_step(e, ast->span)) return value_error();
    if (e->depth >= ELAB_MAX_DEPTH) {
        e->stop = true;
        return elab_fail(e, ast->span, "blocks and expressions are nested deeper than %d levels", ELAB_MAX_DEPTH);
    }
    e->depth++;
    Value v = eval_kind(e, ast);
    e->depth--;
    return v;
}

Value elab_eval_layer(Elab *e, const Ast *ast) {
    return ast->kind == AST_name && elab_step(e, ast->span) ? elab_bare(e, ast, true) : elab_eval(e, ast);
}
