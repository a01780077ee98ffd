/* A scanner by hand: names with dots, quoted names, decimal numbers, operators. */
#include "scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Longest first where one is the beginning of another. */
static const char *const signs[] = {
    ">>>", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "->", "+", "-", "*", "/", "%", "<", ">",
    "=",   "!",  "&",  "|",  "^",  "(",  ")",  "[",  "]",  "{",  "}", ",", ";", ":", "?", "@",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The byte `ahead` places on, 0 past the end. */
static char peek(const struct kscanner *s, size_t ahead)
{
    return s->at + ahead < s->length ? s->text[s->at + ahead] : 0;
}

static struct span span_from(const struct kscanner *s, size_t begin)
{
    return (struct span){s->file, (uint32_t)begin, (uint32_t)s->at};
}

static bool skip_blank(struct kscanner *s)
{
    bool line_start = s->at == 0;
    for (;;) {
        char c = peek(s, 0);
        if (s->at < s->length && c == '#') {
            while (s->at < s->length && s->text[s->at] != '\n')
                s->at++;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            line_start |= c == '\n';
            s->at++;
        } else {
            return line_start;
        }
    }
}

static void scan_name(struct kscanner *s, struct ktoken *token)
{
    size_t begin = s->at;
    do {
        while (is_letter(peek(s, 0)) || is_digit(peek(s, 0)))
            s->at++;
    } while (peek(s, 0) == '.' && (is_letter(peek(s, 1)) || is_digit(peek(s, 1))) && s->at++);
    token->kind = KTOK_NAME;
    token->text = arena_strndup(s->arena, s->text + begin, s->at - begin);
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void scan_quoted(struct kscanner *s, struct ktoken *token)
{
    size_t begin = s->at++;
    struct text name;
    text_init(&name, s->arena);
    while (s->at < s->length && s->text[s->at] != '"' && s->text[s->at] != '\n') {
        char c = s->text[s->at++];
        if (c == '\\' && peek(s, 0) == 'x' && hex_value(peek(s, 1)) >= 0 && hex_value(peek(s, 2)) >= 0) {
            c = (char)(hex_value(peek(s, 1)) * 16 + hex_value(peek(s, 2)));
            s->at += 3;
        }
        if (c == 0) {
            diag_error(s->diags, span_from(s, begin), "a name cannot hold a zero byte");
            continue;
        }
        text_add_n(&name, &c, 1);
    }
    if (peek(s, 0) == '"')
        s->at++;
    else
        diag_error(s->diags, span_from(s, begin), "the quoted name is not closed on its line");
    token->kind = KTOK_NAME;
    token->quoted = true;
    token->text = text_string(&name);
}

static void scan_number(struct kscanner *s, struct ktoken *token)
{
    size_t begin = s->at;
    bool real = false;
    while (is_digit(peek(s, 0)))
        s->at++;
    if (peek(s, 0) == '.' && is_digit(peek(s, 1))) {
        real = true;
        s->at++;
        while (is_digit(peek(s, 0)))
            s->at++;
    }
    size_t sign = peek(s, 1) == '-' || peek(s, 1) == '+';
    if (peek(s, 0) == 'e' && is_digit(peek(s, 1 + sign))) {
        real = true;
        s->at += 1 + sign;
        while (is_digit(peek(s, 0)))
            s->at++;
    }
    const char *digits = arena_strndup(s->arena, s->text + begin, s->at - begin);
    if (is_letter(peek(s, 0)) || peek(s, 0) == '.') {
        while (is_letter(peek(s, 0)) || is_digit(peek(s, 0)) || peek(s, 0) == '.')
            s->at++;
        diag_error(s->diags, span_from(s, begin), "%s is not a number",
                   diag_escape(s->arena, s->text + begin, s->at - begin));
    }
    token->kind = real ? KTOK_FLOAT : KTOK_INT;
    if (real) {
        token->number = strtof(digits, NULL);
        if (isinf(token->number))
            diag_error(s->diags, span_from(s, begin), "%s does not fit into f32",
                       diag_escape(s->arena, digits, strlen(digits)));
    } else if (!text_to_int(digits, &token->integer)) {
        diag_error(s->diags, span_from(s, begin), "%s does not fit into 64 bits",
                   diag_escape(s->arena, digits, strlen(digits)));
    }
}

static bool scan_sign(struct kscanner *s, struct ktoken *token)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t n = strlen(signs[i]);
        if (s->length - s->at >= n && memcmp(s->text + s->at, signs[i], n) == 0) {
            s->at += n;
            token->kind = KTOK_SIGN;
            token->text = signs[i];
            return true;
        }
    }
    return false;
}

struct ktoken kscan(struct kscanner *s)
{
    struct ktoken token = {.kind = KTOK_END, .text = "", .line_start = skip_blank(s)};
    size_t begin = s->at;
    while (s->at < s->length) {
        begin = s->at;
        if (is_letter(peek(s, 0)))
            scan_name(s, &token);
        else if (is_digit(peek(s, 0)))
            scan_number(s, &token);
        else if (peek(s, 0) == '"')
            scan_quoted(s, &token);
        else if (!scan_sign(s, &token)) {
            s->at++;
            diag_error(s->diags, span_from(s, begin), "unexpected character \"%s\"",
                       diag_escape(s->arena, s->text + begin, 1));
            token.line_start |= skip_blank(s);
            begin = s->at;
            continue;
        }
        break;
    }
    token.span = span_from(s, begin);
    return token;
}
