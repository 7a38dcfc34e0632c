/* emit_math.c: exp, log, sigmoid, tanh and erf as straight-line code, for one f32 or a vector of them.
 *
 * Each is a function of the module, NETWORK.FUNCTION.LANES, made when first called and inlined after all other passes: they
 * see a short call, and the loop around keeps the constants in registers, which a real call would not.
 *
 * No tables, no branches, the same operations for scalars and vectors: bit for bit the same results in any lane. NaN gives
 * NaN, infinities and signed zeros their limits. Coefficients come from scripts/math_coefficients.py; the split of ln 2 into
 * 355/512 (so that multiples of it are exact) and a rest is Cody and Waite's, as used by Cephes.
 *
 * exp.     x = 2m ln 2 + r, |r| <= ln 2, and e^x = (1 + r + r^2 q(r)) * s * s with s = 2^m. Taking an even number of ln 2 costs
 *          two coefficients, and saves splitting the exponent: s is always normal, results may be denormal or infinite.
 *          m comes from adding 1.5 * 2^23 + 127: the sum's low bits hold m + 127, which shifted by 23 are s itself.
 * sigmoid. z = e^-|x| never overflows; 1 / (1 + z), or z / (1 + z) for negative x: accurate at both ends.
 * tanh.    e^2|x| - 1 = s (r + r^2 q(r)) + (s - 1) =: t without cancellation, tanh |x| = t / (t + 2), and x's sign.
 * erf.     x + x p(x^2) for |x| < 1; else 1 - e^-g(|x|) with x's sign, where g = -log erfc is nearly a parabola. Both are computed.
 * log.     x = 2^k (1 + f), 1 + f in [sqrt 1/2, sqrt 2); log x = k ln 2 + f - f^2/2 + f^3 p(f).
 */
#include "emit_internal.h"

static const double exp_q[] = { 0.5000003576278687, 0.16666613519191742, 0.04166125878691673, 0.008336109109222889, 0.0014104676665738225, 0.00019611344032455236 };
static const double expm1_q[] = { 0.4999999701976776, 0.16666541993618011, 0.04166720435023308, 0.00836664717644453, 0.001388249802403152 };
static const double log_p[] = { 0.3333331346511841, -0.25000008940696716, 0.2000211924314499, -0.1666799634695053, 0.14219552278518677,
                                -0.1240558922290802, 0.11888162046670914, -0.11675652116537094, 0.06746640801429749 };
static const double erf_p[] = { 0.12837916612625122, -0.3761262595653534, 0.1128358542919159, -0.026853812858462334, 0.005188328679651022,
                                -0.0008010201272554696, 7.85388401709497e-05 };
static const double erfc_g[] = { 0.0003415230312384665, 1.1270891427993774, 0.638144850730896, 0.10310675203800201, -0.02183806337416172,
                                 0.0029476583003997803, -0.00018637919856701046 };
#define LN2_HI 0.693359375
#define LN2_LO (-2.12194440e-4)
#define LOG2_E 1.44269504088896341
#define SQRT_HALF_BITS 0x3f3504f3

enum { EXPONENT = 23, BIAS = 127 };

/* ---- constants and operations of x's own type ---- */

LLVMValueRef emit_spread(LLVMTypeRef type, LLVMValueRef c) {
    if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) return c;
    LLVMValueRef all[64];
    unsigned n = LLVMGetVectorSize(type);
    ENSURE(n <= 64);
    for (unsigned i = 0; i < n; i++) all[i] = c;
    return LLVMConstVector(all, n);
}

static LLVMValueRef real(Emit *e, LLVMValueRef like, double x) {
    return emit_spread(LLVMTypeOf(like), LLVMConstReal(e->f32, x));
}

static LLVMTypeRef int_type(Emit *e, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMVectorType(e->i32, LLVMGetVectorSize(type)) : e->i32;
}

static LLVMValueRef bits(Emit *e, LLVMValueRef x) {
    return LLVMBuildBitCast(e->b, x, int_type(e, x), "");
}

static LLVMValueRef from_bits(Emit *e, LLVMValueRef i, LLVMValueRef like) {
    return LLVMBuildBitCast(e->b, i, LLVMTypeOf(like), "");
}

static LLVMValueRef integer(Emit *e, LLVMValueRef like, int64_t x) {
    return emit_spread(LLVMTypeOf(like), emit_i32(e, x));
}

static LLVMValueRef mul(Emit *e, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildFMul(e->b, x, y, "");
}

static LLVMValueRef add(Emit *e, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildFAdd(e->b, x, y, "");
}

static LLVMValueRef sub(Emit *e, LLVMValueRef x, LLVMValueRef y) {
    return LLVMBuildFSub(e->b, x, y, "");
}

/* Where x is NaN both give x: c is the operand that a comparison must pick. */
static LLVMValueRef at_least(Emit *e, LLVMValueRef x, double c) {
    LLVMValueRef k = real(e, x, c);
    return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOGT, k, x, ""), k, x, "");
}

static LLVMValueRef at_most(Emit *e, LLVMValueRef x, double c) {
    LLVMValueRef k = real(e, x, c);
    return LLVMBuildSelect(e->b, LLVMBuildFCmp(e->b, LLVMRealOLT, k, x, ""), k, x, "");
}

LLVMValueRef emit_fma(Emit *e, LLVMValueRef x, LLVMValueRef y, LLVMValueRef z) {
    if (!e->target->fma) return add(e, mul(e, x, y), z);
    return emit_intrinsic(e, "llvm.fma", LLVMTypeOf(x), (LLVMValueRef[]){ x, y, z }, 3);
}

/* c[0] + c[1] x + ... */
static LLVMValueRef polynomial(Emit *e, LLVMValueRef x, const double *c, int n) {
    LLVMValueRef sum = real(e, x, c[n - 1]);
    for (int i = n - 2; i >= 0; i--) sum = emit_fma(e, sum, x, real(e, x, c[i]));
    return sum;
}

/* ---- e^x ---- */

/* x = m * (unit * ln 2) + r; *power = 2^m. */
static LLVMValueRef reduce(Emit *e, LLVMValueRef x, double unit, LLVMValueRef *power) {
    LLVMValueRef magic = real(e, x, 12582912.0 + BIAS);
    LLVMValueRef t = emit_fma(e, x, real(e, x, LOG2_E / unit), magic);
    LLVMValueRef m = sub(e, t, magic);
    LLVMValueRef i = bits(e, t);
    *power = from_bits(e, LLVMBuildShl(e->b, i, integer(e, i, EXPONENT), ""), x);
    LLVMValueRef r = emit_fma(e, m, real(e, x, -LN2_HI * unit), x);
    return emit_fma(e, m, real(e, x, -LN2_LO * unit), r);
}

/* For x in [-104, 89] or NaN. */
static LLVMValueRef exp_in_range(Emit *e, LLVMValueRef x) {
    LLVMValueRef s;
    LLVMValueRef r = reduce(e, x, 2, &s);
    LLVMValueRef one = real(e, x, 1);
    LLVMValueRef y = emit_fma(e, polynomial(e, r, exp_q, 6), r, one);
    y = emit_fma(e, y, r, one);
    return mul(e, mul(e, y, s), s);
}

static LLVMValueRef exp_of(Emit *e, LLVMValueRef x) {
    return exp_in_range(e, at_most(e, at_least(e, x, -104), 89));
}

static LLVMValueRef sigmoid_of(Emit *e, LLVMValueRef x) {
    LLVMValueRef i = bits(e, x), one = real(e, x, 1);
    LLVMValueRef minus = from_bits(e, LLVMBuildOr(e->b, i, integer(e, i, INT32_MIN), ""), x);
    LLVMValueRef z = exp_in_range(e, at_least(e, minus, -104));
    LLVMValueRef negative = LLVMBuildICmp(e->b, LLVMIntSLT, i, integer(e, i, 0), "");
    return LLVMBuildFDiv(e->b, LLVMBuildSelect(e->b, negative, z, one, ""), add(e, z, one), "");
}

static LLVMValueRef tanh_of(Emit *e, LLVMValueRef x) {
    LLVMValueRef i = bits(e, x), s;
    LLVMValueRef sign = LLVMBuildAnd(e->b, i, integer(e, i, INT32_MIN), "");
    LLVMValueRef size = from_bits(e, LLVMBuildAnd(e->b, i, integer(e, i, INT32_MAX), ""), x);
    LLVMValueRef y = at_most(e, size, 10); /* tanh 10 rounds to 1 */
    LLVMValueRef r = reduce(e, add(e, y, y), 1, &s);
    LLVMValueRef p = emit_fma(e, mul(e, polynomial(e, r, expm1_q, 5), r), r, r);
    LLVMValueRef t = emit_fma(e, p, s, sub(e, s, real(e, x, 1)));
    LLVMValueRef q = LLVMBuildFDiv(e->b, t, add(e, t, real(e, x, 2)), "");
    return from_bits(e, LLVMBuildOr(e->b, bits(e, q), sign, ""), x);
}

static LLVMValueRef erf_of(Emit *e, LLVMValueRef x) {
    LLVMValueRef i = bits(e, x), one = real(e, x, 1);
    LLVMValueRef sign = LLVMBuildAnd(e->b, i, integer(e, i, INT32_MIN), "");
    LLVMValueRef size = from_bits(e, LLVMBuildAnd(e->b, i, integer(e, i, INT32_MAX), ""), x);
    LLVMValueRef y = at_most(e, size, 4); /* erf 4 rounds to 1 */
    LLVMValueRef near = emit_fma(e, polynomial(e, mul(e, y, y), erf_p, 7), y, y);
    LLVMValueRef far = sub(e, one, exp_in_range(e, LLVMBuildFNeg(e->b, polynomial(e, y, erfc_g, 7), "")));
    LLVMValueRef is_near = LLVMBuildFCmp(e->b, LLVMRealOLT, size, one, "");
    return from_bits(e, LLVMBuildOr(e->b, bits(e, LLVMBuildSelect(e->b, is_near, near, far, "")), sign, ""), x);
}

/* ---- log x ---- */

static LLVMValueRef log_of(Emit *e, LLVMValueRef x) {
    LLVMBuilderRef b = e->b;
    LLVMValueRef zero = real(e, x, 0), infinite = real(e, x, (double)__builtin_inff());
    LLVMValueRef tiny = LLVMBuildFCmp(b, LLVMRealOLT, x, real(e, x, 0x1p-126), "");
    LLVMValueRef i = bits(e, LLVMBuildSelect(b, tiny, mul(e, x, real(e, x, 0x1p23)), x, ""));
    LLVMValueRef shift = integer(e, i, EXPONENT), base = integer(e, i, SQRT_HALF_BITS);
    LLVMValueRef above = LLVMBuildSub(b, i, base, "");
    LLVMValueRef k = LLVMBuildSIToFP(b, LLVMBuildAShr(b, above, shift, ""), LLVMTypeOf(x), "");
    k = sub(e, k, LLVMBuildSelect(b, tiny, real(e, x, EXPONENT), zero, ""));
    LLVMValueRef mantissa = LLVMBuildAnd(b, above, integer(e, i, 0x7fffff), "");
    LLVMValueRef f = sub(e, from_bits(e, LLVMBuildAdd(b, mantissa, base, ""), x), real(e, x, 1));
    LLVMValueRef f2 = mul(e, f, f);
    LLVMValueRef y = mul(e, mul(e, polynomial(e, f, log_p, 9), f), f2);
    y = emit_fma(e, k, real(e, x, LN2_LO), y);
    y = add(e, emit_fma(e, f2, real(e, x, -0.5), y), f);
    y = emit_fma(e, k, real(e, x, LN2_HI), y);
    y = LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOEQ, x, zero, ""), real(e, x, -(double)__builtin_inff()), y, "");
    y = LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOEQ, x, infinite, ""), infinite, y, "");
    LLVMValueRef bad = LLVMBuildFCmp(b, LLVMRealULT, x, zero, "");
    return LLVMBuildSelect(b, bad, real(e, x, (double)__builtin_nanf("")), y, "");
}

/* ---- calls ---- */

static LLVMValueRef value_of(Emit *e, ExprKind kind, LLVMValueRef x) {
    switch (kind) {
    case EXPR_EXP: return exp_of(e, x);
    case EXPR_LOG: return log_of(e, x);
    case EXPR_SIGMOID: return sigmoid_of(e, x);
    case EXPR_TANH: return tanh_of(e, x);
    case EXPR_ERF: return erf_of(e, x);
    default: BUG("emit: %s is not a function", expr_text(kind));
    }
}

static LLVMValueRef make_function(Emit *e, ExprKind kind, const char *name, LLVMTypeRef type) {
    LLVMBuilderRef outside = e->b;
    e->b = LLVMCreateBuilderInContext(e->cx);
    LLVMValueRef fn = emit_function(e, name, LLVMFunctionType(type, &type, 1, false), LLVMInternalLinkage);
    LLVMValueRef x = LLVMGetParam(fn, 0);
    unsigned memory = LLVMGetEnumAttributeKindForName("memory", 6), returns = LLVMGetEnumAttributeKindForName("willreturn", 10);
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->cx, memory, 0)); /* none */
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->cx, returns, 0));
    unsigned inlined = LLVMGetEnumAttributeKindForName("alwaysinline", 12);
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(e->cx, inlined, 0));
    LLVMBuildRet(e->b, value_of(e, kind, x));
    LLVMDisposeBuilder(e->b);
    e->b = outside;
    return fn;
}

LLVMValueRef emit_math(Emit *e, ExprKind kind, LLVMValueRef x) {
    LLVMTypeRef type = LLVMTypeOf(x);
    unsigned lanes = LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetVectorSize(type) : 1;
    const char *name = arena_printf(e->a, "%s.%s.%u", e->p->model->name, expr_text(kind), lanes);
    LLVMValueRef fn = LLVMGetNamedFunction(e->module, name);
    if (!fn) fn = make_function(e, kind, name, type);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(fn), fn, &x, 1, "");
}

/* Row a with every second run of d numbers from row b: those before (half 0) or those after (half 1). */
static LLVMValueRef interleave(Emit *e, LLVMValueRef a, LLVMValueRef b, unsigned n, unsigned d, unsigned half) {
    enum { MOST = 64 };
    LLVMValueRef mask[MOST];
    ENSURE(n <= MOST);
    for (unsigned j = 0; j < n; j++) {
        unsigned first = half ? j + d : j, second = half ? j : j - d;
        mask[j] = emit_i32(e, j & d ? n + second : first);
    }
    return LLVMBuildShuffleVector(e->b, a, b, LLVMConstVector(mask, n), "");
}

/* Swaps, bit by bit, the bits of a number's place in its row with those of its row. */
void emit_transpose(Emit *e, LLVMValueRef *row, unsigned n) {
    for (unsigned d = 1; d < n; d *= 2)
        for (unsigned i = 0; i < n; i++) {
            if (i & d) continue;
            LLVMValueRef a = row[i], b = row[i + d];
            row[i] = interleave(e, a, b, n, d, 0);
            row[i + d] = interleave(e, a, b, n, d, 1);
        }
}
