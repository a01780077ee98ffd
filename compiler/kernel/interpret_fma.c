/* Where nearly all the time goes: chains of fma over a run, as wide as the machine allows. Elements are independent, so
 * width changes no bit. Without FMA in the processor fmaf is exact too, only slow. */
#include "interpret.h"

#include <float.h>
#include <math.h>

_Static_assert(FLT_EVAL_METHOD == 0, "float arithmetic must round to float");

#define AT(p, uniform, i) ((p)[(uniform) ? 0 : (i)])

static void fma_plain(float *acc, size_t count, const float *a, int64_t a_step, bool a_uniform, const float *b,
                      int64_t b_step, bool b_uniform, int64_t terms)
{
    for (int64_t k = 0; k < terms; k++, a += a_step, b += b_step)
        for (size_t i = 0; i < count; i++)
            acc[i] = fmaf(AT(a, a_uniform, i), AT(b, b_uniform, i), acc[i]);
}

static void muladd_plain(float *acc, size_t count, const float *a, int64_t a_step, bool a_uniform, const float *b,
                         int64_t b_step, bool b_uniform, int64_t terms)
{
    for (int64_t k = 0; k < terms; k++, a += a_step, b += b_step)
        for (size_t i = 0; i < count; i++)
            acc[i] += AT(a, a_uniform, i) * AT(b, b_uniform, i);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Blocks of 64, 16 and 8 elements stay in registers while the terms go by; what is left is done element by element. */
#define BLOCK(isa, name, wide, fold)                                                                                   \
    __attribute__((target(isa))) static void name##_##wide(float *acc, const float *a, int64_t a_step,                 \
                                                              bool a_uniform, const float *b, int64_t b_step,          \
                                                              int64_t terms)                                           \
    {                                                                                                                  \
        __m256 sum[wide];                                                                                              \
        _Pragma("GCC unroll 8")                                                                                        \
        for (int v = 0; v < wide; v++)                                                                                 \
            sum[v] = _mm256_loadu_ps(acc + 8 * v);                                                                     \
        for (int64_t k = 0; k < terms; k++, a += a_step, b += b_step) {                                                \
            if (a_uniform) {                                                                                           \
                __m256 s = _mm256_broadcast_ss(a);                                                                     \
                _Pragma("GCC unroll 8")                                                                                \
                for (int v = 0; v < wide; v++)                                                                         \
                    sum[v] = fold(s, _mm256_loadu_ps(b + 8 * v), sum[v]);                                              \
            } else {                                                                                                   \
                _Pragma("GCC unroll 8")                                                                                \
                for (int v = 0; v < wide; v++)                                                                         \
                    sum[v] = fold(_mm256_loadu_ps(a + 8 * v), _mm256_loadu_ps(b + 8 * v), sum[v]);                     \
            }                                                                                                          \
        }                                                                                                              \
        _Pragma("GCC unroll 8")                                                                                        \
        for (int v = 0; v < wide; v++)                                                                                 \
            _mm256_storeu_ps(acc + 8 * v, sum[v]);                                                                     \
    }

#define WIDE(isa, name, fold, rest)                                                                                    \
    BLOCK(isa, name, 8, fold)                                                                                          \
    BLOCK(isa, name, 2, fold)                                                                                          \
    BLOCK(isa, name, 1, fold)                                                                                          \
    static void name(float *acc, size_t count, const float *a, int64_t a_step, bool a_uniform, const float *b,         \
                     int64_t b_step, bool b_uniform, int64_t terms)                                                    \
    {                                                                                                                  \
        if (b_uniform && !a_uniform) { /* a product commutes */                                                        \
            name(acc, count, b, b_step, true, a, a_step, false, terms);                                                \
            return;                                                                                                    \
        }                                                                                                              \
        size_t i = 0, left = b_uniform ? 0 : count;                                                                    \
        for (; left - i >= 64; i += 64)                                                                                \
            name##_8(acc + i, a_uniform ? a : a + i, a_step, a_uniform, b + i, b_step, terms);                         \
        for (; left - i >= 16; i += 16)                                                                                \
            name##_2(acc + i, a_uniform ? a : a + i, a_step, a_uniform, b + i, b_step, terms);                         \
        for (; left - i >= 8; i += 8)                                                                                  \
            name##_1(acc + i, a_uniform ? a : a + i, a_step, a_uniform, b + i, b_step, terms);                         \
        if (i < count)                                                                                                 \
            rest(acc + i, count - i, a_uniform ? a : a + i, a_step, a_uniform, b_uniform ? b : b + i, b_step,          \
                 b_uniform, terms);                                                                                    \
    }

#define FOLD_MULADD(a, b, c) _mm256_add_ps(_mm256_mul_ps((a), (b)), (c))

__attribute__((target("fma"))) static void fma_scalar(float *acc, size_t count, const float *a, int64_t a_step,
                                                      bool a_uniform, const float *b, int64_t b_step, bool b_uniform,
                                                      int64_t terms)
{
    for (size_t i = 0; i < count; i++) {
        const float *x = a_uniform ? a : a + i, *y = b_uniform ? b : b + i;
        __m128 sum = _mm_set_ss(acc[i]);
        for (int64_t k = 0; k < terms; k++)
            sum = _mm_fmadd_ss(_mm_set_ss(x[k * a_step]), _mm_set_ss(y[k * b_step]), sum);
        acc[i] = _mm_cvtss_f32(sum);
    }
}

WIDE("avx2,fma", fma_wide, _mm256_fmadd_ps, fma_scalar)
WIDE("avx2", muladd_wide, FOLD_MULADD, muladd_plain)

fma_run *interpret_choose_fma(bool muladd)
{
    __builtin_cpu_init();
    if (muladd)
        return __builtin_cpu_supports("avx2") ? muladd_wide : muladd_plain;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? fma_wide : fma_plain;
}
#else
fma_run *interpret_choose_fma(bool muladd)
{
    return muladd ? muladd_plain : fma_plain;
}
#endif
