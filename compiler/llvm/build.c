/* From programs to modules and complete objects: where loops.c is called. */
#include "module.h"

struct codegen_module *codegen_build(const struct codegen_target *target, const struct kprogram *const *programs,
                                     size_t count, char **out_message) {
    return module_build(target, programs, count, kernel_to_loops, out_message);
}

bool codegen_compile(const struct codegen_target *target, struct codegen_part *parts, uint32_t count,
                     uint32_t threads, char **out_message) {
    return parallel_compile(target, parts, count, threads, kernel_to_loops, out_message);
}

unsigned char *codegen_model_object(const struct codegen_target *target, const struct kprogram *const *programs,
                                    size_t count, const struct xent_model *model, const char *symbol, size_t *out_size,
                                    char **out_message) {
    struct codegen_module *module = codegen_build(target, programs, count, out_message);
    if (!module)
        return NULL;
    unsigned char *object = NULL;
    if (module_add_model(module, model, symbol, out_message))
        object = codegen_object(module, out_size, out_message);
    codegen_destroy(module);
    return object;
}
