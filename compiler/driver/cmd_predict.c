/* `xentc predict`: classes and probabilities of new inputs, or the outputs of a model without a loss. */
#include "commands.h"
#include "compile.h"

#include <xent/checkpoint.h>
#include <xent/session.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 3 }; /* classes of an example in plain output */

struct prediction {
    const struct options *options;
    struct xent_compilation *compilation;
    struct xent_session *session;
    const struct xent_entry *entry;
    const struct xent_tensor *logits; /* NULL: the model has no loss */
    const char *input;                /* the file that is being predicted */
    float *row;
    double *wide;
    bool failed;
};

static uint32_t best(const double *values, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < count; i++)
        if (values[i] > values[at])
            at = i;
    return at;
}

static cJSON *example_object(const struct prediction *p, uint64_t index)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "input", p->input);
    json_add_number(object, "example", (double)index, 17);
    return object;
}

static bool print_classes(const struct prediction *p, uint64_t index, uint32_t classes)
{
    uint32_t first = best(p->wide, classes);
    if (p->options->json) {
        cJSON *object = example_object(p, index);
        json_add_number(object, "class", first, 17);
        json_add_numbers(object, "probabilities", p->wide, classes, 9);
        return json_line(stdout, object);
    }
    if (isnan(p->wide[first]))
        return printf("%s:%" PRIu64 ": nan: the logits have no softmax\n", p->input, index + 1) >= 0;
    printf("%s:%" PRIu64 ": class %" PRIu32, p->input, index + 1, first);
    for (uint32_t i = 0; i < SHOWN && i < classes; i++) {
        uint32_t at = best(p->wide, classes);
        printf("%s%" PRIu32 " %.6f", i ? ", " : "  (", at, p->wide[at]);
        p->wide[at] = -1;
    }
    return puts(classes > SHOWN ? ", …)" : ")") >= 0;
}

static bool print_outputs(const struct prediction *p, const struct xent_session *session, uint64_t index, uint32_t lane)
{
    cJSON *object = p->options->json ? example_object(p, index) : NULL;
    cJSON *outputs = object ? cJSON_AddObjectToObject(object, "outputs") : NULL;
    if (!object)
        printf("%s:%" PRIu64 ":", p->input, index + 1);
    for (uint32_t i = 0; i < p->entry->tensors; i++) {
        const struct xent_tensor *tensor = &p->entry->tensor[i];
        if (tensor->role != XENT_ROLE_OUTPUT)
            continue;
        size_t count = xent_lane_elements(tensor);
        xent_session_read(session, tensor, lane, p->row);
        for (size_t k = 0; k < count; k++)
            p->wide[k] = (double)p->row[k];
        if (object) {
            json_add_numbers(outputs, tensor->name, p->wide, count, 9);
            continue;
        }
        printf(" %s", tensor->name);
        for (size_t k = 0; k < count; k++)
            printf(" %.9g", isnan(p->wide[k]) ? (double)NAN : p->wide[k]); /* without a sign */
    }
    return object ? json_line(stdout, object) : putchar('\n') >= 0;
}

static int print_example(void *context, const struct xent_session *session, const struct xent_example *example)
{
    struct prediction *p = context;
    if (!p->logits) {
        p->failed = !print_outputs(p, session, example->index, example->lane);
    } else {
        uint32_t classes = (uint32_t)xent_lane_elements(p->logits);
        xent_session_read(session, p->logits, example->lane, p->row);
        xent_softmax(p->row, classes, p->wide);
        p->failed = !print_classes(p, example->index, classes);
    }
    return p->failed;
}

static bool prepare(struct prediction *p)
{
    size_t longest = 1;
    p->entry = xent_model_entry(xent_compilation_model(p->compilation), "forward");
    for (uint32_t i = 0; i < p->entry->tensors; i++) {
        const struct xent_tensor *tensor = &p->entry->tensor[i];
        const char *logits = p->compilation->ir->logits;
        if (logits && !strcmp(tensor->name, logits))
            p->logits = tensor;
        if (xent_lane_elements(tensor) > longest)
            longest = xent_lane_elements(tensor);
    }
    p->row = calloc(longest, sizeof *p->row);
    p->wide = calloc(longest, sizeof *p->wide);
    return p->row && p->wide;
}

static int predict_file(struct prediction *p, const struct xent_data_spec *spec, const char *path)
{
    struct xent_dataset *dataset = NULL;
    struct xent_error error;
    unsigned flags = p->compilation->ir->data.header ? XENT_CSV_HEADER : 0;
    if (xent_dataset_load_inputs(spec, path, flags, &dataset, &error) != XENT_OK)
        return report_error(&error);
    p->input = path;
    enum xent_status status = xent_session_each(p->session, p->entry, dataset, 0, print_example, p, &error);
    xent_dataset_destroy(dataset);
    if (status != XENT_OK)
        return report_error(&error);
    return p->failed ? report("cannot write to standard output") : EXIT_OK;
}

static int predict(struct prediction *p)
{
    const struct options *options = p->options;
    struct xent_compile_options compile = {.wanted = XENT_WANT_FORWARD, .ignore_train = true};
    int status = compile_model(options, &compile, &p->compilation);
    if (status != EXIT_OK)
        return status;
    const struct xent_model *model = xent_compilation_model(p->compilation);
    for (uint32_t i = 0; i < model->states && !options->weights; i++)
        if (model->state[i].role == XENT_ROLE_PARAMETER)
            return help_usage(options, "%s has parameters: say --weights FILE", model->name);
    struct xent_data_spec spec;
    struct xent_error error;
    if (xent_data_spec_of(model, &spec, &error) != XENT_OK)
        return report_error(&error);
    status = open_session(options, p->compilation, options->weights, &p->session);
    if (status == EXIT_OK && !prepare(p))
        status = report_no_memory();
    for (size_t i = 1; i < options->arguments.count && status == EXIT_OK; i++)
        status = predict_file(p, &spec, options->arguments.at[i]);
    return status;
}

int cmd_predict(const struct options *options)
{
    if (options->arguments.count == 0)
        return help_usage(options, "MODEL.net is missing");
    if (options->arguments.count == 1)
        return help_usage(options, "there is no INPUT to predict");
    struct prediction *p = calloc(1, sizeof *p);
    if (!p)
        return report_no_memory();
    p->options = options;
    int status = predict(p);
    xent_session_destroy(p->session);
    xent_compilation_destroy(p->compilation);
    free(p->row);
    free(p->wide);
    free(p);
    return status;
}
