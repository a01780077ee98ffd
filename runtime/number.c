/* Numbers in text. Short decimal numbers are exact products of small integers and powers of ten (Clinger 1990); the
 * rest goes to strtod in the C locale, whatever the program's locale is. */
#include "internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* digits [. digits] [e [sign] digits], at most 2^53 as digits and 10^±22 as scale: both exact, so one rounding. */
static bool parse_short(const char *text, size_t size, double *out) {
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *at = text, *end = text + size;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    uint64_t digits = 0;
    int scale = 0, count = 0;
    for (; at < end && is_digit(*at) && count < 18; at++, count++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    if (at < end && *at == '.')
        for (at++; at < end && is_digit(*at) && count < 18; at++, count++, scale--)
            digits = digits * 10 + (uint64_t)(*at - '0');
    if (!count)
        return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *digit = at + 1;
        bool minus = digit < end && *digit == '-';
        digit += digit < end && (*digit == '-' || *digit == '+');
        int exponent = 0, exponent_digits = 0;
        for (; digit < end && is_digit(*digit) && exponent_digits < 3; digit++, exponent_digits++)
            exponent = exponent * 10 + (*digit - '0');
        if (!exponent_digits)
            return false;
        scale += minus ? -exponent : exponent;
        at = digit;
    }
    if (at != end || digits > (uint64_t)1 << 53 || scale < -22 || scale > 22)
        return false;
    double value = scale < 0 ? (double)digits / power[-scale] : (double)digits * power[scale];
    *out = negative ? -value : value;
    return true;
}

enum rt_number rt_number_parse(const char *text, size_t size, locale_t c, double *out) {
    if (parse_short(text, size, out))
        return RT_NUMBER_OK;
    char small[128];
    if (!size || strchr(" \t\n\v\f\r", text[0]))
        return RT_NUMBER_NOT; /* strtod would skip them; strchr also finds NUL */
    if (memchr(text, 'x', size) || memchr(text, 'X', size) || memchr(text, '(', size))
        return RT_NUMBER_NOT; /* hexadecimal numbers and nan(...), which strtod reads */
    char *copy = size < sizeof small ? small : malloc(size + 1);
    if (!copy)
        return RT_NUMBER_NOT;
    memcpy(copy, text, size);
    copy[size] = 0;
    char *end;
    *out = strtod_l(copy, &end, c);
    bool whole = end == copy + size;
    bool written_infinite = memchr(copy, 'n', size) || memchr(copy, 'N', size);
    if (copy != small)
        free(copy);
    if (!whole)
        return RT_NUMBER_NOT;
    return isinf(*out) && !written_infinite ? RT_NUMBER_RANGE : RT_NUMBER_OK;
}

enum rt_number rt_integer_parse(const char *text, size_t size, int32_t *out) {
    const char *at = text, *end = text + size;
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (at == end)
        return RT_NUMBER_NOT;
    int64_t value = 0;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return RT_NUMBER_NOT;
        if (value <= INT32_MAX)
            value = value * 10 + (*at - '0');
    }
    if (value > (int64_t)INT32_MAX + negative)
        return RT_NUMBER_RANGE;
    *out = (int32_t)(negative ? -value : value);
    return RT_NUMBER_OK;
}
