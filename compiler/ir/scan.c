#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER = 64 };

struct span scan_span(const struct scanner *s, size_t begin, size_t end)
{
    return (struct span){s->file, (uint32_t)begin, (uint32_t)(end > begin ? end : begin + (begin < s->end))};
}

void scan_blanks(struct scanner *s)
{
    while (s->at < s->end && (s->text[s->at] == ' ' || s->text[s->at] == '\t' || s->text[s->at] == '\r'))
        s->at++;
}

void scan_line(struct scanner *s)
{
    while (s->at < s->end && s->text[s->at] != '\n')
        s->at++;
}

/* To the next token on this or a later line, past comments. */
void scan_lines(struct scanner *s)
{
    for (;;) {
        scan_blanks(s);
        if (s->at < s->end && s->text[s->at] == '#')
            scan_line(s);
        if (s->at == s->end || s->text[s->at] != '\n')
            return;
        s->at++;
    }
}

bool scan_fail(struct scanner *s, const char *expected)
{
    scan_blanks(s);
    size_t end = s->at;
    while (end < s->end && end - s->at < 40 && (unsigned char)s->text[end] > ' ' && !strchr(",(){}[]", s->text[end]))
        end++;
    if (end == s->at && end < s->end && s->text[end] != '\n')
        end++;
    if (end == s->at)
        diag_error(s->diags, scan_span(s, s->at, s->at), "expected %s, but the %s ends here", expected,
                   s->at == s->end ? "text" : "line");
    else
        diag_error(s->diags, scan_span(s, s->at, end), "expected %s, found \"%s\"", expected,
                   diag_escape(s->arena, s->text + s->at, end - s->at));
    return false;
}

bool scan_peek(struct scanner *s, char c)
{
    scan_blanks(s);
    return s->at < s->end && s->text[s->at] == c;
}

bool scan_accept(struct scanner *s, char c)
{
    if (!scan_peek(s, c))
        return false;
    s->at++;
    return true;
}

bool scan_expect(struct scanner *s, char c, const char *what)
{
    return scan_accept(s, c) || scan_fail(s, what);
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c & 0x80) ||
           c == '_' || c == '.' || c == '-';
}

bool scan_word(struct scanner *s, struct word *out, const char *what)
{
    scan_blanks(s);
    size_t begin = s->at;
    while (s->at < s->end && is_word_byte(s->text[s->at]))
        s->at++;
    if (s->at == begin)
        return scan_fail(s, what);
    *out = (struct word){intern(&s->names, s->text + begin, s->at - begin), scan_span(s, begin, s->at)};
    return true;
}

bool scan_accept_word(struct scanner *s, const char *word)
{
    size_t length = strlen(word);
    scan_blanks(s);
    if (s->end - s->at < length || memcmp(s->text + s->at, word, length) != 0 ||
        (s->at + length < s->end && is_word_byte(s->text[s->at + length])))
        return false;
    s->at += length;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool scan_string(struct scanner *s, const char **out)
{
    if (!scan_expect(s, '"', "a string"))
        return false;
    struct text text;
    text_init(&text, s->arena);
    while (s->at < s->end && s->text[s->at] != '"' && s->text[s->at] != '\n') {
        char c = s->text[s->at++];
        if (c == '\\' && s->at < s->end && (s->text[s->at] == '"' || s->text[s->at] == '\\')) {
            c = s->text[s->at++];
        } else if (c == '\\') {
            int high = s->end - s->at > 2 && s->text[s->at] == 'x' ? hex_digit(s->text[s->at + 1]) : -1;
            int low = high >= 0 ? hex_digit(s->text[s->at + 2]) : -1;
            if (low < 0 || (high | low) == 0)
                return scan_fail(s, "\\\", \\\\ or \\xNN");
            c = (char)(high * 16 + low);
            s->at += 3;
        } else if (c == 0) {
            s->at--;
            return scan_fail(s, "a character of the string");
        }
        text_add_n(&text, &c, 1);
    }
    *out = text_string(&text);
    return scan_expect(s, '"', "the closing '\"'");
}

static bool number_text(struct scanner *s, char digits[MAX_NUMBER], size_t *out_begin, const char *what)
{
    scan_blanks(s);
    size_t begin = s->at, n = 0;
    while (s->at < s->end && (is_word_byte(s->text[s->at]) || s->text[s->at] == '+')) {
        if (n + 1 < MAX_NUMBER)
            digits[n++] = s->text[s->at];
        s->at++;
    }
    digits[n] = 0;
    *out_begin = begin;
    if (n == 0 || s->at - begin != n) {
        s->at = begin;
        return scan_fail(s, what);
    }
    return true;
}

bool scan_int(struct scanner *s, int64_t *out, const char *what)
{
    char digits[MAX_NUMBER], *end;
    size_t begin;
    if (!number_text(s, digits, &begin, what))
        return false;
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    if (*end || errno) {
        s->at = begin;
        return scan_fail(s, what);
    }
    *out = value;
    return true;
}

bool scan_float(struct scanner *s, double *out)
{
    char digits[MAX_NUMBER], *end;
    size_t begin;
    if (!number_text(s, digits, &begin, "a number"))
        return false;
    *out = strtod(digits, &end);
    if (*end) {
        s->at = begin;
        return scan_fail(s, "a number");
    }
    return true;
}
