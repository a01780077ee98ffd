/* `xentc train`: compile, load the data, run epochs, save the weights. Everything that can be wrong is found before the
 * first step: the places to write to as well. */
#include "commands.h"
#include "progress.h"

#include <xent/checkpoint.h>
#include <xent/compiler.h>
#include <xent/session.h>

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct training {
    const struct options *options;
    char *save; /* NULL: not at all */
    bool backup;
    struct xent_compilation *compilation;
    struct xent_dataset *train, *test;
    struct xent_session *session;
    struct progress progress;
    struct xent_train_options how;
    bool test_failed;
    struct xent_error test_error;
};

static volatile sig_atomic_t stop_requested;

/* The first signal asks for a clean end, a second one ends the process at once. */
static void request_stop(int signal_number)
{
    if (!stop_requested) {
        stop_requested = 1;
        return;
    }
    xent_output_abandon();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = request_stop, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* whoever read along has gone: the training has not */
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is reported like a full disk */
}

/* "NAME.safetensors" in the current folder, for a model in ".../NAME.net". */
static char *default_save_path(const char *model)
{
    const char *slash = strrchr(model, '/'), *base = slash ? slash + 1 : model;
    size_t length = strlen(base);
    if (length > 4 && !strcmp(base + length - 4, ".net"))
        length -= 4;
    char *path;
    return asprintf(&path, "%.*s.safetensors", (int)length, base) < 0 ? NULL : path;
}

static int check_outputs(struct training *training)
{
    const struct options *options = training->options;
    struct xent_error error;
    training->backup = options->save == NULL;
    if (!options->save || strcmp(options->save, "none") != 0) {
        training->save = options->save ? strdup(options->save) : default_save_path(options->arguments.at[0]);
        if (!training->save)
            return report_no_memory();
    }
    int status = check_paths(options, training->save, NULL);
    if (status != EXIT_OK)
        return status;
    if (training->save) {
        if (xent_check_writable(training->save, &error) != XENT_OK)
            return report_error(&error);
    }
    if (!options->step_log)
        return EXIT_OK;
    struct xent_output **log = &training->progress.log;
    if (xent_output_open(options->step_log, false, log, &error) != XENT_OK ||
        xent_output_printf(*log, &error, "step,loss\n") != XENT_OK || xent_output_flush(*log, &error) != XENT_OK)
        return report_error(&error);
    return EXIT_OK;
}

static int load_data(struct training *training)
{
    const struct options *options = training->options;
    struct xent_error error;
    if (xent_compilation_load_data(training->compilation, XENT_SPLIT_TRAIN, options->data, 0, &training->train, &error))
        return report_error(&error);
    int status = check_paths(options, training->save, training->train->origin);
    if (status != EXIT_OK)
        return status;
    if (training->how.batch > training->train->examples)
        return report("train.batch is %" PRIu32 ", but the training set %s has %" PRIu64 " example%s",
                      training->how.batch, training->train->origin, training->train->examples,
                      training->train->examples == 1 ? "" : "s");
    if (training->how.steps || !xent_compilation_has_split(training->compilation, XENT_SPLIT_TEST))
        return EXIT_OK;
    if (xent_compilation_load_data(training->compilation, XENT_SPLIT_TEST, options->data, 0, &training->test, &error))
        return report_error(&error);
    return check_paths(options, training->save, training->test->origin);
}

/* What the run was asked to tell cannot be told any more: it ends as after Ctrl-C. */
static void stop_where_nobody_reads(const struct training *training)
{
    if (training->progress.log_failed || training->progress.output_failed)
        stop_requested = 1;
}

static void on_step(void *context, const struct xent_step_report *report_)
{
    struct training *training = context;
    progress_step(&training->progress, report_);
    stop_where_nobody_reads(training);
}

static void on_log(void *context, const struct xent_log_report *report_)
{
    struct training *training = context;
    progress_log(&training->progress, report_);
    stop_where_nobody_reads(training);
}

static void on_epoch(void *context, const struct xent_epoch_report *report_)
{
    struct training *training = context;
    struct xent_evaluation test;
    bool tested = false;
    if (training->test && !training->test_failed) {
        tested = xent_evaluate(training->session, training->test, 0, NULL, NULL, &test,
                               &training->test_error) == XENT_OK;
        training->test_failed = !tested;
    }
    progress_epoch(&training->progress, report_, tested ? &test : NULL);
    stop_where_nobody_reads(training);
}

static void tell_start(const struct training *training)
{
    const struct xent_model *model = xent_compilation_model(training->compilation);
    uint64_t parameters = 0, batch = training->how.batch, batches = (training->train->examples + batch - 1) / batch;
    for (uint32_t i = 0; i < model->states; i++)
        if (model->state[i].role == XENT_ROLE_PARAMETER)
            parameters += xent_tensor_elements(&model->state[i]);
    uint32_t threads = xent_session_threads(training->session);
    if (training->progress.mode == PROGRESS_JSON) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "event", "start");
        cJSON_AddStringToObject(object, "model", model->name);
        json_add_number(object, "parameters", (double)parameters, 17);
        cJSON_AddStringToObject(object, "data", training->train->origin);
        json_add_number(object, "examples", (double)training->train->examples, 17);
        json_add_number(object, "batch", (double)batch, 17);
        json_add_number(object, "batches", (double)batches, 17);
        json_add_number(object, "epochs", training->how.epochs, 17);
        json_add_number(object, "threads", threads, 17);
        json_line(stdout, object);
    } else if (training->progress.mode != PROGRESS_QUIET) {
        printf("%s: %" PRIu64 " parameters, %" PRIu64 " example%s of %s, %" PRIu64 " batch%s of %" PRIu64
               " an epoch, %" PRIu32 " thread%s\n",
               model->name, parameters, training->train->examples, training->train->examples == 1 ? "" : "s",
               training->train->origin, batches, batches == 1 ? "" : "es", batch, threads, threads == 1 ? "" : "s");
        fflush(stdout);
    }
}

static void tell_end(const struct training *training, const struct xent_train_result *result)
{
    static const char *const reasons[] = {
        [XENT_END_EPOCHS] = "epochs",
        [XENT_END_STEPS] = "steps",
        [XENT_END_STOPPED] = "stopped",
        [XENT_END_NOT_FINITE] = "not finite",
    };
    if (training->progress.mode == PROGRESS_JSON) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "event", "end");
        cJSON_AddStringToObject(object, "reason", reasons[result->end]);
        json_add_number(object, "steps", (double)result->steps, 17);
        json_add_number(object, "loss", (double)result->loss, 9);
        json_add_number(object, "seconds", result->seconds, 6);
        json_line(stdout, object);
    } else if (training->progress.mode != PROGRESS_QUIET && result->end != XENT_END_EPOCHS) {
        printf("%s %" PRIu64 " step%s, loss %.6g\n",
               result->end == XENT_END_STOPPED ? "interrupted after" : "ended after", result->steps,
               result->steps == 1 ? "" : "s", (double)result->loss);
    }
}

static int save(const struct training *training, const struct xent_train_result *result)
{
    struct xent_error error;
    if (!training->save)
        return EXIT_OK;
    if (result->steps == 0) {
        bool exists = access(training->save, F_OK) == 0;
        report_note("nothing was learned: %s is %s", training->save, exists ? "left as it was" : "not written");
        return EXIT_OK;
    }
    if (xent_parameters_save(training->session, training->save, training->backup, &error) != XENT_OK)
        return report_error(&error);
    if (training->progress.mode == PROGRESS_JSON) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "event", "saved");
        cJSON_AddStringToObject(object, "path", training->save);
        json_line(stdout, object);
    } else if (training->progress.mode != PROGRESS_QUIET) {
        printf("saved %s\n", training->save);
    }
    return EXIT_OK;
}

/* After the last step: what was written stays, whatever ended the run. */
static int finish(struct training *training, enum xent_status ended, const struct xent_error *why,
                  const struct xent_train_result *result)
{
    struct progress *progress = &training->progress;
    int status = EXIT_OK;
    progress_clear(progress);
    if (ended != XENT_OK)
        status = report_error(why);
    if (ended != XENT_OK && ended != XENT_ERROR_NUMERIC)
        return status;
    tell_end(training, result);
    if (training->test_failed)
        status = report_error(&training->test_error);
    if (save(training, result) != EXIT_OK)
        status = EXIT_WRONG;
    if (progress->log) {
        struct xent_output *log = progress->log;
        progress->log = NULL;
        struct xent_error error = progress->log_error;
        bool failed = progress->log_failed;
        if (failed)
            xent_output_abort(log);
        else
            failed = xent_output_commit(log, &error) != XENT_OK;
        if (failed)
            status = report_error(&error);
    }
    return status;
}

static int interrupted(void)
{
    return report("interrupted before the first step; nothing was saved");
}

static int train(struct training *training)
{
    const struct options *options = training->options;
    catch_signals(); /* from here on there may be temporary files */
    int status = check_outputs(training);
    if (status != EXIT_OK)
        return status;
    struct xent_compile_options compile = {.wanted = XENT_WANT_STEP | (options->steps ? 0u : XENT_WANT_EVAL)};
    status = compile_model(options, &compile, &training->compilation);
    if (status != EXIT_OK)
        return status;
    struct xent_train_options *how = &training->how;
    if (stop_requested)
        return interrupted();
    xent_compilation_train_options(training->compilation, how);
    how->shuffle = how->shuffle && !options->no_shuffle;
    how->steps = (uint64_t)options->steps;
    status = load_data(training);
    if (status == EXIT_OK)
        status = open_session(options, training->compilation, NULL, &training->session);
    if (status != EXIT_OK)
        return status;
    struct xent_error error;
    const struct xent_model *model = xent_compilation_model(training->compilation);
    if (training->save && xent_check_room(training->save, xent_parameters_bytes(model), &error) != XENT_OK)
        return report_error(&error);
    if (!options->init)
        xent_session_init(training->session, how->seed);
    else if (xent_parameters_load(training->session, options->init, &error) != XENT_OK)
        return report_error(&error);

    uint64_t batches = (training->train->examples + how->batch - 1) / how->batch;
    uint64_t steps = batches * how->epochs;
    training->progress.mode = progress_mode(options->quiet, options->json);
    training->progress.epochs = how->epochs;
    training->progress.steps = how->steps && how->steps < steps ? how->steps : steps;
    how->on_step = on_step;
    how->on_log = on_log;
    how->on_epoch = on_epoch;
    how->context = training;
    how->stop = &stop_requested;
    if (stop_requested)
        return interrupted();
    tell_start(training);
    struct xent_train_result result;
    enum xent_status ended = xent_train(training->session, training->train, how, &result, &error);
    return finish(training, ended, &error, &result);
}

int cmd_train(const struct options *options)
{
    int status = one_argument(options, "MODEL.net");
    if (status != EXIT_OK)
        return status;
    struct training *training = calloc(1, sizeof *training);
    if (!training)
        return report_no_memory();
    training->options = options;
    status = train(training);
    xent_output_abort(training->progress.log);
    xent_session_destroy(training->session);
    xent_dataset_destroy(training->train);
    xent_dataset_destroy(training->test);
    xent_compilation_destroy(training->compilation);
    free(training->save);
    free(training);
    return status;
}
