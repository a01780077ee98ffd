/* Diagnostics about the user's text: collected, at most 20 errors, each with notes and a help line, printed at once:
 *
 *   lenet.net:11:22: error: linear needs a vector per example, but conv2 has the shape [16, 4, 4]
 *      11 |     fc1   = conv2 |> linear(120) |> relu
 *         |                      ^~~~~~~~~~~
 *   lenet.net:10:5: note: conv2 is made here
 *      help: flatten it first: conv2 |> flatten |> linear(120)
 */
#ifndef XENT_SUPPORT_DIAG_H
#define XENT_SUPPORT_DIAG_H

#include "source.h"
#include "text.h"

#include <stdbool.h>

enum diag_kind { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE, DIAG_HELP };

struct diag {
    enum diag_kind kind;
    struct span span;
    const char *message;
};

struct diag_list {
    struct arena *arena;
    const struct source_map *map;
    VEC(struct diag) items; /* an error is followed by its notes and help */
    size_t errors;          /* also those past the limit, as far as they were looked for */
    bool stopped;           /* nobody looked further: there may be more */
};

enum { DIAG_MAX_ERRORS = 20 };

void diag_init(struct diag_list *list, struct arena *arena, const struct source_map *map);
/* True past the limit, where looking further is of no use; the number of errors is then not known. */
bool diag_enough(struct diag_list *list);
/* Messages are lower case, name the culprit and quote user text through diag_escape. */
void diag_error(struct diag_list *list, struct span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void diag_warning(struct diag_list *list, struct span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* These belong to the error or warning reported last. */
void diag_note(struct diag_list *list, struct span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_help(struct diag_list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* False, with an error, when the file is no text that can be read (source_check). */
bool diag_check_file(struct diag_list *list, uint32_t file);
/* `help: did you mean "near"?` when a name is near enough. */
void diag_did_you_mean(struct diag_list *list, const char *wanted, const char *const *names, size_t count);
/* User text made printable: valid UTF-8 kept, control and odd bytes as \xNN, cut at 60 characters. */
const char *diag_escape(struct arena *arena, const char *text, size_t length);
/* The whole list as text. */
void diag_render(const struct diag_list *list, struct text *out);

#endif
