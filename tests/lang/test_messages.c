/* Golden messages: each cases/NAME.net must give exactly what NAME.err says. With XENT_UPDATE=1 in the environment the
 * expectations are written instead; read their diff before committing it. */
#include "test_lang.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES XENT_SOURCE_DIR "/tests/lang/cases"

static char *read_file(struct arena *arena, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return arena_strdup(arena, "");
    enum { LARGEST = 1 << 16 };
    char *text = arena_alloc(arena, LARGEST);
    text[fread(text, 1, LARGEST - 1, f)] = 0;
    fclose(f);
    return text;
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static const char *next_line(const char *p)
{
    const char *end = strchr(p, '\n');
    return end ? end + 1 : p + strlen(p);
}

/* The lines that differ, between those that agree at the start and at the end. */
static void show_difference(const char *name, const char *expected, const char *actual)
{
    fprintf(stderr, "\n%s:\n", name);
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

static void check_case(const char *name)
{
    struct bench b = {0};
    const char *error;
    bench_begin(&b);
    const char *path = arena_printf(&b.arena, CASES "/%s", name);
    uint32_t file = source_load(&b.map, path, &error);
    CU_ASSERT_FATAL(file > 0);
    b.map.files.at[file - 1].name = name;
    struct ast_file *ast = lang_parse(&b.arena, &b.diags, &b.names, file);
    CU_ASSERT_EQUAL(ast == NULL, b.diags.errors > 0);
    const char *actual = bench_messages(&b);
    const char *golden = arena_printf(&b.arena, CASES "/%.*s.err", (int)(strlen(name) - strlen(".net")), name);
    if (getenv("XENT_UPDATE"))
        write_file(golden, actual);
    const char *expected = read_file(&b.arena, golden);
    CU_ASSERT_STRING_EQUAL(actual, expected);
    if (strcmp(actual, expected) != 0)
        show_difference(name, expected, actual);
    arena_deinit(&b.arena);
}

static int is_case(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 4 && strcmp(e->d_name + n - 4, ".net") == 0;
}

static void test_messages(void)
{
    struct dirent **entries;
    int count = scandir(CASES, &entries, is_case, alphasort);
    CU_ASSERT_FATAL(count > 20);
    for (int i = 0; i < count; i++) {
        check_case(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

void add_message_tests(CU_pSuite suite)
{
    CU_add_test(suite, "messages", test_messages);
}
