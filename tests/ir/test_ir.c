/* The graph: construction, rewriting, the text form both ways, the verifier. */
#include "golden.h"
#include "graph.h"
#include "map.h"
#include "ops.h"
#include "suites.h"

#include <CUnit/Basic.h>
#include <setjmp.h>
#include <string.h>

static struct graph *parse(struct scratch *s, const char *text)
{
    return graph_parse(&s->arena, &s->diags, op_set(), source_add(&s->map, "t.xir", text, strlen(text)));
}

static const char *print(struct scratch *s, const struct graph *graph)
{
    struct text text;
    text_init(&text, &s->arena);
    graph_print(graph, &text);
    return text_string(&text);
}

static const char sample[] = "graph @t {\n"
                             "  %x : f32[N, 4] = input \"x\"\n"
                             "  %w : f32[3, 4] = param \"a.weight\" {bound = 0.5}\n"
                             "  %0 : f32[N, 3] = linear %x, %w {features = 3, bias = false}\n"
                             "  %1 : f32[N, 3] = relu %0\n"
                             "  return output \"y\" %1\n"
                             "}\n";

static void test_construct(void)
{
    struct scratch s;
    scratch_init(&s);
    struct graph *graph = parse(&s, sample);
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
    struct node *relu = graph->nodes.at[3], *linear = graph->nodes.at[2];
    CU_ASSERT_EQUAL(graph_count_uses(graph, linear->output[0]), 1);
    CU_ASSERT_EQUAL(graph_count_uses(graph, relu->output[0]), 1);

    struct node *second = graph_insert_after(graph, linear, graph_op(graph, "relu"), 1, linear->output);
    second->output[0]->type = linear->output[0]->type;
    CU_ASSERT_STRING_EQUAL(second->output[0]->name, "2"); /* numbers go on behind those of the text */
    graph_replace_uses(graph, relu->output[0], second->output[0]);
    graph_remove(graph, relu);
    CU_ASSERT_PTR_EQUAL(graph->results.at[0].value, second->output[0]);
    graph_name_value(graph, second->output[0], "x");
    CU_ASSERT_STRING_EQUAL(second->output[0]->name, "x_2");
    CU_ASSERT_TRUE(graph_verify(graph, &s.diags));

    struct node *first = graph_insert_before(graph, linear, graph_op(graph, "relu"), 1, linear->input);
    first->output[0]->type = linear->input[0]->type;
    linear->input[0] = first->output[0];
    CU_ASSERT_TRUE(graph_verify(graph, &s.diags));
    arena_deinit(&s.arena);
}

static void test_clone(void)
{
    struct scratch s;
    scratch_init(&s);
    struct graph *graph = parse(&s, sample);
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
    struct graph *copy = graph_clone(&s.arena, graph, "t");
    CU_ASSERT_STRING_EQUAL(print(&s, copy), sample);
    node_set_int(copy->nodes.at[2], "features", 7);
    copy->nodes.at[3]->input[0] = copy->nodes.at[0]->output[0];
    CU_ASSERT_STRING_EQUAL(print(&s, graph), sample);
    arena_deinit(&s.arena);
}

static void test_attrs(void)
{
    struct scratch s;
    scratch_init(&s);
    struct graph *graph = parse(&s, sample);
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
    const struct node *linear = graph->nodes.at[2];
    CU_ASSERT_EQUAL(node_int(linear, "features"), 3);
    CU_ASSERT_EQUAL(node_int(linear, "bias"), 0);
    CU_ASSERT_EQUAL(node_float(graph->nodes.at[1], "bound"), 0.5);
    struct node *xent = graph_add_named(graph, "cross_entropy", 0, NULL), *nll = graph_add_named(graph, "nll", 0, NULL);
    CU_ASSERT_EQUAL(node_int(xent, "ignore_index"), -100); /* the default, unset */
    node_set_word(xent, "reduction", "none");
    node_set_floats(graph, xent, "weight", 2, (double[]){1, 2});
    node_set_float(xent, "label_smoothing", 0.25);
    node_copy_attrs(nll, xent); /* what nll does not have is left out */
    CU_ASSERT_EQUAL(node_int(nll, "reduction"), 2);
    CU_ASSERT_EQUAL(node_attr(nll, "weight")->count, 2);
    CU_ASSERT_FALSE(node_attr(nll, "ignore_index")->set);
    arena_deinit(&s.arena);
}

static void test_elements(void)
{
    struct tensor_type type = {.dtype = DT_F32, .rank = 3, .dim = {DIM_N, 3, 5}};
    CU_ASSERT_EQUAL(type_elements(&type), 15);
    type.dim[1] = type.dim[2] = INT64_MAX / 2;
    CU_ASSERT_EQUAL(type_elements(&type), -1);
}

static void test_map(void)
{
    struct arena arena;
    struct pointer_map map;
    arena_init(&arena, NULL);
    map_init(&map, &arena);
    char keys[1000];
    CU_ASSERT_PTR_NULL(map_get(&map, keys));
    for (size_t i = 0; i < sizeof keys; i++)
        map_set(&map, keys + i, keys + sizeof keys - i);
    map_set(&map, keys + 7, keys);
    CU_ASSERT_EQUAL(map.count, sizeof keys);
    CU_ASSERT_PTR_EQUAL(map_get(&map, keys + 7), keys);
    CU_ASSERT_PTR_EQUAL(map_get(&map, keys + 999), keys + 1);
    arena_deinit(&arena);
}

/* Every case parses and prints as NAME.out says; errors of parser or verifier are the output where there are any. */
static void run_case(struct scratch *s, const char *path)
{
    struct graph *graph = graph_parse(&s->arena, &s->diags, op_set(), golden_source(&s->map, &s->arena, path));
    const char *out = graph && graph_verify(graph, &s->diags) ? print(s, graph) : scratch_messages(s);
    CU_ASSERT_TRUE(golden_same(&s->arena, golden_beside(&s->arena, path, ".out"), out));
    if (s->diags.errors == 0) {
        struct graph *again = parse(s, out);
        CU_ASSERT_PTR_NOT_NULL_FATAL(again);
        CU_ASSERT_STRING_EQUAL(print(s, again), out);
    }
}

static void test_cases(void)
{
    golden_each(XENT_SOURCE_DIR "/tests/ir/cases", ".xir", 21, run_case);
}

/* One byte of every case changed, cut or doubled: it ends, with a graph or a message, never with both or neither. */
static void test_damaged(void)
{
    struct scratch list;
    scratch_init(&list);
    size_t count;
    char **paths = golden_list(&list.arena, XENT_SOURCE_DIR "/tests/ir/cases", ".xir", &count);
    uint64_t random = 1;
    for (size_t i = 0; i < count; i++) {
        size_t length;
        char *text = golden_read(&list.arena, paths[i], &length);
        for (size_t at = 0; at < length; at += 1 + length / 200) {
            struct scratch s;
            scratch_init(&s);
            random = random * 6364136223846793005u + 1442695040888963407u;
            char *copy = arena_strndup(&s.arena, text, length);
            copy[at] = (char)(random >> 56);
            size_t cut = random >> 32 & 1 ? length : at;
            struct graph *graph = graph_parse(&s.arena, &s.diags, op_set(), source_add(&s.map, "d.xir", copy, cut));
            CU_ASSERT_EQUAL(graph == NULL, s.diags.errors > 0);
            if (graph)
                graph_verify(graph, &s.diags);
            scratch_messages(&s);
            arena_deinit(&s.arena);
        }
    }
    arena_deinit(&list.arena);
}

static void test_exhausted(void)
{
    volatile long n = 0;
    volatile bool finished = false;
    while (!finished) {
        struct scratch s;
        jmp_buf failure;
        scratch_init(&s);
        s.arena.on_failure = &failure;
        s.arena.fail_after = ++n;
        if (setjmp(failure) == 0) {
            struct graph *graph = parse(&s, sample);
            finished = graph && graph_verify(graph, &s.diags) && print(&s, graph);
            CU_ASSERT_TRUE(finished);
        }
        arena_deinit(&s.arena);
    }
    CU_ASSERT_TRUE(n > 50);
}

/* ---- what only a broken pass could make, so that no text shows it ---- */

static struct graph *broken(struct scratch *s)
{
    scratch_init(s);
    struct graph *graph = parse(s, sample);
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
    return graph;
}

static void refuse(struct scratch *s, const struct graph *graph, const char *message)
{
    CU_ASSERT_FALSE(graph_verify(graph, &s->diags));
    CU_ASSERT_PTR_NOT_NULL(strstr(scratch_messages(s), message));
    arena_deinit(&s->arena);
}

static void test_verify(void)
{
    struct scratch s;
    struct graph *graph = broken(&s);
    struct node *node = graph->nodes.at[3];
    graph->nodes.at[3] = graph->nodes.at[2];
    graph->nodes.at[2] = node;
    refuse(&s, graph, "input 0 (%0) is not defined above");

    graph = broken(&s);
    graph->nodes.at[3]->output[0]->name = "x";
    refuse(&s, graph, "two values of the name %x");

    graph = broken(&s);
    graph->nodes.at[3]->inputs = 0;
    refuse(&s, graph, "relu takes 1 input, not 0");

    graph = broken(&s);
    graph->nodes.at[2]->attr[0].set = false;
    refuse(&s, graph, "attribute features of linear is missing");

    graph = broken(&s);
    graph->nodes.at[2]->attr[1].i = 2;
    refuse(&s, graph, "attribute bias of linear is malformed");

    graph = broken(&s);
    graph->nodes.at[3]->output[0]->type.dim[1] = DIM_N;
    refuse(&s, graph, "dimension 1 of %1 cannot be -1");

    graph = broken(&s);
    graph->nodes.at[3]->output[0]->node = graph->nodes.at[2];
    refuse(&s, graph, "%1 does not know its node");

    graph = broken(&s);
    graph->nodes.count = 3;
    refuse(&s, graph, "the result \"y\" of the graph @t is not defined");

    graph = broken(&s);
    graph->nodes.at[0]->origin = "a\nb";
    refuse(&s, graph, "an origin is one line");
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("ir", NULL, NULL);
    CU_add_test(suite, "construct", test_construct);
    CU_add_test(suite, "clone", test_clone);
    CU_add_test(suite, "attributes", test_attrs);
    CU_add_test(suite, "elements", test_elements);
    CU_add_test(suite, "map", test_map);
    CU_add_test(suite, "cases", test_cases);
    CU_add_test(suite, "damaged", test_damaged);
    CU_add_test(suite, "exhausted", test_exhausted);
    CU_add_test(suite, "verify", test_verify);
    return suites_run();
}
