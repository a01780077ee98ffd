/* UTF-8 and the display of user text: which characters are wide, combining or unfit to be shown. */
#include "utf8.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { TAB = 4 }; /* columns of a tab, wherever it stands */

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t utf8_length(const char *text, size_t available)
{
    const unsigned char *p = (const unsigned char *)text;
    if (!available)
        return 0;
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || available < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if (!is_continuation(text[i]))
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return length;
}

static uint32_t decode(const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    uint32_t c = length == 1 ? p[0] : p[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

static bool in_range(uint32_t c, const uint32_t (*ranges)[2], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

#define IN(c, table) in_range((c), (table), sizeof(table) / sizeof *(table))

/* Controls, and the marks that reorder a terminal's line. */
static const uint32_t unprintable[][2] = {{0, 0x1f},         {0x7f, 0x9f},     {0x200b, 0x200f}, {0x2028, 0x202e},
                                          {0x2060, 0x2069}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};
static const uint32_t combining[][2] = {{0x300, 0x36f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
                                        {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
static const uint32_t wide[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3},
                                   {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60},
                                   {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};

struct utf8_glyph utf8_glyph(const char *text, size_t available)
{
    struct utf8_glyph g = {.bytes = utf8_length(text, available)};
    uint32_t c = g.bytes ? decode(text, g.bytes) : 0;
    if (g.bytes && c == '\t') {
        g.length = g.columns = TAB;
        memset(g.text, ' ', TAB);
    } else if (g.bytes && !IN(c, unprintable)) {
        g.length = g.bytes;
        g.columns = IN(c, combining) ? 0 : IN(c, wide) ? 2 : 1;
        memcpy(g.text, text, g.bytes);
    } else {
        g.bytes = g.bytes ? g.bytes : 1;
        for (size_t i = 0; i < g.bytes; i++)
            g.length += (size_t)snprintf(g.text + g.length, 5, "\\x%02x", (unsigned)(unsigned char)text[i]);
        g.columns = g.length;
    }
    return g;
}

/* As nearly all names are. */
static bool printable_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < 0x20 || text[i] > 0x7e)
            return false;
    return true;
}

const char *utf8_escape(struct arena *arena, const char *text, size_t length, size_t limit)
{
    if (length <= limit && printable_ascii(text, length))
        return arena_strndup(arena, text, length);
    struct text out;
    text_init(&out, arena);
    size_t count = 0;
    for (size_t i = 0; i < length; count++) {
        if (count == limit) {
            text_add(&out, "…");
            break;
        }
        struct utf8_glyph g = utf8_glyph(text + i, length - i);
        if (text[i] == '\t')
            text_add(&out, "\\t");
        else if (text[i] == '\n')
            text_add(&out, "\\n");
        else
            text_add_n(&out, g.text, g.length);
        i += g.bytes;
    }
    return text_string(&out);
}
