/* Cross entropy against PyTorch's own answers: the seeds' three facts always, and the cases of the oracle's
 * cross_entropy.json where XENT_ORACLE names its folder. float32 kernels within 1e-6 of the largest term, the reference
 * within 1e-12. */
#include "json.h"
#include "model.h"
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct question {
    int64_t examples, classes;
    double *logits, *target; /* class indices, or probabilities */
    bool prob;
    const char *options, *reduction; /* as the language writes them */
};
struct answer { /* in double (reference) or float (kernels) */
    double loss, *rows, *weights, *gradient;
};

static struct graph *ask_model(struct scratch *s, const struct question *q)
{
    const char *text = arena_printf(&s->arena,
                                    "net 1 model oracle { input z : f32[%lld] target y : %s[%lld] output z "
                                    "loss cross_entropy(z, y%s, reduction = %s) }",
                                    (long long)q->classes, q->prob ? "prob" : "class", (long long)q->classes,
                                        q->options,
                                    q->reduction);
    return model_text(s, "oracle.net", text);
}

/* The loss of the batch is no result of the entry that differentiates over inputs: the graph for it is made by hand. */
static struct graph *ask_graph(struct scratch *s, const struct graph *model)
{
    struct graph *graph = graph_clone(&s->arena, model, "oracle.gradient");
    struct node *loss = graph_result(graph, RESULT_LOSS)->value->node;
    struct node *gradient = graph_add_named(graph, "softmax_xent_grad", 2, loss->input);
    node_copy_attrs(gradient, loss);
    bool ok = op_of(gradient)->shape(graph, gradient, &s->diags);
    CU_ASSERT_TRUE_FATAL(ok);
    graph_add_result(graph, RESULT_INPUT_GRADIENT, "z", gradient->output[0]);
    return graph;
}

static struct values ask_values(struct scratch *s, const struct question *q)
{
    struct values values = {0};
    static struct tensor_type logits = {DT_F32, 2, {DIM_N, 0}, 0};
    struct tensor_type *types = ARENA_ARRAY(&s->arena, struct tensor_type, 2);
    types[0] = logits;
    types[0].dim[1] = q->classes;
    types[1] = (struct tensor_type){q->prob ? DT_PROB : DT_CLASS, q->prob ? 2 : 1, {DIM_N, q->classes}, q->classes};
    if (!q->prob)
        types[1].dim[1] = 0;
    vec_push(&s->arena, &values.leaves, (struct leaf){"z", &types[0], q->logits, q->examples * q->classes});
    vec_push(&s->arena, &values.leaves,
             (struct leaf){"y", &types[1], q->target, q->examples * (q->prob ? q->classes : 1)});
    return values;
}

static struct answer by_reference(struct scratch *s, const struct question *q)
{
    struct graph *graph = ask_graph(s, ask_model(s, q));
    struct values values = ask_values(s, q);
    struct reference *reference = model_reference(s, graph, &values, NULL, q->examples, NULL);
    struct answer a = {0};
    const enum result_role roles[] = {RESULT_LOSS, RESULT_EXAMPLE_LOSS, RESULT_EXAMPLE_WEIGHT, RESULT_INPUT_GRADIENT};
    double **out[] = {NULL, &a.rows, &a.weights, &a.gradient};
    for (int i = 0; i < 4; i++) {
        const struct reference_tensor *t = reference_value(reference, graph_result(graph, roles[i])->value);
        if (i == 0) {
            a.loss = t->data[0];
            continue;
        }
        *out[i] = ARENA_ARRAY(&s->arena, double, (size_t)t->elements);
        memcpy(*out[i], t->data, (size_t)t->elements * sizeof(double));
    }
    reference_destroy(reference);
    return a;
}

static struct answer by_kernels(struct scratch *s, const struct question *q)
{
    struct graph *graph = ask_graph(s, ask_model(s, q));
    struct pass_context context = model_passes(s, graph, ENTRY_FORWARD, NULL, q->examples,
                                               "infer_shapes simplify fuse_loss fuse_pool cse dce fuse lower schedule "
                                               "place_barriers plan_memory");
    struct values values = ask_values(s, q);
    int32_t *pick = ARENA_ARRAY(&s->arena, int32_t, (size_t)q->examples);
    for (int64_t m = 0; m < q->examples; m++)
        pick[m] = (int32_t)m;
    void *arena = model_interpret(s, &context, &values, pick, q->examples, NULL);
    struct answer a = {.rows = ARENA_ARRAY(&s->arena, double, (size_t)q->examples),
                       .weights = ARENA_ARRAY(&s->arena, double, (size_t)q->examples),
                       .gradient = ARENA_ARRAY(&s->arena, double, (size_t)(q->examples * q->classes))};
    for (size_t i = 0; i < context.lowered->results.count; i++) {
        const struct lowered_result *r = &context.lowered->results.at[i];
        for (int64_t m = 0; m < q->examples; m++) {
            if (r->role == RESULT_EXAMPLE_LOSS)
                a.rows[m] = result_at(r, arena, &m);
            for (int64_t c = 0; c < q->classes && r->role == RESULT_INPUT_GRADIENT; c++)
                a.gradient[m * q->classes + c] = result_at(r, arena, (int64_t[]){m, c});
        }
        if (r->role == RESULT_LOSS)
            a.loss = result_at(r, arena, NULL);
    }
    free(arena);
    return a;
}

/* ---- the seeds' facts ---- */

void test_facts(void)
{
    double one[] = {(double)0.2f, (double)0.1f, (double)-0.1f};
    double first[] = {0.1, 0.2, 0.9, 0.7, 0.1, 0.2, 0.2, 0.5, 0.3},
        second[] = {0.8, 0.1, 0.1, 0.2, 0.8, 0.1, 0.3, 0.4, 0.3};
    double classes[] = {2, 0, 1}, zero[] = {0}, hot[] = {1, 0, 0};
    double exact[] = {0.2, 0.1, -0.1};
    const struct {
        struct question question;
        double loss, single, twice; /* tolerances */
    } facts[] = {{{1, 3, exact, zero, false, "", "mean"}, 0.9729189131256584, 2e-7, 1e-15},
                 {{1, 3, exact, hot, true, "", "mean"}, 0.9729189131256584, 2e-7, 1e-15},
                 {{3, 3, first, classes, false, "", "mean"}, 0.7911708354949951, 2e-7, 1e-7},
                 {{3, 3, second, classes, false, "", "mean"}, 1.2461291551589966, 2e-7, 1e-7}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        struct scratch s;
        scratch_init(&s);
        CU_ASSERT_DOUBLE_EQUAL(by_reference(&s, &facts[i].question).loss, facts[i].loss, facts[i].twice);
        CU_ASSERT_DOUBLE_EQUAL(by_kernels(&s, &facts[i].question).loss, facts[i].loss, facts[i].single);
        arena_deinit(&s.arena);
    }
    /* logits of any finite size */
    double huge[] = {(double)1e30f, (double)-1e30f, 0};
    struct question q = {1, 3, huge, zero, false, "", "mean"};
    struct scratch s;
    scratch_init(&s);
    CU_ASSERT_EQUAL(by_kernels(&s, &q).loss, 0);
    q.target = classes; /* class 2 */
    CU_ASSERT_DOUBLE_EQUAL(by_kernels(&s, &q).loss / (double)1e30f, 1, 1e-6);
    q.logits = one;
    CU_ASSERT_TRUE(by_kernels(&s, &q).loss > 1);
    arena_deinit(&s.arena);
}

/* ---- the oracle's cases ---- */

static double *numbers(struct scratch *s, const struct json *value, int64_t *out_count)
{
    VEC(double) list = {0};
    json_flatten(value, &s->arena, &list.at, &list.count, &list.capacity);
    *out_count = (int64_t)list.count;
    return list.at;
}

static const char *options_of(struct scratch *s, const struct json *options)
{
    struct text text;
    text_init(&text, &s->arena);
    const struct json *weight = json_member(options, "weight"), *ignore = json_member(options, "ignore_index");
    const struct json *smoothing = json_member(options, "label_smoothing");
    if (weight && weight->kind == JSON_LIST) {
        text_add(&text, ", weight = [");
        for (size_t i = 0; i < weight->count; i++)
            text_printf(&text, "%s%.17g", i ? ", " : "", weight->item[i].number);
        text_add(&text, "]");
    }
    if (ignore && ignore->kind == JSON_NUMBER)
        text_printf(&text, ", ignore_index = %d", (int)ignore->number);
    if (smoothing && smoothing->kind == JSON_NUMBER)
        text_printf(&text, ", label_smoothing = %.17g", smoothing->number);
    return text_string(&text);
}

static double largest_of(const double *list, int64_t count)
{
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(list[i]));
    return largest;
}

static void check_close(size_t number, const char *what, const double *got, const double *wanted, int64_t count,
                        double tolerance)
{
    double scale = largest_of(wanted, count), worst = 0;
    for (int64_t i = 0; i < count; i++) {
        double error = fabs(got[i] - wanted[i]);
        worst = error <= worst ? worst : error;
    }
    bool ok = worst <= tolerance * scale || worst == 0;
    if (!ok)
        fprintf(stderr, "case %zu: %s is off by %g of %g\n", number, what, worst, scale);
    CU_ASSERT_TRUE(ok);
}

static void check_case(const struct json *item, size_t number)
{
    struct scratch s;
    scratch_init(&s);
    const struct json *target = json_member(item, "target"), *options = json_member(item, "options");
    const struct json *reduction = json_member(options, "reduction");
    struct question q = {.options = options_of(&s, options), .reduction = reduction ? reduction->text : "mean"};
    int64_t count, losses, gradients;
    q.logits = numbers(&s, json_member(item, "logits"), &count);
    q.examples = (int64_t)json_member(item, "logits")->count;
    q.classes = count / q.examples;
    q.target = numbers(&s, target, &count);
    q.prob = target->item[0].kind == JSON_LIST;
    double *loss = numbers(&s, json_member(item, "loss"), &losses);
    double *gradient = numbers(&s, json_member(item, "grad_of_sum"), &gradients);
    CU_ASSERT_EQUAL(gradients, q.examples * q.classes);
    struct answer answers[] = {by_kernels(&s, &q), by_reference(&s, &q)};
    for (int i = 0; i < 2; i++) {
        double tolerance = i ? 1e-12 : 1e-6;
        const double *got = strcmp(q.reduction, "none") == 0 ? answers[i].rows : &answers[i].loss;
        check_close(number, i ? "the reference's loss" : "the kernels' loss", got, loss, losses, tolerance);
        check_close(number, i ? "the reference's gradient" : "the kernels' gradient", answers[i].gradient, gradient,
                    gradients, tolerance);
    }
    arena_deinit(&s.arena);
}

void test_oracle(void)
{
    const char *folder = getenv("XENT_ORACLE");
    struct arena arena;
    arena_init(&arena, NULL);
    size_t length;
    char *text = folder ? golden_read(&arena, arena_printf(&arena, "%s/cross_entropy.json", folder), &length) : NULL;
    if (!text) {
        printf("skipped: XENT_ORACLE names no folder with cross_entropy.json ");
        arena_deinit(&arena);
        return;
    }
    const struct json *root = json_parse(&arena, text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    const struct json *cases = root->kind == JSON_LIST ? root : json_member(root, "cases");
    CU_ASSERT_TRUE(cases->count > 100);
    for (size_t i = 0; i < cases->count; i++)
        check_case(&cases->item[i], i);
    arena_deinit(&arena);
}
