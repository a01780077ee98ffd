/* `xentc run FILE.xkr`: a textual kernel program on given or random data, by machine code or by the interpreter. */
#include "commands.h"
#include "program_data.h"

#include "codegen.h"
#include "kernel.h"
#include "loops.h"
#include "schedule.h"

#include <xent/pool.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct run {
    const struct options *options;
    struct arena arena;
    jmp_buf on_failure;
    struct source_map map;
    struct diag_list diags;
    uint32_t file;
    struct kprogram *program;
    struct codegen_target *target;
    struct codegen_module *module;
    struct codegen_code *code;
    struct kinterpreter *interpreter;
    struct xent_pool *pool;
    struct program_data data;
};

static int load_program(struct run *run)
{
    const char *error = NULL;
    uint32_t file = source_load(&run->map, run->options->arguments.at[0], &error);
    if (!file)
        return report("%s", error);
    run->file = file;
    run->program = kernel_parse(&run->arena, &run->diags, file);
    if (!run->program || !kernel_verify(run->program, &run->diags))
        return report_diagnostics(&run->diags);
    return EXIT_OK;
}

static int make_schedule(struct run *run)
{
    const char *wanted = run->options->schedule;
    const struct ktarget *facts = codegen_target_facts(run->target);
    if (!wanted) {
        kernel_schedule(run->program, facts);
        return EXIT_OK;
    }
    int64_t seed;
    if (strncmp(wanted, "random:", 7) != 0 || !text_to_int(wanted + 7, &seed) || seed < 0)
        return help_usage(run->options, "--schedule must be random:SEED with a whole number, not \"%s\"", wanted);
    kernel_schedule_random(run->program, facts, (uint64_t)seed);
    return EXIT_OK;
}

static int emit(struct run *run)
{
    const char *stage = run->options->emit;
    const struct kprogram *program = run->program;
    char *bytes = NULL, *message = NULL;
    size_t size = 0;
    struct text text;
    text_init(&text, &run->arena);
    if (!strcmp(stage, "kernels")) {
        kernel_print_program(program, &text);
    } else if (!strcmp(stage, "schedules")) {
        kernel_print_schedules(program, &text);
    } else if (!strcmp(stage, "loops")) {
        for (size_t i = 0; i < program->kernels.count; i++)
            loops_print(kernel_to_loops(&run->arena, program, program->kernels.at[i],
                                        codegen_target_facts(run->target)),
                        &text);
    } else if (!strcmp(stage, "ast") || !strcmp(stage, "graph")) {
        return help_usage(run->options, "a kernel program has no %s", stage);
    } else {
        run->module = codegen_build(run->target, &program, 1, &message);
        if (run->module && !strcmp(stage, "llvm"))
            bytes = codegen_ir_text(run->module);
        else if (run->module && !strcmp(stage, "asm"))
            bytes = codegen_asm_text(run->module, &message);
        else if (run->module)
            bytes = (char *)codegen_object(run->module, &size, &message);
        if (!bytes) {
            int status = message ? report("%s", message) : report_no_memory();
            free(message);
            return status;
        }
        if (strcmp(stage, "obj") != 0)
            size = strlen(bytes);
    }
    int status = write_stage(run->options->output, bytes ? bytes : text_string(&text), bytes ? size : text.count);
    free(bytes);
    return status;
}

struct parallel_call {
    codegen_entry function;
    const struct xent_entry *entry;
    const struct xent_call *call;
};

static void run_thread(void *context, uint32_t thread, uint32_t threads)
{
    const struct parallel_call *call = context;
    call->function(call->entry, call->call, thread, threads);
}

static int execute(struct run *run)
{
    struct program_data *data = &run->data;
    if (run->options->interpret) {
        run->interpreter = kernel_interpreter_create(run->program);
        if (!run->interpreter)
            return report_no_memory();
        kernel_interpret(run->interpreter, data->arena, data->call.data, data->call.scalar);
        return EXIT_OK;
    }
    if (!codegen_target_runs_here(run->target))
        return report_cannot_run(run->target);
    char *message = NULL;
    size_t size = 0;
    const struct kprogram *program = run->program;
    run->module = codegen_build(run->target, &program, 1, &message);
    unsigned char *object = run->module ? codegen_object(run->module, &size, &message) : NULL;
    run->code = object ? codegen_load(run->target, object, size, &message) : NULL;
    free(object);
    if (!run->code) {
        int status = message ? report("%s", message) : report_no_memory();
        free(message);
        return status;
    }
    struct xent_error error;
    if (xent_pool_create((uint32_t)run->options->threads, &run->pool, &error) != XENT_OK)
        return report_error(&error);
    data->call.barrier = xent_pool_barrier;
    data->call.barrier_context = run->pool;
    struct xent_entry entry = {.name = program->name};
    struct parallel_call call = {codegen_find(run->code, program->name), &entry, &data->call};
    xent_pool_run(run->pool, run_thread, &call);
    return EXIT_OK;
}

/* The line that says how much memory there is; the file where none does. */
static struct span memory_span(const struct run *run)
{
    const struct source_file *file = source_file(&run->map, run->file);
    for (const char *line = file->text; *line;) {
        size_t length = strcspn(line, "\n"), blanks = strspn(line, " \t");
        if (!strncmp(line + blanks, "memory", 6) && strchr(" \t", line[blanks + 6]))
            return (struct span){run->file, (uint32_t)(line + blanks - file->text),
                                 (uint32_t)(line + length - file->text)};
        line += length + (line[length] == '\n');
    }
    return span_of_file(run->file);
}

/* Found here, because a system that overcommits would find out in the middle. */
static int check_memory(struct run *run)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0 || run->program->arena_bytes <= pages * page)
        return EXIT_OK;
    diag_error(&run->diags, memory_span(run), "%" PRId64 " bytes of memory are more than this machine has: %" PRId64,
               run->program->arena_bytes, pages * page);
    return report_diagnostics(&run->diags);
}

static int run_program(struct run *run)
{
    int status = load_program(run);
    if (status != EXIT_OK)
        return status;
    char *message = NULL;
    run->target = codegen_target_create(run->options->cpu, run->options->features, &message);
    if (!run->target) {
        status = message ? help_usage(run->options, "%s", message) : report_no_memory();
        free(message);
        return status;
    }
    status = make_schedule(run);
    if (status != EXIT_OK)
        return status;
    if (run->options->emit)
        return emit(run);
    status = check_memory(run);
    if (status == EXIT_OK)
        status = program_data_fill(&run->data, &run->arena, run->program, run->options);
    if (status == EXIT_OK)
        status = execute(run);
    if (status == EXIT_OK)
        program_data_print(&run->data, run->program, stdout);
    return status;
}

int cmd_run(const struct options *options)
{
    int status = one_argument(options, "FILE.xkr");
    if (status == EXIT_OK)
        status = check_paths(options, NULL, NULL);
    if (status != EXIT_OK)
        return status;
    struct run *run = calloc(1, sizeof *run);
    if (!run)
        return report_no_memory();
    run->options = options;
    arena_init(&run->arena, &run->on_failure);
    if (setjmp(run->on_failure)) {
        status = report_no_memory();
    } else {
        source_map_init(&run->map, &run->arena);
        diag_init(&run->diags, &run->arena, &run->map);
        status = run_program(run);
    }
    program_data_deinit(&run->data);
    xent_pool_destroy(run->pool);
    kernel_interpreter_destroy(run->interpreter);
    codegen_unload(run->code);
    codegen_destroy(run->module);
    codegen_target_destroy(run->target);
    arena_deinit(&run->arena);
    free(run);
    return status;
}
