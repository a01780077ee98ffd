/* Source texts and places in them. A span is a byte range of one file; line and column are computed when printed. */
#ifndef XENT_SUPPORT_SOURCE_H
#define XENT_SUPPORT_SOURCE_H

#include "arena.h"
#include "vec.h"

#include <stdbool.h>

/* Bytes [begin, end) of file `file` of the source map; file 0 is "nowhere" (a node that no source line made). */
struct span {
    uint32_t file, begin, end;
};

struct source_file {
    const char *name; /* as the user gave it; shown in messages */
    const char *text; /* NUL-terminated, but may hold NULs; a UTF-8 byte order mark is left out */
    size_t length;
    const uint32_t *line_starts; /* [line_count], offsets */
    size_t line_count;
    const uint32_t *marks; /* [length / SOURCE_BLOCK + 1]: UTF-8 continuation bytes before each block */
};

enum {
    SOURCE_MAX_BYTES = 4 << 20, /* of a text; more is refused before it is read */
    SOURCE_BLOCK = 4096
};

struct source_map {
    struct arena *arena;
    VEC(struct source_file) files; /* files.at[file - 1] */
};

struct source_position {
    uint32_t line, column; /* from 1; the column counts characters of UTF-8 */
};

void source_map_init(struct source_map *map, struct arena *arena);
/* Keeps pointers: `text` must live as long as the map. Of more than SOURCE_MAX_BYTES the rest is ignored (source_load
 * and source_check refuse such a text). Returns the file's number, from 1. */
uint32_t source_add(struct source_map *map, const char *name, const char *text, size_t length);
const struct source_file *source_file(const struct source_map *map, uint32_t file);
struct source_position source_position(const struct source_map *map, uint32_t file, uint32_t offset);
/* Reads a file (`path` is copied and shown in messages). Returns its number, or 0 with a message that names the file:
 * missing, a directory, unreadable, larger than SOURCE_MAX_BYTES. Looks at no content: that is source_check. */
uint32_t source_load(struct source_map *map, const char *path, const char **out_error);
/* Whether a file is text in UTF-8 and no larger than SOURCE_MAX_BYTES: NULL, or what is wrong and where. */
const char *source_check(const struct source_map *map, uint32_t file, struct span *out_where);
/* The line of text (from 1) without its line end. */
void source_line(const struct source_map *map, uint32_t file, uint32_t line, uint32_t *out_begin, uint32_t *out_end);
struct span span_join(struct span a, struct span b);
/* A file as a whole: messages name it without a line. */
struct span span_of_file(uint32_t file);
bool span_is_file(struct span span);

#endif
