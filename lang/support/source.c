/* Source texts: reading them, judging whether they are text at all, and turning offsets into lines and columns. Both
 * tables (line starts; continuation bytes before each block) are built once, so that a position costs at most one block
 * however long the file or its lines are. */
#include "source.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void source_map_init(struct source_map *map, struct arena *arena)
{
    *map = (struct source_map){.arena = arena};
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

uint32_t source_add(struct source_map *map, const char *name, const char *text, size_t length)
{
    struct source_file f = {.name = name, .text = text, .length = length};
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        f.text += 3;
        f.length -= 3;
    }
    size_t scanned = f.length < SOURCE_MAX_BYTES ? f.length : SOURCE_MAX_BYTES;
    VEC(uint32_t) lines = {0};
    vec_push(map->arena, &lines, 0);
    const char *end = f.text + scanned;
    for (const char *p = f.text; p < end && (p = memchr(p, '\n', (size_t)(end - p)));)
        vec_push(map->arena, &lines, (uint32_t)(++p - f.text));
    f.line_starts = lines.at;
    f.line_count = lines.count;
    uint32_t *marks = ARENA_ARRAY(map->arena, uint32_t, scanned / SOURCE_BLOCK + 1);
    uint32_t seen = 0;
    for (size_t i = 0; i < scanned; i++) {
        if (i % SOURCE_BLOCK == 0)
            marks[i / SOURCE_BLOCK] = seen;
        seen += is_continuation(f.text[i]);
    }
    if (scanned % SOURCE_BLOCK == 0)
        marks[scanned / SOURCE_BLOCK] = seen;
    f.marks = marks;
    vec_push(map->arena, &map->files, f);
    return (uint32_t)map->files.count;
}

const struct source_file *source_file(const struct source_map *map, uint32_t file)
{
    return file && file <= map->files.count ? &map->files.at[file - 1] : NULL;
}

static uint32_t continuations_before(const struct source_file *f, uint32_t offset)
{
    uint32_t n = f->marks[offset / SOURCE_BLOCK];
    for (uint32_t i = offset - offset % SOURCE_BLOCK; i < offset; i++)
        n += is_continuation(f->text[i]);
    return n;
}

struct source_position source_position(const struct source_map *map, uint32_t file, uint32_t offset)
{
    const struct source_file *f = source_file(map, file);
    if (!f)
        return (struct source_position){1, 1};
    size_t last = f->length < SOURCE_MAX_BYTES ? f->length : SOURCE_MAX_BYTES;
    if (offset > last)
        offset = (uint32_t)last;
    size_t low = 0, high = f->line_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (f->line_starts[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    uint32_t begin = f->line_starts[low];
    uint32_t inside = continuations_before(f, offset) - continuations_before(f, begin);
    return (struct source_position){(uint32_t)low + 1, offset - begin - inside + 1};
}

void source_line(const struct source_map *map, uint32_t file, uint32_t line, uint32_t *out_begin, uint32_t *out_end)
{
    const struct source_file *f = source_file(map, file);
    *out_begin = *out_end = 0;
    if (!f || line < 1 || line > f->line_count)
        return;
    uint32_t begin = f->line_starts[line - 1];
    uint32_t end = line < f->line_count ? f->line_starts[line] - 1 : (uint32_t)f->length;
    if (end > begin && f->text[end - 1] == '\r')
        end--;
    *out_begin = begin;
    *out_end = end;
}

/* Reads into a buffer that was allocated before the file was opened, since an allocation may jump away. */
static ssize_t read_all(const char *path, char *buffer, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t count = 0;
    ssize_t n = 1;
    while (count < capacity && n > 0) {
        n = read(fd, buffer + count, capacity - count);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            count += (size_t)n;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return n < 0 ? -1 : (ssize_t)count;
}

uint32_t source_load(struct source_map *map, const char *path, const char **out_error)
{
    struct arena *arena = map->arena;
    struct stat st;
    const char *shown = utf8_escape(arena, path, strlen(path), SIZE_MAX);
    *out_error = NULL;
    if (!*path) {
        *out_error = "the name of the file is empty";
        return 0;
    }
    if (stat(path, &st) != 0) {
        *out_error = errno == ENOENT ? arena_printf(arena, "%s: no such file", shown)
                                     : arena_printf(arena, "%s: cannot be read: %s", shown, strerror(errno));
        return 0;
    }
    if (S_ISDIR(st.st_mode)) {
        *out_error = arena_printf(arena, "%s: is a directory, not a file", shown);
        return 0;
    }
    bool regular = S_ISREG(st.st_mode);
    if (regular && st.st_size > SOURCE_MAX_BYTES) {
        *out_error = arena_printf(arena, "%s: too large (%lld bytes; at most %d are read)", shown,
                                  (long long)st.st_size, SOURCE_MAX_BYTES);
        return 0;
    }
    size_t capacity = (regular ? (size_t)st.st_size : (size_t)SOURCE_MAX_BYTES) + 1;
    char *name = arena_strdup(arena, path), *buffer = arena_alloc(arena, capacity + 1);
    ssize_t count = read_all(path, buffer, capacity);
    if (count < 0) {
        *out_error = arena_printf(arena, "%s: cannot be read: %s", shown, strerror(errno));
        return 0;
    }
    if ((size_t)count == capacity) {
        *out_error = regular
                         ? arena_printf(arena, "%s: grows while it is read", shown)
                         : arena_printf(arena, "%s: too large (at most %d bytes are read)", shown, SOURCE_MAX_BYTES);
        return 0;
    }
    buffer[count] = 0;
    return source_add(map, name, buffer, (size_t)count);
}

static const char *encoding_of(const char *text, size_t length)
{
    static const struct {
        const char *mark;
        size_t length;
        const char *name;
    } marks[] = {{"\xff\xfe\0\0", 4, "UTF-32"},
                 {"\0\0\xfe\xff", 4, "UTF-32"},
                 {"\xff\xfe", 2, "UTF-16"},
                 {"\xfe\xff", 2, "UTF-16"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (length >= marks[i].length && memcmp(text, marks[i].mark, marks[i].length) == 0)
            return marks[i].name;
    return NULL;
}

const char *source_check(const struct source_map *map, uint32_t file, struct span *out_where)
{
    const struct source_file *f = source_file(map, file);
    *out_where = span_of_file(file);
    if (f->length > SOURCE_MAX_BYTES)
        return arena_printf(map->arena, "too large (%zu bytes; at most %d are read)", f->length, SOURCE_MAX_BYTES);
    const char *encoding = encoding_of(f->text, f->length);
    if (encoding)
        return arena_printf(map->arena, "the text is %s, but must be UTF-8", encoding);
    if (memchr(f->text, 0, f->length))
        return arena_printf(map->arena, "this is no text but a binary file (byte %zu is 0)",
                            (size_t)((const char *)memchr(f->text, 0, f->length) - f->text));
    for (size_t i = 0, n; i < f->length; i += n) {
        n = utf8_length(f->text + i, f->length - i);
        if (!n) {
            *out_where = (struct span){file, (uint32_t)i, (uint32_t)i + 1};
            return arena_printf(map->arena, "the byte \\x%02x (at offset %zu) is not UTF-8",
                                (unsigned)(unsigned char)f->text[i], i);
        }
    }
    return NULL;
}

struct span span_join(struct span a, struct span b)
{
    if (!a.file || span_is_file(a))
        return b;
    if (!b.file || span_is_file(b) || a.file != b.file)
        return a;
    return (struct span){a.file, a.begin < b.begin ? a.begin : b.begin, a.end > b.end ? a.end : b.end};
}

struct span span_of_file(uint32_t file)
{
    return (struct span){file, UINT32_MAX, UINT32_MAX};
}

bool span_is_file(struct span span)
{
    return span.begin == UINT32_MAX;
}
