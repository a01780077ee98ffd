/* `data` and `train` into their structs: kinds and ranges by the table of settings.h, then what single values cannot
 * show (nesterov's conditions). A value that an override made is told by its file. */
#include "builder.h"
#include "settings.h"

#include <math.h>
#include <string.h>

static bool wrong(struct builder *b, const struct setting_info *info, const struct ast_expr *expr, const char *wanted)
{
    diag_error(b->diags, expr->span, "%s must be %s, not %s", info->name, wanted, describe_expr(b->arena, expr));
    return false;
}

static const char *number_text(struct arena *arena, double value)
{
    return fabs(value) < 1e16 && value == floor(value) ? arena_printf(arena, "%.0f", value)
                                                       : arena_printf(arena, "%g", value);
}

static bool take_number(struct builder *b, const struct setting_info *info, const struct ast_expr *expr, void *out)
{
    const char *kind = info->kind == SET_INT ? "a whole number" : "a number";
    if (expr->kind != AST_NUMBER || (info->kind == SET_INT && !expr->number.is_int))
        return wrong(b, info, expr, kind);
    double value = expr->number.value;
    if (!(value >= info->low && value <= info->high)) {
        const char *range = value < info->low ? arena_printf(b->arena, "at least %s", number_text(b->arena, info->low))
                                              : arena_printf(b->arena, "at most %s", number_text(b->arena, info->high));
        return wrong(b, info, expr, range);
    }
    if (info->kind == SET_INT)
        *(int64_t *)out = expr->number.integer;
    else
        *(double *)out = value;
    return true;
}

static bool take_path(struct builder *b, const struct setting_info *info, const struct ast_expr *expr,
                      struct config_path *out)
{
    bool from_override = expr->span.file != b->ast->file;
    bool text = expr->kind == AST_STRING || (expr->kind == AST_NAME && from_override);
    if (!text) {
        wrong(b, info, expr, "a path in quotes");
        if (expr->kind == AST_NAME)
            diag_help(b->diags, "write %s = \"%s\"", info->name, expr->name);
        return false;
    }
    *out = (struct config_path){expr->kind == AST_STRING ? expr->string : expr->name, expr->span, from_override};
    if (!*out->text) {
        diag_error(b->diags, expr->span, "%s is an empty path", info->name);
        return false;
    }
    return true;
}

static bool take_setting(struct builder *b, const struct setting_info *info, const struct ast_expr *expr, void *base)
{
    void *out = (char *)base + info->offset;
    switch (info->kind) {
    case SET_INT:
    case SET_NUMBER:
        return take_number(b, info, expr, out);
    case SET_BOOL:
        *(bool *)out = expr->kind == AST_BOOL && expr->boolean;
        return expr->kind == AST_BOOL || wrong(b, info, expr, "true or false");
    case SET_PATH:
        return take_path(b, info, expr, out);
    case SET_CALL:
        break;
    }
    return false;
}

static void unknown(struct builder *b, struct span span, const char *what, const char *name, const char **known,
                    size_t count)
{
    diag_error(b->diags, span, "%s %s", what, name);
    size_t before = b->diags->items.count;
    diag_did_you_mean(b->diags, name, known, count);
    if (b->diags->items.count == before)
        diag_help(b->diags, count ? "there are: %s" : "it takes none", join_names(b->arena, known, count));
}

static bool take_args(struct builder *b, const struct call_info *info, const struct ast_expr *expr, void *base)
{
    const struct ast_call *call = expr->kind == AST_CALL ? expr->call : NULL;
    bool ok = true, *given = ARENA_ARRAY(b->arena, bool, info->arg_count);
    for (size_t i = 0; call && i < call->arg_count; i++) {
        const struct ast_arg *arg = &call->args[i];
        const struct setting_info *setting = arg->name            ? find_setting(info->args, info->arg_count, arg->name)
                                             : i < info->arg_count ? &info->args[i]
                                                                   : NULL;
        if (!setting && !arg->name) {
            diag_error(b->diags, arg->span, "%s has too many arguments: %s is left over", info->name,
                       describe_expr(b->arena, arg->value));
            return false;
        }
        if (!setting) {
            unknown(b, arg->name_span, arena_printf(b->arena, "%s has no argument", info->name), arg->name,
                    setting_names(b->arena, info->args, info->arg_count), info->arg_count);
            ok = false;
        } else if (given[setting - info->args]) {
            diag_error(b->diags, arg->span, "%s of %s is given twice, first by its position", arg->name, info->name);
            ok = false;
        } else {
            given[setting - info->args] = true;
            ok = take_setting(b, setting, arg->value, base) && ok;
        }
    }
    for (size_t i = 0; i < info->arg_count; i++)
        if (info->args[i].required && !given[i]) {
            diag_error(b->diags, expr->span, "%s needs the argument %s", info->name, info->args[i].name);
            ok = false;
        }
    return ok;
}

/* `source = mnist` or `source = csv(…)`: NULL after an error, which the arguments may have too. */
static const struct call_info *take_call(struct builder *b, const struct setting_info *setting,
                                         const struct ast_expr *expr, void *base)
{
    const char *name = expr->kind == AST_CALL ? expr->call->name : expr->kind == AST_NAME ? expr->name : NULL;
    const char **known = call_names(b->arena, setting);
    if (!name) {
        wrong(b, setting, expr, arena_printf(b->arena, "one of %s", join_names(b->arena, known, setting->call_count)));
        return NULL;
    }
    const struct call_info *call = find_call(setting, name);
    if (!call) {
        struct span span = expr->kind == AST_CALL ? expr->call->name_span : expr->span;
        unknown(b, span, arena_printf(b->arena, "unknown %s", setting->name), name, known, setting->call_count);
        return NULL;
    }
    return take_args(b, call, expr, base) ? call : NULL;
}

static const struct ast_setting *find_written(const struct ast_section *section, const char *name)
{
    for (size_t i = 0; i < section->setting_count; i++)
        if (strcmp(section->settings[i].name, name) == 0)
            return &section->settings[i];
    return NULL;
}

static void take_section(struct builder *b, const struct section_info *info, const struct ast_section *section,
                         void *base)
{
    for (size_t i = 0; i < section->setting_count; i++) {
        const struct ast_setting *written = &section->settings[i];
        const struct setting_info *setting = find_setting(info->settings, info->setting_count, written->name);
        if (!setting)
            unknown(b, written->name_span, arena_printf(b->arena, "%s has no key", info->name), written->name,
                    setting_names(b->arena, info->settings, info->setting_count), info->setting_count);
        else if (setting->kind != SET_CALL)
            take_setting(b, setting, written->value, base);
    }
    for (size_t i = 0; i < info->setting_count; i++)
        if (info->settings[i].required && !find_written(section, info->settings[i].name))
            diag_error(b->diags, section->span, "%s needs the key %s", info->name, info->settings[i].name);
}

static void build_data(struct builder *b)
{
    const struct ast_section *section = b->ast->data;
    struct data_config *data = &b->ir->data;
    if (!section)
        return;
    take_section(b, &data_section, section, data);
    const struct ast_setting *source = find_written(section, "source");
    if (!source)
        return;
    data->span = source->value->span;
    const struct call_info *call = take_call(b, &data_section.settings[0], source->value, data);
    if (call)
        data->kind = (enum data_kind)call->meaning;
}

static const struct ast_expr *argument(const struct ast_expr *expr, const struct call_info *info, const char *name)
{
    for (size_t i = 0; expr->kind == AST_CALL && i < expr->call->arg_count; i++) {
        const struct ast_arg *arg = &expr->call->args[i];
        if (strcmp(arg->name ? arg->name : info->args[i].name, name) == 0)
            return arg->value;
    }
    return expr;
}

static void check_nesterov(struct builder *b, const struct ast_expr *expr, const struct call_info *info)
{
    const struct train_config *train = &b->ir->train;
    struct span span = argument(expr, info, "nesterov")->span;
    if (!train->nesterov)
        return;
    if (!(train->momentum > 0))
        diag_error(b->diags, span, "nesterov needs a momentum above 0");
    else if (train->dampening != 0)
        diag_error(b->diags, span, "nesterov needs a dampening of 0");
}

static void build_train(struct builder *b)
{
    const struct ast_section *section = b->ast->train;
    struct train_config *train = &b->ir->train;
    *train = (struct train_config){.lr = 0.001, .batch = 64, .epochs = 1, .shuffle = true, .seed = 1, .log_every = 300};
    if (!section)
        return;
    train->present = true;
    train->span = section->span;
    take_section(b, &train_section, section, train);
    const struct ast_setting *batch = find_written(section, "batch");
    train->batch_span = batch ? batch->value->span : section->span;
    const struct ast_setting *optimizer = find_written(section, "optimizer");
    if (!optimizer)
        return;
    const struct setting_info *setting = find_setting(train_section.settings, train_section.setting_count, "optimizer");
    const struct call_info *call = take_call(b, setting, optimizer->value, train);
    train->has_optimizer = call;
    if (call)
        check_nesterov(b, optimizer->value, call);
}

void build_config(struct builder *b)
{
    build_data(b);
    build_train(b);
}
