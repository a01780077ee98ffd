/* `xentc eval`: loss and metric of a split, by compiled kernels or, with --reference, by the ops' definitions. */
#include "commands.h"
#include "compile.h"
#include "dump.h"
#include "reference.h"

#include <xent/checkpoint.h>
#include <xent/session.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct evaluation {
    const struct options *options;
    struct xent_compilation *compilation;
    struct xent_dataset *dataset;
    struct xent_session *session;
    struct dump dump;
    struct xent_evaluation result;
    /* of the entry that is dumped */
    struct dump_tensor *tensors;
    const struct xent_tensor **sources;
    size_t tensor_count;
    float *row;
    const struct xent_tensor *loss;
};

static int print_result(const struct evaluation *e)
{
    const struct options *options = e->options;
    const struct xent_evaluation *result = &e->result;
    const char *split = options->split ? options->split : "test";
    int digits = options->reference ? 17 : 9;
    if (options->json) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "split", split);
        json_add_number(object, "examples", (double)result->examples, 17);
        json_add_number(object, "loss", result->loss, digits);
        if (result->has_accuracy)
            json_add_number(object, "accuracy", result->accuracy, digits);
        return json_line(stdout, object) ? EXIT_OK : EXIT_WRONG;
    }
    printf("%s: %" PRIu64 " example%s, loss %.*g", split, result->examples, result->examples == 1 ? "" : "s", digits,
           isnan(result->loss) ? (double)NAN : result->loss); /* without a sign */
    if (result->has_accuracy)
        printf(", accuracy %.*g (%" PRIu64 " of %" PRIu64 ")", digits, result->accuracy, result->correct,
               result->counted);
    putchar('\n');
    return EXIT_OK;
}

/* ---- the dump ---- */

static bool prepare_dump(struct evaluation *e, const struct xent_entry *entry)
{
    size_t longest = 1;
    e->tensors = calloc(entry->tensors + 1, sizeof *e->tensors);
    e->sources = calloc(entry->tensors + 1, sizeof *e->sources);
    if (!e->tensors || !e->sources)
        return false;
    for (uint32_t i = 0; i < entry->tensors; i++) {
        const struct xent_tensor *tensor = &entry->tensor[i];
        if (tensor->role != XENT_ROLE_OUTPUT && tensor->role != XENT_ROLE_INPUT_GRADIENT)
            continue;
        struct dump_tensor *out = &e->tensors[e->tensor_count];
        bool gradient = tensor->role == XENT_ROLE_INPUT_GRADIENT;
        *out = (struct dump_tensor){tensor->name, gradient, xent_lane_elements(tensor), NULL};
        out->values = calloc(out->count, sizeof *out->values);
        if (!out->values)
            return false;
        e->sources[e->tensor_count++] = tensor;
        longest = out->count > longest ? out->count : longest;
    }
    e->loss = xent_entry_tensor(entry, XENT_ROLE_EXAMPLE_LOSS);
    e->row = calloc(longest, sizeof *e->row);
    return e->row != NULL;
}

/* `mean` divides the split's loss, and so its gradient. */
static double gradient_scale(const struct evaluation *e)
{
    if (xent_compilation_model(e->compilation)->reduction != XENT_REDUCE_MEAN)
        return 1;
    return e->result.weight != 0 ? e->result.weight : INFINITY; /* no target counts: the gradient is 0 */
}

static int dump_lane(void *context, const struct xent_session *session, const struct xent_example *example)
{
    struct evaluation *e = context;
    double scale = gradient_scale(e);
    float loss;
    for (size_t i = 0; i < e->tensor_count; i++) {
        struct dump_tensor *tensor = &e->tensors[i];
        xent_session_read(session, e->sources[i], example->lane, e->row);
        for (size_t k = 0; k < tensor->count; k++)
            tensor->values[k] = tensor->gradient ? (double)(float)((double)e->row[k] / scale) : (double)e->row[k];
    }
    xent_session_read(session, e->loss, example->lane, &loss);
    return !dump_example(&e->dump, example->index, (double)loss, e->tensors, e->tensor_count);
}

static int dump_all(struct evaluation *e)
{
    const struct xent_model *model = xent_compilation_model(e->compilation);
    const struct xent_entry *entry = xent_model_entry(model, "gradient");
    entry = entry ? entry : xent_model_entry(model, "eval");
    if (!prepare_dump(e, entry))
        return report_no_memory();
    struct xent_error error;
    if (xent_session_each(e->session, entry, e->dataset, 0, dump_lane, e, &error) != XENT_OK)
        return report_error(&error);
    return e->dump.error.status ? report_error(&e->dump.error) : EXIT_OK;
}

/* ---- the command ---- */

static bool has_parameters(const struct xent_compilation *compilation)
{
    for (uint32_t i = 0; i < compilation->model.states; i++)
        if (compilation->model.state[i].role == XENT_ROLE_PARAMETER)
            return true;
    return false;
}

static int evaluate_compiled(struct evaluation *e)
{
    int status = open_session(e->options, e->compilation, e->options->weights, &e->session);
    if (status != EXIT_OK)
        return status;
    struct xent_error error;
    if (xent_evaluate(e->session, e->dataset, 0, NULL, NULL, &e->result, &error) != XENT_OK)
        return report_error(&error);
    return e->dump.output ? dump_all(e) : EXIT_OK;
}

static int evaluate(struct evaluation *e)
{
    const struct options *options = e->options;
    struct xent_error error;
    if (options->dump && xent_output_open(options->dump, false, &e->dump.output, &error) != XENT_OK)
        return report_error(&error);
    e->dump.digits = options->reference ? 17 : 9;
    struct xent_compile_options compile = {
        .wanted = XENT_WANT_EVAL | (options->dump ? XENT_WANT_GRADIENT : 0u),
        .ignore_train = true,
        .lower_only = options->reference,
    };
    int status = compile_model(options, &compile, &e->compilation);
    if (status != EXIT_OK)
        return status;
    if (!options->weights && has_parameters(e->compilation))
        return help_usage(options, "%s has parameters: say --weights FILE", e->compilation->model.name);
    enum xent_split split = options->split && !strcmp(options->split, "train") ? XENT_SPLIT_TRAIN : XENT_SPLIT_TEST;
    unsigned csv_flags = options->reference ? XENT_CSV_EXACT : 0;
    if (xent_compilation_load_data(e->compilation, split, options->data, csv_flags, &e->dataset, &error) != XENT_OK)
        return report_error(&error);
    status = check_paths(options, NULL, e->dataset->origin);
    if (status != EXIT_OK)
        return status;
    status = options->reference ? reference_evaluate(e->compilation, e->dataset, options->weights, &e->dump, &e->result)
                                : evaluate_compiled(e);
    if (status == EXIT_OK && e->dump.output) {
        struct xent_output *output = e->dump.output;
        e->dump.output = NULL;
        if (xent_output_commit(output, &error) != XENT_OK)
            return report_error(&error);
    }
    return status == EXIT_OK ? print_result(e) : status;
}

int cmd_eval(const struct options *options)
{
    int status = one_argument(options, "MODEL.net");
    if (status == EXIT_OK)
        status = check_paths(options, NULL, NULL);
    if (status != EXIT_OK)
        return status;
    struct evaluation *e = calloc(1, sizeof *e);
    if (!e)
        return report_no_memory();
    e->options = options;
    status = evaluate(e);
    xent_output_abort(e->dump.output);
    xent_session_destroy(e->session);
    xent_dataset_destroy(e->dataset);
    xent_compilation_destroy(e->compilation);
    for (size_t i = 0; i < e->tensor_count; i++)
        free(e->tensors[i].values);
    free(e->tensors);
    free(e->sources);
    free(e->row);
    free(e);
    return status;
}
