/* Every allocation of the front end made to fail once: it must come back through the arena's jump and leave nothing
 * behind (a leak sanitizer looks at what test_lang leaves). */
#include "test_lang.h"

#include <string.h>

/* Whether the n-th allocation of reading, parsing, printing and reporting was reached, and so failed. */
static bool fails_at(const char *path, long n)
{
    jmp_buf failed;
    struct arena arena;
    volatile bool jumped = false;
    arena_init(&arena, &failed);
    if (setjmp(failed) == 0) {
        struct source_map map;
        struct diag_list diags;
        struct interner names;
        struct text out;
        const char *error;
        arena.fail_after = n;
        source_map_init(&map, &arena);
        diag_init(&diags, &arena, &map);
        interner_init(&names, &arena);
        text_init(&out, &arena);
        struct ast_file *ast = lang_parse(&arena, &diags, &names, source_load(&map, path, &error));
        if (ast)
            ast_print(ast, &out);
        diag_render(&diags, &out);
        CU_ASSERT(out.count > 0);
    } else {
        jumped = true;
    }
    arena_deinit(&arena);
    CU_ASSERT_PTR_NULL(arena.blocks);
    return jumped;
}

static void check_failures(const char *path)
{
    long n = 1;
    while (fails_at(path, n))
        n++;
    CU_ASSERT(n > 50);
}

static void test_failures(void)
{
    check_failures(XENT_SOURCE_DIR "/examples/mlp.net");
    check_failures(XENT_SOURCE_DIR "/examples/lenet.net");
    check_failures(XENT_SOURCE_DIR "/tests/lang/cases/pipes.net");
    check_failures(XENT_SOURCE_DIR "/tests/lang/cases/repeated.net");
}

void add_failure_tests(CU_pSuite suite)
{
    CU_add_test(suite, "each allocation fails once", test_failures);
}
