/* The ABI: LLVM's offsets against C's, and a model as an object, linked into a program that knows nothing of xent. */
#include "abi.h"
#include "test_llvm.h"

#include <CUnit/Basic.h>
#include <llvm-c/Target.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_struct(struct emit_module *m, LLVMTargetDataRef layout, const struct abi_struct *of) {
    LLVMTypeRef type = abi_type(m, of);
    CU_ASSERT_EQUAL(LLVMABISizeOfType(layout, type), of->size);
    for (uint32_t f = 0; f < of->fields; f++) {
        bool good = LLVMOffsetOfElement(layout, type, f) == of->field[f].offset;
        CU_ASSERT_TRUE(good);
        if (!good)
            printf("\n%s.%s is at %zu\n", of->name, of->field[f].name, of->field[f].offset);
        if (of->field[f].of)
            check_struct(m, layout, of->field[f].of);
    }
}

static void test_offsets(void) {
    struct arena arena;
    struct make m;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "empty", KARITH_MULADD, 1);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(NULL, NULL, &program, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.module);
    struct emit_module *e = &c.module->emit;
    LLVMTargetDataRef layout = LLVMCreateTargetData(LLVMGetDataLayoutStr(e->module));
    check_struct(e, layout, &abi_call);
    check_struct(e, layout, &abi_model);
    check_struct(e, layout, &abi_entry);
    LLVMDisposeTargetData(layout);
    compiled_free(&c);
    arena_deinit(&arena);
}

/* y = x * factor + 1, over 16 elements. */
static const struct kprogram *affine_program(struct make *m, struct arena *arena, uint32_t lanes) {
    const struct lterm *e;
    make_init(m, arena, "forward", KARITH_MULADD, lanes);
    struct kbuffer *x = make_data(m, "x", KT_F32, 16), *y = make_buffer(m, "y", KT_F32, KA_OUT, 16);
    struct kscalar *factor = make_scalar(m, "factor", KT_F32);
    make_for(m, "e", make_number(0), make_number(16), lanes, &e);
    struct laffine at = make_affine(m, 0, e, 1, NULL, 0, NULL, 0);
    struct lvalue *wide = make_value(m, LO_SCALAR, KT_F32, lanes);
    wide->scalar = factor;
    struct lvalue *product = make_op(m, KX_MUL, KT_F32, make_load(m, x, at, lanes, 1), wide, NULL);
    make_store(m, y, at, make_op(m, KX_ADD, KT_F32, product, make_f32(m, 1.0f, lanes), NULL), 1, NULL);
    make_end(m);
    return make_program(m);
}

static const char *const names[] = {"factor"};
static const struct xent_tensor output = {.name = "y\t\"quoted\"", .role = XENT_ROLE_OUTPUT, .rank = 2, .digits = 2,
                                          .shape = {16, -1}, .digit = {{0, 1, 0, 0, 1}, {1, 16, 4, 0, 99}},
                                          .offset = 0, .bytes = 64, .init_bound = 0.1f, .init_stream = 7};
static const struct xent_feed feed = {.name = "x", .kind = XENT_FEED_INPUT, .dtype = XENT_F32, .rank = 1, .shape = {16},
                                      .ignore_index = -100};
static const struct xent_entry entry = {.name = "forward", .capacity = 1, .batch = 1, .scalars = 1, .tensors = 1,
                                        .scalar_names = names, .tensor = &output, .flops = 1ull << 40};
static const struct xent_model model = {.abi_version = XENT_ABI_VERSION, .size = sizeof model, .name = "affine",
                                        .arena_bytes = 64, .arena_align = 64, .feeds = 1, .entries = 1,
                                        .reduction = 0xffffffffu, .feed = &feed, .entry = &entry};

static const char main_c[] =
    "#include <xent/model.h>\n#include <string.h>\n"
    "extern const struct xent_model affine_model;\n"
    "#define NEED(c) if (!(c)) return __LINE__\n"
    "int main(void) {\n"
    "  const struct xent_model *m = &affine_model; const struct xent_entry *e = m->entry;\n"
    "  NEED(m->abi_version == XENT_ABI_VERSION && m->size == sizeof *m && !strcmp(m->name, \"affine\"));\n"
    "  NEED(m->arena_bytes == 64 && m->feeds == 1 && m->states == 0 && !m->state && m->reduction == 0xffffffffu);\n"
    "  NEED(!strcmp(m->feed->name, \"x\") && m->feed->shape[0] == 16 && m->feed->ignore_index == -100);\n"
    "  NEED(m->entries == 1 && !strcmp(e->name, \"forward\") && e->flops == 1ull << 40 && !e->context);\n"
    "  NEED(!strcmp(e->scalar_names[0], \"factor\") && !strcmp(e->tensor->name, \"y\\t\\\"quoted\\\"\"));\n"
    "  NEED(e->tensor->shape[1] == -1 && e->tensor->digit[1].stride == 99 && e->tensor->digit[1].mod == 4);\n"
    "  NEED(e->tensor->init_bound == 0.1f && e->tensor->init_stream == 7 && e->tensor->role == XENT_ROLE_OUTPUT);\n"
    "  _Alignas(64) float arena[16]; float x[16];\n"
    "  for (int i = 0; i < 16; i++) x[i] = (float)i;\n"
    "  struct xent_call call = {.arena = arena, .data = {x}, .scalar = {{.f = 3.0f}}};\n"
    "  e->run(e, &call, 0, 1);\n"
    "  for (int i = 0; i < 16; i++) NEED(arena[i] == 3.0f * i + 1);\n"
    "  return 0;\n}\n";

static void write_file(const char *folder, const char *name, const void *bytes, size_t size) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void test_object(void) {
    struct arena arena;
    struct make m;
    char *message = NULL, folder[] = "/tmp/xent-test-XXXXXX", command[1024];
    size_t size = 0;
    arena_init(&arena, NULL);
    struct test_target targets[4];
    CU_ASSERT_TRUE_FATAL(test_targets(targets, 4) > 0);
    const struct kprogram *program = affine_program(&m, &arena, targets[0].lanes);
    struct compiled c = compile(targets[0].cpu, NULL, &program, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.module);
    CU_ASSERT_TRUE_FATAL(module_add_model(c.module, &model, "affine_model", &message));
    unsigned char *object = codegen_object(c.module, &size, &message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    write_file(folder, "model.o", object, size);
    write_file(folder, "main.c", main_c, sizeof main_c - 1);
    /* -nostdlib of the object alone shows that it needs nothing; no name but the model's may be visible. */
    snprintf(command, sizeof command,
             "cd %s && " XENT_CC " -std=c17 -I" XENT_SOURCE_DIR "/runtime/include main.c model.o -o main && ./main && "
             XENT_CC " -shared -nostdlib -Wl,--no-undefined model.o -o model.so && "
             "test \"$(nm -D --defined-only model.so | sed 's/.* //')\" = affine_model && rm -r %s",
             folder, folder);
    int status = system(command);
    CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    free(object);
    compiled_free(&c);
    arena_deinit(&arena);
}

static void test_missing_program(void) {
    struct arena arena;
    struct make m;
    char *message = NULL;
    arena_init(&arena, NULL);
    const struct kprogram *program = affine_program(&m, &arena, 1);
    struct compiled c = compile(NULL, NULL, &program, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.module);
    struct xent_entry other = entry;
    struct xent_model wrong = model;
    other.name = "step";
    wrong.entry = &other;
    CU_ASSERT_FALSE(module_add_model(c.module, &wrong, "affine_model", &message));
    CU_ASSERT_TRUE(message && strcmp(message, "entry `step` has no program") == 0);
    free(message);
    compiled_free(&c);
    arena_deinit(&arena);
}

void suite_model(void) {
    CU_pSuite suite = CU_add_suite("model", NULL, NULL);
    CU_add_test(suite, "offsets", test_offsets);
    CU_add_test(suite, "a model as an object", test_object);
    CU_add_test(suite, "an entry without a program", test_missing_program);
}
