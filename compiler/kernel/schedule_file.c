/* Schedules by hand: a text of blocks
 *
 *     kernel l1 { schedule lanes m; tile n 6, m 64; order m, n; parallel n }
 *
 * each of which takes the place of the schedule that would be derived for the kernel of that name. The clauses are the
 * kernel IR's. What they cannot do is change a bit; what is checked is that they name what is there and that the code
 * of a tile, which is written out point by point, stays small enough to be compiled. */
#include "parse.h"
#include "schedule_internal.h"
#include "syntax.h"

#include <string.h>

enum { MOST_CODE = 1 << 14 }; /* operators of a kernel's tiles; derived schedules stay below an eighth of it */

/* ---- reading ---- */

static const char *escape(struct arena *arena, const char *name)
{
    return diag_escape(arena, name, strlen(name));
}

static bool parse_block(struct kparser *p, struct kschedule_file *file)
{
    struct kschedule_block block = {.span = p->token.span};
    if (!(block.kernel = kparse_name(p, "a kernel's name")))
        return false;
    for (size_t i = 0; i < file->blocks.count; i++)
        if (strcmp(file->blocks.at[i].kernel, block.kernel) == 0) {
            diag_error(p->diags, block.span, "kernel %s has a schedule already", escape(p->arena, block.kernel));
            return false;
        }
    if (!kparse_expect(p, "{", "before the schedule"))
        return false;
    if (!kparse_accept_word(p, "schedule")) {
        kparse_unexpected(p, "schedule");
        return false;
    }
    if (!kparse_schedule(p, &block.schedule) || !kparse_expect(p, "}", "behind the schedule"))
        return false;
    vec_push(p->arena, &file->blocks, block);
    return true;
}

struct kschedule_file *kernel_schedules_parse(struct arena *arena, struct diag_list *diags, uint32_t number)
{
    size_t errors = diags->errors;
    struct kschedule_file *file = ARENA_NEW(arena, struct kschedule_file);
    struct kparser parser, *p = &parser;
    if (!kparse_start(p, arena, diags, number, NULL))
        return NULL;
    while (p->token.kind != KTOK_END) {
        if (!kparse_accept_word(p, "kernel")) {
            kparse_unexpected(p, "kernel NAME {");
            kparse_next(p);
            kparse_skip_body(p);
        } else if (!parse_block(p, file)) {
            kparse_skip_body(p);
        }
    }
    return diags->errors == errors ? file : NULL;
}

/* ---- how much code ---- */

static int64_t bounded(int64_t value)
{
    return value > MOST_CODE ? MOST_CODE + 1 : value;
}

/* Operators of one point, those of a let once, those of a sum as often as it is unrolled; at most MOST_CODE + 1. */
static int64_t operators(struct survey *s, const struct kexpr *expr)
{
    int64_t sum = 1;
    if (expr->op == KX_LET) {
        for (size_t i = 0; i < s->lets.count; i++)
            if (s->lets.at[i] == expr->let)
                return 1;
        vec_push(s->arena, &s->lets, expr->let);
        sum += operators(s, expr->let->value);
    } else if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        int64_t times = 1, inside = 0;
        for (uint32_t i = 0; i < r->indices; i++)
            if (loops_unrolls(&s->kernel->schedule, r->index[i]))
                times = bounded(times * bounded(r->index[i]->extent));
        for (int i = 0; i < 2; i++)
            inside += r->term[i] ? operators(s, r->term[i]) : 0;
        sum += times * bounded(inside) + (r->from ? operators(s, r->from) : 0);
    } else {
        for (uint32_t i = 0; i < expr->count && sum <= MOST_CODE; i++)
            sum += operators(s, expr->arg[i]);
    }
    return bounded(sum);
}

/* Points of a store's tile, lanes counted as vectors; at most MOST_CODE + 1. */
static int64_t points(const struct kschedule *schedule, const struct kstatement *store, uint32_t lanes)
{
    int64_t count = 1;
    for (uint32_t d = 0; d < store->rank; d++) {
        const struct kindex *index = store->index[d];
        int64_t tile = loops_size_named(schedule->tile.at, schedule->tile.count, index->name, 1);
        tile = tile < index->extent ? tile : index->extent;
        if (schedule->lanes && strcmp(schedule->lanes, index->name) == 0)
            tile = (tile + lanes - 1) / lanes;
        count = bounded(count * bounded(tile));
    }
    return count;
}

static bool check_size(struct kprogram *program, const struct kernel *kernel, const struct ktarget *target,
                       struct diag_list *diags, struct span span)
{
    const struct kstatement **store;
    uint32_t stores;
    bool independent;
    struct survey *s = survey_kernel(program->arena, kernel, &independent, &store, &stores);
    int64_t sum = 0, most = 1;
    for (uint32_t i = 0; i < stores; i++) {
        int64_t count = points(&kernel->schedule, store[i], schedule_width(&kernel->schedule, target));
        s->lets.count = 0;
        sum = bounded(sum + count * operators(s, store[i]->value));
        most = count > most ? count : most;
    }
    if (sum <= MOST_CODE || (most == 1 && kernel->schedule.unroll.count == 0))
        return true;
    diag_error(diags, span, "kernel %s: its tiles%s are too large: they would be written out as more than %d operators",
               escape(program->arena, kernel->name), kernel->schedule.unroll.count ? " and unrolled sums" : "", MOST_CODE);
    return false;
}

/* ---- applying ---- */

bool kernel_schedules_apply(struct kschedule_file *file, struct kprogram *program, const struct ktarget *target,
                            struct diag_list *diags)
{
    bool good = true;
    const struct kschedule_block *called_in = NULL; /* threads, where thread 0 was alone */
    file->applied = true;
    for (size_t i = 0; i < program->kernels.count; i++) {
        struct kernel *kernel = program->kernels.at[i];
        vec_push(program->arena, &file->seen, kernel->name);
        for (size_t k = 0; k < file->blocks.count; k++) {
            struct kschedule_block *block = &file->blocks.at[k];
            if (strcmp(block->kernel, kernel->name) != 0)
                continue;
            block->used = true;
            if (kernel_is_alone(kernel) && block->schedule.parallel.count)
                called_in = block;
            kernel->schedule = block->schedule;
            kernel->scheduled = true;
            good = kernel_verify_schedule(program, kernel, diags) &&
                   check_size(program, kernel, target, diags, block->span) && good;
        }
    }
    if (!good || !called_in)
        return good;
    struct diag_list races;
    diag_init(&races, program->arena, diags->map);
    if (kernel_verify(program, &races))
        return true;
    diag_error(diags, called_in->span, "kernel %s was thread 0's alone: barriers that threads would need are not there",
               escape(program->arena, called_in->kernel));
    return false;
}

bool kernel_schedules_used(const struct kschedule_file *file, struct diag_list *diags)
{
    bool good = true;
    for (size_t i = 0; i < file->blocks.count && file->applied; i++) {
        const struct kschedule_block *block = &file->blocks.at[i];
        if (block->used)
            continue;
        diag_error(diags, block->span, "there is no kernel %s",
                   escape(diags->arena, block->kernel));
        diag_did_you_mean(diags, block->kernel, file->seen.at, file->seen.count);
        good = false;
    }
    return good;
}
