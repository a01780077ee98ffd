#include "golden.h"

#include <CUnit/Basic.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *golden_read(struct arena *arena, const char *path, size_t *out_length)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = arena_alloc(arena, (size_t)size + 1);
    size_t length = fread(text, 1, (size_t)size, file);
    fclose(file);
    text[length] = 0;
    if (out_length)
        *out_length = length;
    return text;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char **golden_list(struct arena *arena, const char *folder, const char *suffix, size_t *out_count)
{
    VEC(char *) paths = {0};
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name), n = strlen(suffix);
        if (length > n && strcmp(entry->d_name + length - n, suffix) == 0)
            vec_push(arena, &paths, arena_printf(arena, "%s/%s", folder, entry->d_name));
    }
    if (dir)
        closedir(dir);
    if (paths.count)
        qsort(paths.at, paths.count, sizeof *paths.at, compare);
    *out_count = paths.count;
    return paths.at;
}

char *golden_beside(struct arena *arena, const char *path, const char *suffix)
{
    const char *dot = strrchr(path, '.');
    return arena_printf(arena, "%.*s%s", (int)(dot - path), path, suffix);
}

static const char *next_line(const char *p)
{
    const char *end = strchr(p, '\n');
    return end ? end + 1 : p + strlen(p);
}

/* The lines that differ, between those that agree at the start and at the end. */
static void show_difference(const char *path, const char *expected, const char *actual)
{
    fprintf(stderr, "\n%s:\n", path);
    while (*expected && *actual) {
        size_t n = (size_t)(next_line(expected) - expected);
        if (strncmp(expected, actual, n) != 0)
            break;
        expected += n;
        actual += n;
    }
    size_t e = strlen(expected), a = strlen(actual), same = 0;
    while (same < e && same < a && expected[e - 1 - same] == actual[a - 1 - same])
        same++;
    const char *e_end = expected + e - same, *a_end = actual + a - same;
    for (const char *p = expected; p < e_end; p = next_line(p))
        fprintf(stderr, "-%.*s", (int)(next_line(p) - p), p);
    for (const char *p = actual; p < a_end; p = next_line(p))
        fprintf(stderr, "+%.*s", (int)(next_line(p) - p), p);
}

bool golden_same(struct arena *arena, const char *path, const char *actual)
{
    const char *expected = golden_read(arena, path, NULL);
    if (strcmp(expected ? expected : "", actual) == 0)
        return true;
    if (getenv("XENT_UPDATE_GOLDEN")) {
        FILE *file = *actual ? fopen(path, "wb") : NULL;
        if (file) {
            fputs(actual, file);
            fclose(file);
        } else if (!*actual) {
            remove(path);
        }
        return true;
    }
    show_difference(path, expected ? expected : "", actual);
    return false;
}

char *golden_note(struct arena *arena, const char *text, const char *key, size_t index)
{
    char *start = arena_printf(arena, "# %s: ", key);
    for (const char *line = text; line;) {
        if (strncmp(line, start, strlen(start)) == 0 && index-- == 0) {
            const char *from = line + strlen(start);
            return arena_strndup(arena, from, strcspn(from, "\n"));
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return NULL;
}

uint32_t golden_source(struct source_map *map, struct arena *arena, const char *path)
{
    size_t length;
    const char *slash = strrchr(path, '/');
    const char *text = golden_read(arena, path, &length);
    return source_add(map, slash ? slash + 1 : path, text ? text : "", text ? length : 0);
}

void scratch_init(struct scratch *s)
{
    arena_init(&s->arena, NULL);
    source_map_init(&s->map, &s->arena);
    diag_init(&s->diags, &s->arena, &s->map);
    interner_init(&s->names, &s->arena);
}

const char *scratch_messages(struct scratch *s)
{
    struct text text;
    text_init(&text, &s->arena);
    diag_render(&s->diags, &text);
    return text_string(&text);
}

void golden_each(const char *folder, const char *suffix, size_t least,
                 void (*run)(struct scratch *scratch, const char *path))
{
    struct arena list;
    arena_init(&list, NULL);
    size_t count;
    char **paths = golden_list(&list, folder, suffix, &count);
    CU_ASSERT_TRUE(count >= least);
    for (size_t i = 0; i < count; i++) {
        struct scratch s;
        scratch_init(&s);
        run(&s, paths[i]);
        arena_deinit(&s.arena);
    }
    arena_deinit(&list);
}
