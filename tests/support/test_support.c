/* Sources, diagnostics, text and names. */
#include "diag.h"
#include "suites.h"
#include "utf8.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct arena arena;
static struct source_map map;
static struct diag_list diags;

static void fresh(void)
{
    arena_deinit(&arena);
    arena_init(&arena, NULL);
    source_map_init(&map, &arena);
    diag_init(&diags, &arena, &map);
}

static uint32_t add(const char *text)
{
    return source_add(&map, "a.net", text, strlen(text));
}

static const char *rendered(void)
{
    struct text out;
    text_init(&out, &arena);
    diag_render(&diags, &out);
    return text_string(&out);
}

static void check_position(uint32_t file, uint32_t offset, uint32_t line, uint32_t column)
{
    struct source_position p = source_position(&map, file, offset);
    CU_ASSERT_EQUAL(p.line, line);
    CU_ASSERT_EQUAL(p.column, column);
}

static void test_positions(void)
{
    fresh();
    uint32_t f = add("ab\n\xc3\xa4z\r\n\nlast");
    check_position(f, 0, 1, 1);
    check_position(f, 2, 1, 3);
    check_position(f, 3, 2, 1);
    check_position(f, 5, 2, 2);
    check_position(f, 6, 2, 3);
    check_position(f, 8, 3, 1);
    check_position(f, 9, 4, 1);
    check_position(f, 13, 4, 5);
    check_position(f, 99, 4, 5);
    uint32_t bom = add("\xef\xbb\xbfx");
    CU_ASSERT_EQUAL(source_file(&map, bom)->length, 1);
    check_position(bom, 0, 1, 1);
    check_position(add(""), 0, 1, 1);
}

/* The same answers as counting from the start, on a text longer than several blocks. */
static void test_positions_in_long_text(void)
{
    fresh();
    enum { LENGTH = 5 * SOURCE_BLOCK };
    char *text = ARENA_ARRAY(&arena, char, LENGTH + 1);
    for (size_t i = 0; i < LENGTH; i += 2)
        memcpy(text + i, i % 9998 == 0 && i ? "\n\n" : i % 6 ? "\xc3\xa4" : "ab", 2);
    uint32_t f = source_add(&map, "long", text, LENGTH), line = 1, column = 1;
    for (uint32_t i = 0; i <= LENGTH; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            struct source_position p = source_position(&map, f, i);
            if (p.line != line || p.column != column)
                CU_FAIL_FATAL("a position differs from counting");
            column++;
        }
        if (text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    CU_ASSERT(line > 2);
}

static void check_diag(const char *text, uint32_t begin, uint32_t end, const char *expected)
{
    fresh();
    uint32_t f = add(text);
    diag_error(&diags, (struct span){f, begin, end}, "wrong");
    CU_ASSERT_STRING_EQUAL(rendered(), expected);
}

static void test_excerpts(void)
{
    check_diag("a bcd e", 2, 5, "a.net:1:3: error: wrong\n    1 | a bcd e\n      |   ^~~\n");
    check_diag("\tx = y", 1, 2, "a.net:1:2: error: wrong\n    1 |     x = y\n      |     ^\n");
    check_diag("\xc3\xa4 bc", 3, 5, "a.net:1:3: error: wrong\n    1 | \xc3\xa4 bc\n      |   ^~\n");
    check_diag("\xe6\x97\xa5 x", 4, 5, "a.net:1:3: error: wrong\n    1 | \xe6\x97\xa5 x\n      |    ^\n");
    check_diag("a\x01\xff x", 4, 5, "a.net:1:5: error: wrong\n    1 | a\\x01\\xff x\n      |           ^\n");
    check_diag("abc\r\ndef", 0, 7, "a.net:1:1: error: wrong\n    1 | abc\n      | ^~~\n");
    check_diag("abc\n", 3, 3, "a.net:1:4: error: wrong\n    1 | abc\n      |    ^\n");
    check_diag("", 0, 0, "a.net:1:1: error: wrong\n    1 | \n      | ^\n");
}

static void test_long_line_is_cut(void)
{
    fresh();
    char line[1001];
    memset(line, 'x', 1000);
    line[1000] = 0;
    line[500] = '!';
    uint32_t f = add(line);
    diag_error(&diags, (struct span){f, 500, 501}, "wrong");
    const char *shown = rendered();
    CU_ASSERT(strlen(shown) < 300);
    CU_ASSERT_PTR_NOT_NULL(strstr(shown, "    1 | \xe2\x80\xa6xxx"));
    CU_ASSERT_PTR_NOT_NULL(strstr(shown, "xxx\xe2\x80\xa6\n"));
    /* The caret stands under the character that is wrong: … is one column and three bytes. */
    const char *excerpt = strchr(shown, '\n') + 1, *carets = strchr(excerpt, '\n') + 1;
    CU_ASSERT_EQUAL(strchr(excerpt, '!') - excerpt - 2, strchr(carets, '^') - carets);
}

static void test_notes_and_files(void)
{
    static const char *const names[] = {"linear", "relu"};
    fresh();
    uint32_t f = add("one\ntwo");
    diag_error(&diags, (struct span){f, 4, 7}, "bad \"%s\"", "two");
    diag_note(&diags, (struct span){f, 0, 3}, "made here");
    diag_did_you_mean(&diags, "lienar", names, 2);
    diag_did_you_mean(&diags, "xyzzy", names, 2);
    diag_warning(&diags, span_of_file(f), "odd");
    diag_error(&diags, (struct span){0}, "nowhere");
    CU_ASSERT_STRING_EQUAL(rendered(), "a.net:2:1: error: bad \"two\"\n    2 | two\n      | ^~~\n"
                                       "a.net:1:1: note: made here\n   help: did you mean \"linear\"?\n"
                                       "a.net: warning: odd\nerror: nowhere\n");
    CU_ASSERT_EQUAL(diags.errors, 2);
}

static void test_limit(void)
{
    fresh();
    uint32_t f = add("x");
    for (int i = 0; i < 23; i++) {
        diag_error(&diags, (struct span){f, 0, 1}, "number %d", i);
        diag_note(&diags, (struct span){f, 0, 1}, "note %d", i);
    }
    CU_ASSERT_EQUAL(diags.errors, 23);
    CU_ASSERT_EQUAL(diags.items.count, 40);
    CU_ASSERT_PTR_NOT_NULL(strstr(rendered(), "note 19\n3 more errors\n"));
    CU_ASSERT_TRUE(diag_enough(&diags));
    CU_ASSERT_PTR_NOT_NULL(strstr(rendered(), "note 19\nmore errors\n"));
}

static void test_escape(void)
{
    fresh();
    CU_ASSERT_STRING_EQUAL(diag_escape(&arena, "a\n\t\x1b\xff\xc3\xa4", 7), "a\\n\\t\\x1b\\xff\xc3\xa4");
    CU_ASSERT_STRING_EQUAL(diag_escape(&arena, "\xe2\x80\xae", 3), "\\xe2\\x80\\xae");
    char many[100];
    memset(many, 'a', sizeof many);
    CU_ASSERT_EQUAL(strlen(diag_escape(&arena, many, sizeof many)), 60 + strlen("…"));
    CU_ASSERT_EQUAL(utf8_length("\xc0\x80", 2), 0);
    CU_ASSERT_EQUAL(utf8_length("\xed\xa0\x80", 3), 0);
    CU_ASSERT_EQUAL(utf8_length("\xf4\x90\x80\x80", 4), 0);
    CU_ASSERT_EQUAL(utf8_length("\xe6\x97\xa5", 2), 0);
    CU_ASSERT_EQUAL(utf8_length("\xf0\x9f\x99\x82", 4), 4);
}

static void check_text(const char *text, size_t length, const char *expected)
{
    struct span where;
    fresh();
    const char *message = source_check(&map, source_add(&map, "a", text, length), &where);
    if (expected)
        CU_ASSERT_STRING_EQUAL(message ? message : "", expected)
    else
        CU_ASSERT_PTR_NULL(message);
}

static void test_check(void)
{
    check_text("abc", 3, NULL);
    check_text("\xef\xbb\xbf\xc3\xa4", 5, NULL);
    check_text("\xff\xfe\x61\0", 4, "the text is UTF-16, but must be UTF-8");
    check_text("\xff\xfe\0\0", 4, "the text is UTF-32, but must be UTF-8");
    check_text("\0\0\xfe\xff", 4, "the text is UTF-32, but must be UTF-8");
    check_text("ab\0", 3, "this is no text but a binary file (byte 2 is 0)");
    check_text("abc\xc3(", 5, "the byte \\xc3 (at offset 3) is not UTF-8");
    char *huge = calloc(1, SOURCE_MAX_BYTES + 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(huge);
    check_text(huge, SOURCE_MAX_BYTES + 1, "too large (4194305 bytes; at most 4194304 are read)");
    free(huge);
}

static const char *load_error(const char *path)
{
    const char *error;
    CU_ASSERT_EQUAL(source_load(&map, path, &error), 0);
    return error ? error : "";
}

static void test_load(void)
{
    fresh();
    CU_ASSERT_STRING_EQUAL(load_error("/nonexistent/a.net"), "/nonexistent/a.net: no such file");
    CU_ASSERT_STRING_EQUAL(load_error("/"), "/: is a directory, not a file");
    CU_ASSERT_PTR_NOT_NULL(strstr(load_error("/dev/zero"), "too large"));
    char path[] = "/tmp/xent-test-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    const char *error;
    CU_ASSERT_EQUAL_FATAL(write(fd, "net 1\n", 6), 6);
    uint32_t f = source_load(&map, path, &error);
    CU_ASSERT_FATAL(f > 0);
    CU_ASSERT_STRING_EQUAL(source_file(&map, f)->text, "net 1\n");
    CU_ASSERT_STRING_EQUAL(source_file(&map, f)->name, path);
    size_t before = arena.bytes;
    CU_ASSERT_EQUAL_FATAL(ftruncate(fd, 100 * 1000 * 1000), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(load_error(path), ": too large (100000000 bytes; at most 4194304 are read)"));
    CU_ASSERT(arena.bytes - before < 1 << 20);
    close(fd);
    unlink(path);
}

static void test_text(void)
{
    fresh();
    int64_t value;
    CU_ASSERT(text_to_int("1_000", &value) && value == 1000);
    CU_ASSERT(text_to_int("9223372036854775807", &value) && value == INT64_MAX);
    CU_ASSERT_FALSE(text_to_int("9223372036854775808", &value));
    CU_ASSERT_FALSE(text_to_int("1__0", &value));
    CU_ASSERT_FALSE(text_to_int("1_", &value));
    CU_ASSERT_FALSE(text_to_int("", &value));
    struct text t;
    text_init(&t, &arena);
    text_add_float(&t, 0.1f);
    text_add(&t, " ");
    text_add_double(&t, 0.1 + 0.2);
    text_add(&t, " ");
    text_add_float(&t, 3);
    text_add(&t, " ");
    text_add_float(&t, 1e30f);
    CU_ASSERT_STRING_EQUAL(text_string(&t), "0.1 0.30000000000000004 3.0 1e+30");
    text_printf(&t, "%400s|", "");
    CU_ASSERT_EQUAL(t.count, 33 + 401);
    static const char *const names[] = {"linear", "conv2d", "relu", "flatten"};
    CU_ASSERT_STRING_EQUAL(nearest_name("lineer", names, 4), "linear");
    CU_ASSERT_STRING_EQUAL(nearest_name("realu", names, 4), "relu");
    CU_ASSERT_STRING_EQUAL(nearest_name("flattne", names, 4), "flatten");
    CU_ASSERT_PTR_NULL(nearest_name("dropout", names, 4));
    static const char *const brief[] = {"x", "l1"};
    CU_ASSERT_PTR_NULL(nearest_name("z", brief, 2));
    CU_ASSERT_PTR_NULL(nearest_name("", brief, 2));
    CU_ASSERT_STRING_EQUAL(nearest_name("l2", brief, 2), "l1");
}

static void test_intern(void)
{
    fresh();
    struct interner names;
    interner_init(&names, &arena);
    const char *first = intern_string(&names, "name0");
    for (int i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "name%d", i);
        intern_string(&names, name);
    }
    CU_ASSERT_EQUAL(names.count, 1000);
    CU_ASSERT_PTR_EQUAL(intern(&names, "name0!", 5), first);
    CU_ASSERT_PTR_NOT_EQUAL(intern_string(&names, "name"), first);
}

static void test_arena_failure(void)
{
    jmp_buf failed;
    struct arena a;
    arena_init(&a, &failed);
    volatile int reached = 0;
    if (setjmp(failed) == 0) {
        a.fail_after = 3;
        for (int i = 0; i < 5; i++) {
            arena_alloc(&a, 8);
            reached++;
        }
    }
    CU_ASSERT_EQUAL(reached, 2);
    volatile bool jumped = false;
    if (setjmp(failed) == 0)
        arena_array(&a, SIZE_MAX / 2, 4);
    else
        jumped = true;
    CU_ASSERT(jumped);
    arena_deinit(&a);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("support", NULL, NULL);
    CU_add_test(s, "positions", test_positions);
    CU_add_test(s, "positions in a long text", test_positions_in_long_text);
    CU_add_test(s, "excerpts", test_excerpts);
    CU_add_test(s, "a long line is cut", test_long_line_is_cut);
    CU_add_test(s, "notes, help, whole files", test_notes_and_files);
    CU_add_test(s, "at most 20 errors", test_limit);
    CU_add_test(s, "escaping", test_escape);
    CU_add_test(s, "what is text", test_check);
    CU_add_test(s, "loading", test_load);
    CU_add_test(s, "text", test_text);
    CU_add_test(s, "interning", test_intern);
    CU_add_test(s, "running out of memory", test_arena_failure);
    int status = suites_run();
    arena_deinit(&arena);
    return status;
}
