/* The session: checks a model, allocates its arena, binds calls, runs single ones. */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* --- Looking things up --- */

const struct xent_entry *xent_model_entry(const struct xent_model *model, const char *name) {
    for (uint32_t i = 0; i < model->entries; i++)
        if (!strcmp(model->entry[i].name, name))
            return &model->entry[i];
    return NULL;
}

const struct xent_tensor *xent_model_state(const struct xent_model *model, const char *name) {
    for (uint32_t i = 0; i < model->states; i++)
        if (!strcmp(model->state[i].name, name))
            return &model->state[i];
    return NULL;
}

const struct xent_tensor *xent_entry_tensor(const struct xent_entry *entry, enum xent_role role) {
    for (uint32_t i = 0; i < entry->tensors; i++)
        if (entry->tensor[i].role == (uint32_t)role)
            return &entry->tensor[i];
    return NULL;
}

const struct xent_model *xent_session_model(const struct xent_session *session) {
    return session->model;
}

uint32_t xent_session_threads(const struct xent_session *session) {
    return xent_pool_threads(session->pool);
}

uint64_t xent_session_steps(const struct xent_session *session) {
    return session->steps;
}

struct rt_pace *rt_pace_of(const struct xent_session *session, const struct xent_entry *entry) {
    return &session->pace[entry - session->model->entry];
}

/* --- Checking the model --- */

static bool has_lanes(uint32_t role) {
    return role >= XENT_ROLE_OUTPUT && role != XENT_ROLE_LOSS;
}

static enum xent_status check_entry(const struct xent_model *model, const struct xent_entry *entry,
                                    struct xent_error *error) {
    if (!entry->name || !entry->run || !entry->batch || entry->batch > entry->capacity ||
        entry->capacity > INT32_MAX || entry->scalars > XENT_MAX_SCALARS)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "model %s: entry %s is malformed", model->name,
                       entry->name ? entry->name : "(no name)");
    for (uint32_t i = 0; i < entry->tensors; i++) {
        const struct xent_tensor *tensor = &entry->tensor[i];
        enum xent_status status = rt_tensor_check(tensor, model->arena_bytes, entry->name, error);
        if (status)
            return status;
        if (has_lanes(tensor->role) && (!tensor->rank || tensor->shape[0] < entry->batch))
            return rt_fail(error, XENT_ERROR_ARGUMENT, "%s: tensor %s has too few lanes", entry->name, tensor->name);
    }
    return XENT_OK;
}

static enum xent_status check_model(const struct xent_model *model, struct xent_error *error) {
    if (model->abi_version != XENT_ABI_VERSION || model->size != sizeof *model)
        return rt_fail(error, XENT_ERROR_ARGUMENT,
                       "the model has ABI version %" PRIu32 " (%" PRIu32 " bytes), this runtime has %u (%zu bytes)",
                       model->abi_version, model->size, XENT_ABI_VERSION, sizeof *model);
    if (!model->name || model->feeds > XENT_MAX_DATA || (model->arena_align & (model->arena_align - 1)) ||
        model->arena_bytes > (uint64_t)INT64_MAX)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "the model is malformed");
    for (uint32_t i = 0; i < model->states; i++) {
        enum xent_status status = rt_tensor_check(&model->state[i], model->arena_bytes, model->name, error);
        if (status)
            return status;
        if (model->state[i].dtype != XENT_F32 || model->state[i].role > XENT_ROLE_OPTIMIZER)
            return rt_fail(error, XENT_ERROR_ARGUMENT, "%s: %s is no f32 state", model->name, model->state[i].name);
    }
    for (uint32_t i = 0; i < model->entries; i++) {
        enum xent_status status = check_entry(model, &model->entry[i], error);
        if (status)
            return status;
    }
    return XENT_OK;
}

/* --- Memory --- */

enum { HUGE_PAGE = 2 << 20 };

/* Zeroed by the system. Large arenas begin on a huge page, for a step touches all of them. */
static enum xent_status map_arena(struct xent_session *session, struct xent_error *error) {
    uint64_t bytes = session->model->arena_bytes, align = session->model->arena_align;
    bool huge = bytes >= HUGE_PAGE;
    if (align < 4096)
        align = 4096;
    if (huge && align < HUGE_PAGE)
        align = HUGE_PAGE;
    if (!bytes)
        bytes = 1;
    void *at = MAP_FAILED;
    if (align <= (uint64_t)INT64_MAX - bytes) {
        session->mapping_bytes = bytes + align;
        at = mmap(NULL, session->mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (at == MAP_FAILED)
        return rt_fail_memory(error, session->model->name, bytes);
    session->mapping = at;
    session->arena = (char *)(((uintptr_t)at + align - 1) / align * align);
    if (huge)
        madvise(session->arena, bytes, MADV_HUGEPAGE);
    return XENT_OK;
}

static enum xent_status fill_session(struct xent_session *session, const struct xent_session_options *options,
                                     struct xent_error *error) {
    const struct xent_model *model = session->model;
    enum xent_status status = xent_data_spec_of(model, &session->spec, error);
    if (status || (status = map_arena(session, error)))
        return status;
    for (uint32_t i = 0; i < model->states; i++)
        if (session->state_bytes < model->state[i].offset + model->state[i].bytes)
            session->state_bytes = model->state[i].offset + model->state[i].bytes;
    uint32_t capacity = 1;
    for (uint32_t i = 0; i < model->entries; i++)
        if (capacity < model->entry[i].capacity)
            capacity = model->entry[i].capacity;
    session->pick = calloc(capacity, sizeof *session->pick);
    session->pace = calloc(model->entries + 1, sizeof *session->pace);
    if (!session->pick || !session->pace)
        return rt_fail_memory(error, model->name, (uint64_t)capacity * sizeof *session->pick);
    for (uint32_t i = 0; i < model->entries; i++)
        rt_pace_init(&session->pace[i]);
    uint32_t threads = options ? options->threads : 0, cores = xent_available_cores();
    return xent_pool_create(threads > cores ? cores : threads, &session->pool, error);
}

enum xent_status xent_session_create(const struct xent_model *model, const struct xent_session_options *options,
                                     struct xent_session **out, struct xent_error *error) {
    enum xent_status status = check_model(model, error);
    if (status)
        return status;
    struct xent_session *session = calloc(1, sizeof *session);
    if (!session)
        return rt_fail_memory(error, model->name, sizeof *session);
    session->model = model;
    status = fill_session(session, options, error);
    if (status) {
        xent_session_destroy(session);
        return status;
    }
    *out = session;
    return XENT_OK;
}

void xent_session_destroy(struct xent_session *session) {
    if (!session)
        return;
    xent_pool_destroy(session->pool);
    free(session->pick);
    free(session->pace);
    if (session->mapping)
        munmap(session->mapping, session->mapping_bytes);
    free(session);
}

/* --- State --- */

static void draw(struct xent_session *session, const struct xent_tensor *tensor, uint64_t seed) {
    char *base = session->arena + tensor->offset;
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, words[4];
    struct rt_walk walk;
    rt_walk_begin(&walk, tensor, -1);
    uint64_t element = 0;
    for (int64_t place; (place = rt_walk_next(&walk)) >= 0; element++) {
        if (element % 4 == 0) { /* xent_random for four elements at once */
            uint64_t block = element / 4;
            uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), tensor->init_stream, XENT_RANDOM_INIT};
            xent_philox4x32(counter, key, words);
        }
        float value = xent_uniform(words[element % 4], tensor->init_bound);
        memcpy(base + place * (int64_t)sizeof value, &value, sizeof value);
    }
}

void xent_session_init(struct xent_session *session, uint64_t seed) {
    for (uint32_t i = 0; i < session->model->states; i++)
        if (session->model->state[i].role == XENT_ROLE_PARAMETER)
            draw(session, &session->model->state[i], seed);
    xent_session_reset_optimizer(session);
}

void xent_session_reset_optimizer(struct xent_session *session) {
    for (uint32_t i = 0; i < session->model->states; i++) {
        const struct xent_tensor *tensor = &session->model->state[i];
        if (tensor->role == XENT_ROLE_OPTIMIZER)
            memset(session->arena + tensor->offset, 0, tensor->bytes);
    }
    session->steps = 0;
}

static bool elements_are_finite(const struct xent_session *session, const struct xent_tensor *tensor) {
    const uint32_t *words = (const uint32_t *)(const void *)(session->arena + tensor->offset);
    struct rt_walk walk;
    rt_walk_begin(&walk, tensor, -1);
    for (int64_t place; (place = rt_walk_next(&walk)) >= 0;)
        if ((words[place] & 0x7f800000u) == 0x7f800000u)
            return false;
    return true;
}

/* The bytes are scanned as they lie, for speed; what is not finite may be padding, which may hold anything. */
bool xent_session_is_finite(const struct xent_session *session, const struct xent_tensor **out_tensor) {
    for (uint32_t i = 0; i < session->model->states; i++) {
        const struct xent_tensor *tensor = &session->model->state[i];
        const uint32_t *words = (const uint32_t *)(const void *)(session->arena + tensor->offset);
        uint32_t bad = 0;
        for (uint64_t w = 0; w < tensor->bytes / sizeof *words; w++)
            bad |= (words[w] & 0x7f800000u) == 0x7f800000u;
        if (bad && !elements_are_finite(session, tensor)) {
            if (out_tensor)
                *out_tensor = tensor;
            return false;
        }
    }
    return true;
}

/* --- Calls --- */

static bool needs_target(const struct xent_entry *entry) {
    return xent_entry_tensor(entry, XENT_ROLE_LOSS) || xent_entry_tensor(entry, XENT_ROLE_EXAMPLE_LOSS) ||
           xent_entry_tensor(entry, XENT_ROLE_METRIC) || xent_entry_tensor(entry, XENT_ROLE_INPUT_GRADIENT);
}

static enum xent_status check_dataset(const struct xent_session *session, const struct xent_entry *entry,
                                      const struct xent_dataset *dataset, struct xent_error *error) {
    const struct xent_data_spec *want = &session->spec, *have = &dataset->spec;
    char a[RT_SHAPE], b[RT_SHAPE];
    if (want->dtype != have->dtype || want->rank != have->rank ||
        memcmp(want->shape, have->shape, want->rank * sizeof *want->shape))
        return rt_fail(error, XENT_ERROR_ARGUMENT, "%s: examples are %s%s, but model %s takes %s%s", dataset->origin,
                       have->dtype == XENT_U8 ? "u8" : "f32", rt_shape(a, have->shape, have->rank),
                       session->model->name, want->dtype == XENT_U8 ? "u8" : "f32",
                       rt_shape(b, want->shape, want->rank));
    if (want->target == XENT_TARGET_NONE || (have->target == XENT_TARGET_NONE && !needs_target(entry)))
        return XENT_OK;
    if (want->target != have->target || want->classes != have->classes ||
        (want->target == XENT_TARGET_CLASS && want->ignore_index != have->ignore_index))
        return rt_fail(error, XENT_ERROR_ARGUMENT, "%s: the targets are not those of model %s", dataset->origin,
                       session->model->name);
    return XENT_OK;
}

static const void *feed_data(const struct xent_session *session, const struct xent_feed *feed,
                             const struct xent_dataset *dataset) {
    switch ((enum xent_feed_kind)feed->kind) {
    case XENT_FEED_INPUT:
        return dataset->inputs;
    case XENT_FEED_CLASS_TARGET:
        return dataset->classes;
    case XENT_FEED_PROB_TARGET:
        return dataset->probs;
    case XENT_FEED_PICK:
        return session->pick;
    }
    return NULL;
}

static const struct xent_scalar_value *find_scalar(const struct xent_scalar_value *scalars, uint32_t count,
                                                   const char *name) {
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(scalars[i].name, name))
            return &scalars[i];
    return NULL;
}

static enum xent_status bind_scalars(struct rt_bound *bound, const struct xent_scalar_value *scalars, uint32_t count,
                                     struct xent_error *error) {
    const struct xent_entry *entry = bound->entry;
    uint32_t used = 0;
    bound->live = bound->first = -1;
    for (uint32_t i = 0; i < entry->scalars; i++) {
        const char *name = entry->scalar_names[i];
        if (!strcmp(name, "live")) {
            bound->live = (int)i;
        } else if (!strcmp(name, "first")) {
            bound->first = (int)i;
        } else {
            const struct xent_scalar_value *scalar = find_scalar(scalars, count, name);
            if (!scalar)
                return rt_fail(error, XENT_ERROR_ARGUMENT, "entry %s needs a value for %s", entry->name, name);
            bound->call.scalar[i].f = scalar->value;
            used++;
        }
    }
    for (uint32_t i = 0; used != count && i < count; i++) {
        bool known = false;
        for (uint32_t j = 0; j < entry->scalars; j++)
            known |= (int)j != bound->live && (int)j != bound->first &&
                     !strcmp(entry->scalar_names[j], scalars[i].name);
        if (!known)
            return rt_fail(error, XENT_ERROR_ARGUMENT, "entry %s has no scalar %s", entry->name, scalars[i].name);
        if (find_scalar(scalars, i, scalars[i].name))
            return rt_fail(error, XENT_ERROR_ARGUMENT, "%s is given twice", scalars[i].name);
    }
    return XENT_OK;
}

enum xent_status rt_bind(struct xent_session *session, const struct xent_entry *entry,
                         const struct xent_dataset *dataset, const struct xent_scalar_value *scalars, uint32_t count,
                         struct rt_bound *out, struct xent_error *error) {
    enum xent_status status = check_dataset(session, entry, dataset, error);
    if (status)
        return status;
    *out = (struct rt_bound){.entry = entry};
    out->call.arena = session->arena;
    out->call.barrier = xent_pool_barrier;
    out->call.barrier_context = session->pool;
    for (uint32_t i = 0; i < session->model->feeds; i++)
        out->call.data[i] = feed_data(session, &session->model->feed[i], dataset);
    return bind_scalars(out, scalars, count, error);
}

void rt_set_batch(struct xent_session *session, struct rt_bound *bound, const int32_t *pick, uint64_t from,
                  uint32_t live) {
    for (uint32_t i = 0; i < live; i++)
        session->pick[i] = pick ? pick[i] : (int32_t)(from + i);
    for (uint32_t i = live; i < bound->entry->capacity; i++)
        session->pick[i] = session->pick[live - 1];
    if (bound->live >= 0)
        bound->call.scalar[bound->live].i = (int32_t)live;
    if (bound->first >= 0)
        bound->call.scalar[bound->first].i = session->steps == 0;
}

static enum xent_status check_pick(const struct xent_entry *entry, const struct xent_dataset *dataset,
                                   const int32_t *pick, uint32_t live, struct xent_error *error) {
    if (!live || live > entry->batch)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "%" PRIu32 " examples in a batch: entry %s takes 1 to %" PRIu32,
                       live, entry->name, entry->batch);
    for (uint32_t i = 0; i < live; i++)
        if (pick[i] < 0 || (uint64_t)pick[i] >= dataset->examples)
            return rt_fail(error, XENT_ERROR_ARGUMENT, "%s: there is no example %" PRId32 " among %" PRIu64,
                           dataset->origin, pick[i], dataset->examples);
    return XENT_OK;
}

static void run_body(void *context, uint32_t thread, uint32_t threads) {
    const struct rt_bound *bound = context;
    bound->entry->run(bound->entry, &bound->call, thread, threads);
}

static enum xent_status run_once(struct xent_session *session, const struct xent_entry *entry,
                                 const struct xent_dataset *dataset, const int32_t *pick, uint32_t live,
                                 const struct xent_scalar_value *scalars, uint32_t count, struct xent_error *error) {
    struct rt_bound bound;
    enum xent_status status = check_pick(entry, dataset, pick, live, error);
    if (status || (status = rt_bind(session, entry, dataset, scalars, count, &bound, error)))
        return status;
    rt_set_batch(session, &bound, pick, 0, live);
    struct rt_pace *pace = rt_pace_of(session, entry);
    rt_pace_begin(pace);
    if (pace->alone)
        run_body(&bound, 0, 1);
    else
        xent_pool_run(session->pool, run_body, &bound);
    rt_pace_end(pace, session->pool);
    return XENT_OK;
}

enum xent_status xent_session_run(struct xent_session *session, const struct xent_entry *entry,
                                  const struct xent_dataset *dataset, const int32_t *pick, uint32_t live,
                                  struct xent_error *error) {
    return run_once(session, entry, dataset, pick, live, NULL, 0, error);
}

enum xent_status xent_session_step(struct xent_session *session, const struct xent_dataset *dataset,
                                   const int32_t *pick, uint32_t live, const struct xent_scalar_value *scalars,
                                   uint32_t scalar_count, float *out_loss, struct xent_error *error) {
    const struct xent_entry *entry = xent_model_entry(session->model, "step");
    const struct xent_tensor *loss = entry ? xent_entry_tensor(entry, XENT_ROLE_LOSS) : NULL;
    if (!loss)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "model %s was not compiled for training", session->model->name);
    enum xent_status status = run_once(session, entry, dataset, pick, live, scalars, scalar_count, error);
    if (status)
        return status;
    session->steps++;
    xent_session_get(session, loss, out_loss);
    return XENT_OK;
}
