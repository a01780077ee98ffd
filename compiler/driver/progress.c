/* What `xentc train` tells while it runs. Nothing here allocates but the JSON lines, which stand between steps. */
#include "progress.h"

#include "commands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum progress_mode progress_mode(bool quiet, bool json)
{
    if (json)
        return PROGRESS_JSON;
    if (quiet)
        return PROGRESS_QUIET;
    const char *terminal = getenv("TERM");
    bool dumb = !terminal || !*terminal || !strcmp(terminal, "dumb");
    return isatty(STDOUT_FILENO) && !dumb ? PROGRESS_LIVE : PROGRESS_PLAIN;
}

void progress_clear(struct progress *progress)
{
    if (progress->line)
        fputs("\r\033[K", stdout);
    progress->line = false;
}

static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void draw(struct progress *progress, const struct xent_step_report *report)
{
    enum { BAR = 20 };
    double rate = report->seconds > 0 ? (double)progress->examples_seen / report->seconds : 0;
    double left = (double)(progress->steps - report->step) * report->seconds / (double)report->step;
    char bar[BAR + 1], line[240];
    int filled = (int)(BAR * report->batch / report->batches);
    for (int i = 0; i < BAR; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR] = '\0';
    snprintf(line, sizeof line, "epoch %u/%u [%s] step %llu/%llu  loss %.4f  %.0f images/s  %lld:%02lld left",
             report->epoch, progress->epochs, bar, (unsigned long long)report->batch,
             (unsigned long long)report->batches, (double)report->loss, rate, (long long)left / 60,
             (long long)left % 60);
    size_t width = terminal_width();
    if (strlen(line) >= width)
        line[width - 1] = '\0';
    printf("\r%s\033[K", line);
    fflush(stdout);
    progress->line = true;
}

void progress_step(struct progress *progress, const struct xent_step_report *report)
{
    progress->examples_seen += report->examples;
    if (progress->log && !progress->log_failed)
        progress->log_failed = xent_output_printf(progress->log, &progress->log_error, "%llu,%.9g\n",
                                                  (unsigned long long)report->step, (double)report->loss) != XENT_OK;
    if (progress->mode == PROGRESS_LIVE && (report->step == 1 || report->seconds - progress->drawn >= 0.1)) {
        progress->drawn = report->seconds;
        draw(progress, report);
    }
}

static void flush_log(struct progress *progress)
{
    if (progress->log && !progress->log_failed)
        progress->log_failed = xent_output_flush(progress->log, &progress->log_error) != XENT_OK;
}

void progress_log(struct progress *progress, const struct xent_log_report *report)
{
    flush_log(progress);
    if (progress->mode == PROGRESS_QUIET)
        return;
    if (progress->mode == PROGRESS_JSON) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "event", "log");
        json_add_number(object, "epoch", report->epoch, 9);
        json_add_number(object, "batch", (double)report->batch, 15);
        json_add_number(object, "loss", report->loss, 9);
        progress->output_failed = !json_line(stdout, object) || progress->output_failed;
        return;
    }
    progress_clear(progress);
    printf("[epoch: %u,batch_id:%llu] loss:  %.4f\n", report->epoch, (unsigned long long)report->batch, report->loss);
    fflush(stdout);
}

static bool epoch_json(const struct xent_epoch_report *report, const struct xent_evaluation *test)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "event", "epoch");
    json_add_number(object, "epoch", report->epoch, 9);
    json_add_number(object, "loss", report->loss, 9);
    if (test) {
        json_add_number(object, "test_loss", test->loss, 9);
        if (test->has_accuracy)
            json_add_number(object, "test_accuracy", test->accuracy, 9);
    }
    json_add_number(object, "seconds", report->seconds, 6);
    json_add_number(object, "images_per_second", report->examples_per_second, 6);
    return json_line(stdout, object);
}

void progress_epoch(struct progress *progress, const struct xent_epoch_report *report,
                    const struct xent_evaluation *test)
{
    flush_log(progress);
    if (progress->mode == PROGRESS_QUIET)
        return;
    if (progress->mode == PROGRESS_JSON) {
        progress->output_failed = !epoch_json(report, test) || progress->output_failed;
        return;
    }
    progress_clear(progress);
    printf("epoch %u/%u: loss %.4f, %.2f s, %.0f images/s\n", report->epoch, progress->epochs, report->loss,
           report->seconds, report->examples_per_second);
    if (test && test->has_accuracy)
        printf("Accuracy on test set:%.2f%%\n", 100 * test->accuracy);
    else if (test)
        printf("Loss on test set: %.6g\n", test->loss);
    fflush(stdout);
}
