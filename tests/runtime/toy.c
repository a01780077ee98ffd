#include "toy.h"

#include <math.h>
#include <string.h>

enum {
    C = TOY_CLASSES,
    F = TOY_FEATURES,
    N = TOY_CAPACITY,
    TILE = 4,
    W_WORDS = 2 * C * TILE, /* place of W[c, f] = (f / 4) * 12 + c * 4 + f % 4 */
};

enum { LR, MOMENTUM, FIRST, LIVE };
static const char *const step_scalars[] = {"lr", "momentum", "first", "live"};
static const char *const other_scalars[] = {"live"};

/* Words from the arena's start. */
enum {
    AT_W = 0,
    AT_B = AT_W + W_WORDS,
    AT_VW = AT_B + 4,
    AT_VB = AT_VW + W_WORDS,
    AT_LOSS = AT_VB + 4,
    AT_Z = AT_LOSS + 4,
    AT_D = AT_Z + N * C,
    AT_L = AT_D + N * C,
    AT_WEIGHT = AT_L + N,
    AT_METRIC = AT_WEIGHT + N,
    AT_G = AT_METRIC + N,
    WORDS = AT_G + N * F,
};

static float input(const struct xent_entry *entry, const struct xent_call *call, int32_t example, int f) {
    const struct xent_model *model = entry->context;
    if (model->feed[0].dtype == XENT_U8)
        return (float)((const unsigned char *)call->data[0])[example * F + f] / 255.0f;
    return ((const float *)call->data[0])[example * F + f];
}

static int w_place(int c, int f) {
    return f / TILE * C * TILE + c * TILE + f % TILE;
}

static void logits(const struct xent_entry *entry, const struct xent_call *call, uint32_t thread, uint32_t threads) {
    float *a = call->arena;
    const int32_t *pick = call->data[2];
    for (int c = (int)thread; c < C; c += (int)threads)
        for (int m = 0; m < N; m++) {
            float z = a[AT_B + c];
            for (int f = 0; f < F; f++)
                z += a[AT_W + w_place(c, f)] * input(entry, call, pick[m], f);
            a[AT_Z + m * C + c] = z;
        }
}

/* Target probability of class c; *ignored for an ignored example. */
static float target(const struct xent_entry *entry, const struct xent_call *call, int32_t example, int c,
                    int *ignored) {
    const struct xent_model *model = entry->context;
    *ignored = 0;
    if (model->feed[1].kind == XENT_FEED_PROB_TARGET)
        return ((const float *)call->data[1])[example * C + c];
    int32_t class_index = ((const int32_t *)call->data[1])[example];
    *ignored = class_index == model->feed[1].ignore_index;
    return class_index == c;
}

static void losses(const struct xent_entry *entry, const struct xent_call *call, int live) {
    float *a = call->arena;
    const struct xent_model *model = entry->context;
    const int32_t *pick = call->data[2];
    float total = 0, divisor = 0;
    for (int m = 0; m < N; m++) {
        const float *z = a + AT_Z + m * C;
        float top = z[0], sum = 0, loss = 0;
        int best = 0, wanted = 0, ignored = 0;
        for (int c = 1; c < C; c++)
            if (z[c] > top || isnan(z[c]))
                top = z[c], best = c;
        for (int c = 0; c < C; c++)
            sum += expf(z[c] - top);
        for (int c = 0; c < C; c++) {
            float t = target(entry, call, pick[m], c, &ignored), log_p = z[c] - top - logf(sum);
            if (t != 0)
                loss -= t * log_p, wanted = c;
            a[AT_D + m * C + c] = ignored ? 0 : expf(log_p) - t;
        }
        int32_t counts = wanted == best && !ignored;
        a[AT_L + m] = loss;
        a[AT_WEIGHT + m] = !ignored;
        memcpy(&a[AT_METRIC + m], &counts, sizeof counts);
        if (m < live)
            total += loss, divisor += !ignored;
    }
    int mean = model->reduction == XENT_REDUCE_MEAN;
    a[AT_LOSS] = !mean ? total : divisor > 0 ? total / divisor : 0;
    for (int i = 0; mean && divisor > 0 && !strcmp(entry->name, "step") && i < N * C; i++)
        a[AT_D + i] /= divisor;
}

static void forward(const struct xent_entry *entry, const struct xent_call *call, uint32_t thread, uint32_t threads) {
    logits(entry, call, thread, threads);
}

static void eval(const struct xent_entry *entry, const struct xent_call *call, uint32_t thread, uint32_t threads) {
    logits(entry, call, thread, threads);
    if (threads > 1)
        call->barrier(call->barrier_context, thread);
    if (thread == threads - 1)
        losses(entry, call, call->scalar[0].i);
}

static void gradient(const struct xent_entry *entry, const struct xent_call *call, uint32_t thread, uint32_t threads) {
    float *a = call->arena;
    eval(entry, call, thread, threads);
    if (threads > 1)
        call->barrier(call->barrier_context, thread);
    for (int m = (int)thread; m < N; m += (int)threads)
        for (int f = 0; f < F; f++) {
            float g = 0;
            for (int c = 0; c < C; c++)
                g += a[AT_D + m * C + c] * a[AT_W + w_place(c, f)];
            a[AT_G + m * F + f] = g;
        }
}

static void update(float *w, float *v, float g, const struct xent_call *call) {
    *v = call->scalar[FIRST].i ? g : call->scalar[MOMENTUM].f * *v + g;
    *w -= call->scalar[LR].f * *v;
}

static void step(const struct xent_entry *entry, const struct xent_call *call, uint32_t thread, uint32_t threads) {
    float *a = call->arena;
    const int32_t *pick = call->data[2];
    int live = call->scalar[LIVE].i;
    logits(entry, call, thread, threads);
    if (threads > 1)
        call->barrier(call->barrier_context, thread);
    if (thread == threads - 1)
        losses(entry, call, live);
    if (threads > 1)
        call->barrier(call->barrier_context, thread);
    for (int c = (int)thread; c < C; c += (int)threads) {
        float bias = 0;
        for (int m = 0; m < live; m++)
            bias += a[AT_D + m * C + c];
        update(&a[AT_B + c], &a[AT_VB + c], bias, call);
        for (int f = 0; f < F; f++) {
            float g = 0;
            for (int m = 0; m < live; m++)
                g += a[AT_D + m * C + c] * input(entry, call, pick[m], f);
            update(&a[AT_W + w_place(c, f)], &a[AT_VW + w_place(c, f)], g, call);
        }
    }
}

static struct xent_tensor tensor(const char *name, enum xent_role role, int at, int words, uint32_t rank, int64_t d0,
                                 int64_t d1) {
    struct xent_tensor t = {.name = name, .role = role, .dtype = role == XENT_ROLE_METRIC ? XENT_I32 : XENT_F32,
                            .rank = rank, .digits = rank, .shape = {d0, d1}, .offset = (uint64_t)at * 4,
                            .bytes = (uint64_t)words * 4};
    t.digit[0] = (struct xent_digit){.dim = 0, .div = 1, .stride = rank == 2 ? d1 : 1};
    t.digit[1] = (struct xent_digit){.dim = 1, .div = 1, .stride = 1};
    return t;
}

static struct xent_tensor weight(const char *name, enum xent_role role, int at) {
    struct xent_tensor t = tensor(name, role, at, W_WORDS, 2, C, F);
    t.digits = 3;
    t.digit[0] = (struct xent_digit){.dim = 1, .div = TILE, .stride = C * TILE};
    t.digit[1] = (struct xent_digit){.dim = 0, .div = 1, .stride = TILE};
    t.digit[2] = (struct xent_digit){.dim = 1, .div = 1, .mod = TILE, .stride = 1};
    return t;
}

static struct xent_entry entry(const struct toy *toy, const char *name,
                               void (*run)(const struct xent_entry *, const struct xent_call *, uint32_t, uint32_t),
                               const struct xent_tensor *tensors, uint32_t count) {
    return (struct xent_entry){.name = name, .run = run, .context = &toy->model, .capacity = N, .batch = TOY_BATCH,
                               .scalars = 1, .scalar_names = other_scalars, .tensors = count, .tensor = tensors};
}

void toy_make(struct toy *toy, enum toy_kind kind, enum xent_reduction reduction) {
    memset(toy, 0, sizeof *toy);
    toy->feed[0] = (struct xent_feed){.name = "x", .kind = XENT_FEED_INPUT, .rank = 2, .shape = {2, 3},
                                      .dtype = kind == TOY_U8 ? XENT_U8 : XENT_F32};
    toy->feed[1] = (struct xent_feed){.name = "y", .kind = XENT_FEED_CLASS_TARGET, .dtype = XENT_I32, .classes = C,
                                      .ignore_index = -100};
    if (kind == TOY_PROB)
        toy->feed[1] = (struct xent_feed){.name = "y", .kind = XENT_FEED_PROB_TARGET, .dtype = XENT_F32, .classes = C,
                                          .rank = 1, .shape = {C}};
    toy->feed[2] = (struct xent_feed){.name = "pick", .kind = XENT_FEED_PICK, .dtype = XENT_I32};
    toy->state[0] = weight("l.weight", XENT_ROLE_PARAMETER, AT_W);
    toy->state[1] = tensor("l.bias", XENT_ROLE_PARAMETER, AT_B, 4, 1, C, 0);
    toy->state[2] = weight("l.weight.momentum", XENT_ROLE_OPTIMIZER, AT_VW);
    toy->state[3] = tensor("l.bias.momentum", XENT_ROLE_OPTIMIZER, AT_VB, 4, 1, C, 0);
    toy->state[0].init_bound = toy->state[1].init_bound = 0.5f;
    toy->state[1].init_stream = 1;
    toy->loss[0] = tensor("loss", XENT_ROLE_LOSS, AT_LOSS, 1, 0, 0, 0);
    toy->outputs[0] = tensor("z", XENT_ROLE_OUTPUT, AT_Z, N * C, 2, N, C);
    toy->outputs[1] = tensor("example_loss", XENT_ROLE_EXAMPLE_LOSS, AT_L, N, 1, N, 0);
    toy->outputs[2] = tensor("weight", XENT_ROLE_EXAMPLE_WEIGHT, AT_WEIGHT, N, 1, N, 0);
    toy->outputs[3] = tensor("accuracy", XENT_ROLE_METRIC, AT_METRIC, N, 1, N, 0);
    toy->outputs[4] = tensor("x.gradient", XENT_ROLE_INPUT_GRADIENT, AT_G, N * F, 2, N, F);
    toy->entry[0] = entry(toy, "forward", forward, toy->outputs, 1);
    toy->entry[1] = entry(toy, "eval", eval, toy->outputs, 4);
    toy->entry[2] = entry(toy, "gradient", gradient, toy->outputs, 5);
    toy->entry[3] = entry(toy, "step", step, toy->loss, 1);
    toy->entry[3].scalars = 4;
    toy->entry[3].scalar_names = step_scalars;
    toy->model = (struct xent_model){.abi_version = XENT_ABI_VERSION, .size = sizeof toy->model, .name = "toy",
                                     .arena_bytes = WORDS * 4, .arena_align = 64, .feeds = 3, .states = 4, .entries = 4,
                                     .reduction = reduction, .feed = toy->feed, .state = toy->state,
                                     .entry = toy->entry};
}
