/* Finding the units: kernels that read the same are the same function, whatever they are called. Equal layers share
 * theirs, and the entries of a model share most of theirs. */
#include "unit.h"

#include "module.h"

#include <string.h>

/* All that loops come from: it does not matter to them which code is cold. How buffers are passed is not in it. */
static const char *text_of(struct arena *arena, const struct kernel *kernel) {
    struct kernel nameless = *kernel;
    struct text text;
    nameless.name = "_";
    nameless.schedule.cold = false;
    text_init(&text, arena);
    kernel_print_kernel(&nameless, &text);
    return text_string(&text);
}

static bool same_kernel(const struct unit *a, const struct unit *b) {
    if (!a->kernel || a->program->arith != b->program->arith || strcmp(a->text, b->text) != 0)
        return false;
    for (size_t i = 0; i < a->kernel->buffers.count; i++)
        if (a->arguments[i].align != b->arguments[i].align || a->arguments[i].apart != b->arguments[i].apart)
            return false;
    return true;
}

static struct unit *named(const struct units *units, const char *name) {
    for (size_t i = 0; i < units->list.count; i++)
        if (strcmp(units->list.at[i]->name, name) == 0)
            return units->list.at[i];
    return NULL;
}

static const char *unused_name(const struct units *units, const char *name) {
    while (named(units, name))
        name = arena_printf(units->arena, "%s'", name);
    return name;
}

static struct unit *add(struct units *units, struct unit unit) {
    struct unit *added = ARENA_NEW(units->arena, struct unit);
    *added = unit;
    vec_push(units->arena, &units->list, added);
    return added;
}

static struct unit *kernel_unit(struct units *units, const struct kprogram *program, const struct kernel *kernel) {
    struct unit unit = {.program = program, .kernel = kernel, .cold = kernel->schedule.cold};
    unit.text = text_of(units->arena, kernel);
    unit.arguments = program_arguments(units->arena, program, kernel);
    for (size_t i = 0; i < units->list.count; i++)
        if (same_kernel(units->list.at[i], &unit)) {
            units->list.at[i]->cold &= unit.cold;
            return units->list.at[i];
        }
    unit.name = unused_name(units, arena_printf(units->arena, "%s.%s", program->name, kernel->name));
    return add(units, unit);
}

void units_add(struct units *units, const struct kprogram *const *programs, size_t count, uint32_t part) {
    for (size_t p = 0; p < count; p++) {
        const struct kprogram *program = programs[p];
        struct unit **callee = ARENA_ARRAY(units->arena, struct unit *, program->kernels.count + 1);
        for (size_t k = 0; k < program->kernels.count; k++) {
            callee[k] = kernel_unit(units, program, program->kernels.at[k]);
            callee[k]->parts |= 1u << part;
        }
        struct unit *like = named(units, program->name); /* only programs are looked for by name */
        if (like)
            like->name = unused_name(units, like->name);
        add(units, (struct unit){.program = program, .name = program->name, .parts = 1u << part, .cold = true,
                                  .callee = callee});
    }
}

/* Instructions of LLVM's for one register or store, addresses included. */
static size_t define_cost(const struct lvalue *v) {
    switch (v->op) {
    case LO_TRANSPOSED: return 5; /* its share of the network */
    case LO_LOAD: return v->width > 1 && v->stride > 1 && !v->index ? 3 * v->width : 2;
    case LO_SPLAT: return 2;
    default: return 1;
    }
}

static size_t store_cost(const struct lstatement *s) {
    return s->value->width > 1 && s->stride != 1 && !s->index ? 3 * s->value->width : 2;
}

static size_t block_cost(const struct lblock *block) {
    enum { BRANCH = 5 };
    size_t cost = 0;
    for (size_t i = 0; i < block->list.count; i++) {
        const struct lstatement *s = block->list.at[i];
        if (s->kind == LS_DEFINE)
            cost += define_cost(s->value);
        else if (s->kind == LS_STORE)
            cost += store_cost(s);
        else
            cost += BRANCH + s->carries + block_cost(&s->body) + block_cost(&s->otherwise);
    }
    return cost;
}

void unit_weigh(struct unit *unit) {
    enum { FUNCTION = 40, CALL = 12 };
    unit->cost = FUNCTION + (unit->loops ? block_cost(&unit->loops->body) : CALL * unit->program->calls.count);
}
