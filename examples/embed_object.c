/* The same with a model that was compiled ahead of time: xentc mlp.net --emit=obj -o mlp.o; then link this file with
 * mlp.o and libxent_runtime alone. No compiler, no LLVM: ./embed_object [STEPS [DATA FOLDER]]
 * An object knows neither data nor train section: what they say stands in this file. */
#include <xent/runtime.h>

#include <stdio.h>
#include <stdlib.h>

extern const struct xent_model xent_model_mlp; /* in mlp.o */

static int fail(const char *message)
{
    fprintf(stderr, "%s\n", message);
    return 1;
}

int main(int argc, char **argv)
{
    const struct xent_model *model = &xent_model_mlp;
    struct xent_data_spec spec;
    struct xent_dataset *data;
    struct xent_session *session;
    struct xent_error error;
    const char *folder = argc > 2 ? argv[2] : NULL;
    if (xent_data_spec_of(model, &spec, &error) != XENT_OK ||
        xent_dataset_load_source(&spec, XENT_SOURCE_MNIST, XENT_SPLIT_TRAIN, folder, &data, &error) != XENT_OK ||
        xent_session_create(model, NULL, &session, &error) != XENT_OK)
        return fail(error.message);

    /* What train { … } says in mlp.net; the numbers of the optimizer are the caller's. */
    const struct xent_scalar_value scalars[] = {{"lr", 0.01f}, {"momentum", 0.5f}};
    const struct xent_train_options how = {
        .epochs = 1, .batch = 64, .shuffle = true, .seed = 1, .scalars = scalars, .scalar_count = 2,
        .steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 100,
    };
    struct xent_train_result result;
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
    return 0;
}
