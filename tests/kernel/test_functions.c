/* The functions of math.c against libm in double: errors in units in the last place of the float result, over a dense
 * sweep of bit patterns, in both arithmetics; and what they make of special values. */
#include "test_kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { POINTS = 4096 };

static const char text[] = "program @functions {\n"
                           "  arith %s\n"
                           "  data x: f32[4096] slot 0\n"
                           "  arena y: f32[4096] at 0\n"
                           "  kernel k(X: f32[4096]) -> (Y: f32[4096]) {\n"
                           "    Y[i] = %s(X[i])\n"
                           "  }\n"
                           "  call k(x, y)\n"
                           "}\n";

static void open_function(struct bench *b, const char *arith, const char *name)
{
    char buffer[sizeof text + 40];
    snprintf(buffer, sizeof buffer, text, arith, name);
    bench_open_text(b, buffer, 0);
}

/* Distance from the exact value in ULP of the float nearest to it. */
static double ulp_error(float got, double exact)
{
    float near = (float)exact;
    if (isinf(near))
        return isinf(got) && (got > 0) == (near > 0) ? 0 : INFINITY;
    double unit = (double)nextafterf(fabsf(near), INFINITY) - (double)fabsf(near);
    return fabs((double)got - exact) / unit;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Every float whose bits are a multiple of `step`, with |x| between the bounds. */
static double worst(const char *arith, const char *name, double (*exact)(double), float least, float most,
                    bool negative, uint32_t step)
{
    struct bench b;
    double error = 0;
    uint32_t bits, end;
    open_function(&b, arith, name);
    memcpy(&bits, &least, sizeof bits);
    memcpy(&end, &most, sizeof end);
    while (bits <= end) {
        float *x = b.data[0], *y = (float *)(void *)b.memory;
        int count = 0;
        for (; count < POINTS && bits <= end; bits += step)
            x[count++] = negative ? -from_bits(bits) : from_bits(bits);
        bench_run(&b);
        for (int i = 0; i < count; i++) {
            double here = ulp_error(y[i], exact((double)x[i]));
            if (!(here <= error))
                error = here;
        }
    }
    bench_close(&b);
    return error;
}

/* The bounds hold in both arithmetics. Measured: exp 0.93, log 0.75, log1p 1.16, tanh 1.19. */
static void check(const char *name, double (*exact)(double), float least, float most, bool negative, double bound)
{
    double fma_error = worst("fma", name, exact, least, most, negative, 4099);
    double muladd_error = worst("muladd", name, exact, least, most, negative, 4099);
    if (!(fma_error <= bound) || !(muladd_error <= bound))
        fprintf(stderr, "%s on %s[%g, %g]: %.3f ULP with fma, %.3f with muladd, bound %.2f\n", name,
                negative ? "-" : "", (double)least, (double)most, fma_error, muladd_error, bound);
    CU_ASSERT(fma_error <= bound && muladd_error <= bound);
}

static void accuracy(void)
{
    check("exp", exp, 0, 89, false, 1.0);
    check("exp", exp, 0, 87.29f, true, 1.0);
    check("log", log, 0x1p-149f, FLT_MAX, false, 1.0);
    check("log1p", log1p, 0, FLT_MAX, false, 1.25);
    check("tanh", tanh, 0, FLT_MAX, false, 1.25);
    check("tanh", tanh, 0, FLT_MAX, true, 1.25);
}

struct special {
    const char *name;
    float x, y;
};

static void special_values(void)
{
    static const struct special cases[] = {
        {"exp", NAN, NAN},
        {"exp", INFINITY, INFINITY},
        {"exp", -INFINITY, 0},
        {"exp", 0, 1},
        {"exp", -0.0f, 1},
        {"exp", 89, INFINITY},
        {"exp", FLT_MAX, INFINITY},
        {"exp", -87.31f, 0},
        {"exp", -FLT_MAX, 0},
        {"exp", 0x1p-149f, 1},
        {"exp", -0x1p-149f, 1},
        {"log", NAN, NAN},
        {"log", INFINITY, INFINITY},
        {"log", 0, -INFINITY},
        {"log", -0.0f, -INFINITY},
        {"log", 1, 0},
        {"log", -1, NAN},
        {"log", -INFINITY, NAN},
        {"log", -0x1p-149f, NAN},
        {"log1p", NAN, NAN},
        {"log1p", INFINITY, INFINITY},
        {"log1p", 0, 0},
        {"log1p", 0x1p-149f, 0x1p-149f},
        {"log1p", 0x1p-30f, 0x1p-30f},
        {"log1p", -1, -INFINITY},
        {"log1p", -2, NAN},
        {"tanh", NAN, NAN},
        {"tanh", INFINITY, 1},
        {"tanh", -INFINITY, -1},
        {"tanh", 0, 0},
        {"tanh", -0.0f, -0.0f},
        {"tanh", 0x1p-149f, 0x1p-149f},
        {"tanh", 50, 1},
        {"tanh", -FLT_MAX, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int muladd = 0; muladd < 2; muladd++) {
            struct bench b;
            open_function(&b, muladd ? "muladd" : "fma", cases[i].name);
            F(&b, "x", 1000) = cases[i].x;
            bench_run(&b);
            if (!same_f32(F(&b, "y", 1000), cases[i].y))
                fprintf(stderr, "%s(%g) is %g, not %g\n", cases[i].name, (double)cases[i].x, (double)F(&b, "y", 1000),
                        (double)cases[i].y);
            CHECK_SAME(F(&b, "y", 1000), cases[i].y);
            bench_close(&b);
        }
    }
}

CU_ErrorCode add_function_tests(void)
{
    CU_TestInfo tests[] = {{"accuracy", accuracy}, {"special values", special_values}, CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"functions", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return CU_register_suites(suites);
}
