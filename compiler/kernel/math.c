/* exp, log, log1p, tanh in the arithmetic of the IR itself, so that every way of running a program gives the same bits
 * and nothing calls a libm. Select-based: both sides of every choice are computed, as vector code does anyway. The
 * polynomials are those of Cephes (S. Moshier, expf.c, logf.c, tanhf.c); tests/kernel/test_functions.c measures the
 * errors and holds the bounds. */
#include "math_functions.h"
#include "parse.h"

#include <assert.h>
#include <string.h>

/* Adding and subtracting 1.5 * 2^23 rounds to an integer, whose low bits then stand in the sum's own. The reduction by
 * ln 2 is in two parts, the first exact in 9 bits, so that it needs no fma. 2^n is applied in two halves: n may be 128,
 * where the result overflows as it should. */
static const char exp_text[] =
    "fn exp(x: f32) {\n"
    "  let c = max(select(x > 89.0, 89.0, x), -88.0)\n"
    "  let s = fma(c, 1.442695, 12582912.0)\n"
    "  let n = s - 12582912.0\n"
    "  let r = fma(n, 0.00021219444, fma(n, -0.69335938, c))\n"
    "  let p0 = fma(0.00019875691, r, 0.0013981999)\n"
    "  let p1 = fma(p0, r, 0.008333452)\n"
    "  let p2 = fma(p1, r, 0.041665796)\n"
    "  let p3 = fma(p2, r, 0.16666666)\n"
    "  let p4 = fma(p3, r, 0.5)\n"
    "  let y = fma(p4, r * r, r) + 1.0\n"
    "  let i = bits(s) - 1262485504\n"
    "  let h = i >> 1\n"
    "  let z = y * float(h + 127 << 23) * float(i - h + 127 << 23)\n"
    "  return select(x < -87.3, 0.0, z)\n"
    "}\n";

/* x = m * 2^e with m in [sqrt(1/2), sqrt(2)); denormal arguments are scaled first. */
static const char log_text[] =
    "fn log(x: f32) {\n"
    "  let tiny = x < 1.1754944e-38\n"
    "  let v = select(tiny, x * 8388608.0, x)\n"
    "  let k = bits(v) - 1060439283 >> 23\n"
    "  let e = f32(k) - select(tiny, 23.0, 0.0)\n"
    "  let f = float(bits(v) - (k << 23)) - 1.0\n"
    "  let z = f * f\n"
    "  let p0 = fma(0.070376836, f, -0.1151461)\n"
    "  let p1 = fma(p0, f, 0.116769984)\n"
    "  let p2 = fma(p1, f, -0.12420141)\n"
    "  let p3 = fma(p2, f, 0.14249323)\n"
    "  let p4 = fma(p3, f, -0.16668057)\n"
    "  let p5 = fma(p4, f, 0.20000714)\n"
    "  let p6 = fma(p5, f, -0.24999994)\n"
    "  let p7 = fma(p6, f, 0.3333333)\n"
    "  let q = fma(z, -0.5, fma(e, -0.00021219444, f * z * p7))\n"
    "  let y = fma(e, 0.69335938, f + q)\n"
    "  let finite = select(x > 0.0, y, select(x == 0.0, -inf, nan))\n"
    "  return select(x < inf, finite, x)\n"
    "}\n";

/* log(u) for u = 1 + x rounded, and what the rounding lost, to first order. */
static const char log1p_text[] =
    "fn log1p(x: f32) {\n"
    "  let u = x + 1.0\n"
    "  let lost = select(abs(x) < 16777216.0 && u > 0.0, (x - (u - 1.0)) / u, 0.0)\n"
    "  let l = log(u)\n"
    "  return select(u == 1.0, x, l + lost)\n"
    "}\n";

/* Of the absolute value; the sign is put back as a bit, so that -0 keeps it. */
static const char tanh_text[] =
    "fn tanh(x: f32) {\n"
    "  let a = abs(x)\n"
    "  let z = x * x\n"
    "  let p0 = fma(-0.0057049887, z, 0.020639088)\n"
    "  let p1 = fma(p0, z, -0.053739715)\n"
    "  let p2 = fma(p1, z, 0.13331442)\n"
    "  let p3 = fma(p2, z, -0.33333282)\n"
    "  let small = fma(p3, z * a, a)\n"
    "  let large = 1.0 - 2.0 / (exp(a + a) + 1.0)\n"
    "  let y = select(a < 0.625, small, large)\n"
    "  return float(bits(y) | bits(x) & -2147483648)\n"
    "}\n";

static const struct {
    const char *name, *text;
} builtins[] = {{"exp", exp_text}, {"log", log_text}, {"log1p", log1p_text}, {"tanh", tanh_text}};

const char *kernel_builtin(size_t number)
{
    return number < sizeof builtins / sizeof *builtins ? builtins[number].name : NULL;
}

static const char *builtin_text(const char *name)
{
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (strcmp(builtins[i].name, name) == 0)
            return builtins[i].text;
    return NULL;
}

bool kernel_is_builtin(const char *name)
{
    return builtin_text(name) != NULL;
}

/* The text is parsed as if it stood in a file of its own. */
static struct kfunction *parse_builtin(struct kprogram *program, const char *text)
{
    struct arena *arena = program->arena;
    struct source_map *map = ARENA_NEW(arena, struct source_map);
    struct diag_list *diags = ARENA_NEW(arena, struct diag_list);
    struct kparser parser;
    source_map_init(map, arena);
    diag_init(diags, arena, map);
    uint32_t file = source_add(map, "math", text, strlen(text));
    bool is_function = kparse_start(&parser, arena, diags, file, program) && kparse_accept_word(&parser, "fn");
    struct kfunction *function = kparse_function(&parser);
    assert(is_function && function && diags->errors == 0);
    (void)is_function;
    return function;
}

const struct kfunction *kernel_function(struct kprogram *program, const char *name)
{
    for (size_t i = 0; i < program->functions.count; i++)
        if (strcmp(program->functions.at[i]->name, name) == 0)
            return program->functions.at[i];
    const char *text = builtin_text(name);
    if (!text)
        return NULL;
    struct kfunction *function = parse_builtin(program, text);
    vec_push(program->arena, &program->functions, function);
    return function;
}
