/* UTF-8: telling characters from odd bytes, and showing user text so that it can do a terminal no harm. */
#ifndef XENT_SUPPORT_UTF8_H
#define XENT_SUPPORT_UTF8_H

#include "arena.h"

/* The length in bytes of the UTF-8 character at `text`, 0 when it is none (also overlong forms, surrogates). */
size_t utf8_length(const char *text, size_t available);

/* One character of user text as it is shown: controls, odd bytes and marks that reorder a line as \xNN, a tab as
 * spaces, everything else as it is. */
struct utf8_glyph {
    size_t bytes;   /* of the source, at least 1 */
    size_t columns; /* on the terminal */
    size_t length;  /* of text */
    char text[20];
};

struct utf8_glyph utf8_glyph(const char *text, size_t available);

/* User text made printable, cut after `limit` characters. */
const char *utf8_escape(struct arena *arena, const char *text, size_t length, size_t limit);

#endif
