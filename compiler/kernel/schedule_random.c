/* Random legal schedules: for tests that nothing in a schedule can change a bit. */
#include "schedule_internal.h"

#include <string.h>

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void kernel_schedule_random(struct kprogram *program, const struct ktarget *target, uint64_t seed)
{
    for (size_t i = 0; i < program->kernels.count; i++) {
        struct kernel *kernel = program->kernels.at[i];
        const struct kstatement **store;
        uint32_t stores;
        bool independent;
        struct survey *s = survey_kernel(program->arena, kernel, &independent, &store, &stores);
        bool alone = kernel_is_alone(kernel); /* it may be called where no barrier stands */
        kernel->schedule = (struct kschedule){0};
        kernel->scheduled = true;
        struct kschedule *out = &kernel->schedule;
        uint32_t names = 0, name[MAX_DIMS];
        for (uint32_t d = 0; d < s->dims; d++)
            if (survey_is_index(s, d))
                name[names++] = d;
        uint64_t lanes = next_random(&seed) % (names + 3);
        if (lanes < names && target->lanes > 1)
            out->lanes = s->dim[name[lanes]].name;
        bool tree_lanes = (lanes == names || lanes == names + 1) && s->tree && target->lanes > 1;
        if (tree_lanes)
            out->lanes = s->tree;
        if (out->lanes && next_random(&seed) % 3 == 0)
            out->width = 4 << next_random(&seed) % 3;
        for (uint32_t k = names; k > 1; k--) { /* Fisher-Yates */
            uint32_t other = (uint32_t)(next_random(&seed) % k), kept = name[k - 1];
            name[k - 1] = name[other];
            name[other] = kept;
        }
        int64_t room = 32;
        for (uint32_t k = 0; k < names; k++) {
            const struct dim *dim = &s->dim[name[k]];
            bool in_lanes = out->lanes && strcmp(out->lanes, dim->name) == 0;
            int64_t size = 1 + (int64_t)(next_random(&seed) % 7);
            if (size > room)
                size = 1;
            room /= size;
            vec_push(program->arena, &out->order, dim->name);
            vec_push(program->arena, &out->tile,
                     (struct ktile){dim->name, in_lanes ? size * schedule_width(out, target) : size});
        }
        if (tree_lanes && next_random(&seed) % 4)
            for (uint32_t k = 0; k < names; k++)
                if (k == 0 || next_random(&seed) % 2)
                    vec_push(program->arena, &out->block,
                             (struct ktile){s->dim[name[k]].name, 1 + (int64_t)(next_random(&seed) % 12)});
        for (uint32_t k = 0; k < stores && out->block.count == 0; k++)
            if (loops_sliced_sum(store[k]) && next_random(&seed) % 2)
                vec_push(program->arena, &out->block, (struct ktile){loops_sliced_sum(store[k])->reduce->index[0]->name,
                                                                     1 + (int64_t)(next_random(&seed) % 12)});
        if (next_random(&seed) % 2)
            for (uint32_t k = 0; k < stores; k++)
                survey_unroll_windows(s, store[k]->value, out);
        for (size_t k = 0; k < kernel->buffers.count; k++)
            if (next_random(&seed) % 4 == 0)
                vec_push(program->arena, &out->prefetch, kernel->buffers.at[k]->name);
        out->cold = next_random(&seed) % 4 == 0;
        if (names && next_random(&seed) % 4 && !alone)
            for (uint64_t k = 0, several = 1 + next_random(&seed) % 3, first = next_random(&seed) % names;
                 k < several && k < names; k++)
                vec_push(program->arena, &out->parallel, s->dim[name[(first + k) % names]].name);
    }
}
