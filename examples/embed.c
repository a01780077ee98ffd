/* Compiles a .net file, trains some steps on its data and predicts its first examples, through the public API. The
 * model needs one output, a loss, an optimizer and a data section:
 *   cc embed.c -lxent -lxent_runtime …; ./embed mlp.net [STEPS [DATA FOLDER]] */
#include <xent/compiler.h>
#include <xent/runtime.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *message)
{
    fprintf(stderr, "%s\n", message);
    return 1;
}

int main(int argc, char **argv)
{
    struct xent_compilation *compilation;
    struct xent_dataset *data;
    struct xent_session *session;
    struct xent_error error;
    if (argc < 2)
        return fail("usage: embed MODEL.net [STEPS [DATA FOLDER]]");
    if (xent_compile_file(argv[1], NULL, &compilation) != XENT_OK)
        return fail(compilation ? xent_compilation_messages(compilation) : "out of memory");
    const struct xent_model *model = xent_compilation_model(compilation);
    const char *folder = argc > 3 ? argv[3] : NULL;
    if (xent_compilation_load_data(compilation, XENT_SPLIT_TRAIN, folder, 0, &data, &error) != XENT_OK ||
        xent_session_create(model, NULL, &session, &error) != XENT_OK)
        return fail(error.message);

    struct xent_train_options how;
    struct xent_train_result result;
    xent_compilation_train_options(compilation, &how);
    how.steps = argc > 2 ? strtoull(argv[2], NULL, 10) : 100;
    xent_session_init(session, how.seed);
    if (xent_train(session, data, &how, &result, &error) != XENT_OK)
        return fail(error.message);
    printf("%llu steps, loss %.6f\n", (unsigned long long)result.steps, (double)result.loss);

    const struct xent_entry *forward = xent_model_entry(model, "forward");
    const struct xent_tensor *output = xent_entry_tensor(forward, XENT_ROLE_OUTPUT);
    float *logits = calloc(xent_lane_elements(output), sizeof *logits);
    if (!logits)
        return fail("out of memory");
    for (int32_t example = 0; example < 3 && (uint64_t)example < data->examples; example++) {
        if (xent_session_run(session, forward, data, &example, 1, &error) != XENT_OK)
            return fail(error.message);
        xent_session_read(session, output, 0, logits);
        printf("example %d: first output %.6f", (int)example, (double)logits[0]);
        data->classes ? printf(", class %d\n", (int)data->classes[example]) : putchar('\n');
    }
    free(logits);
    xent_session_destroy(session);
    xent_dataset_destroy(data);
    xent_compilation_destroy(compilation);
    return 0;
}
