/* The formatter's form of a tree: one item a line, the columns of a group aligned, groups set apart by a blank line. */
#include "ast.h"

#include <string.h>

enum { WIDEST = 24 }; /* a longer name stands out of its column */

static void widen(size_t *width, const char *name)
{
    size_t length = strlen(name);
    if (length > *width && length <= WIDEST)
        *width = length;
}

static void pad(struct text *out, size_t from, size_t to)
{
    for (; from < to; from++)
        text_add(out, " ");
}

static void print_string(const char *string, struct text *out)
{
    text_add(out, "\"");
    for (; *string; string++) {
        char c = *string;
        if (c == '\n')
            text_add(out, "\\n");
        else if (c == '\t')
            text_add(out, "\\t");
        else
            text_printf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    text_add(out, "\"");
}

static void print_call(const struct ast_call *call, struct text *out)
{
    size_t first = call->piped;
    if (call->piped) {
        ast_print_expr(call->args[0].value, out);
        text_add(out, " |> ");
    }
    text_add(out, call->name);
    if (!call->piped || call->arg_count > first) {
        text_add(out, "(");
        for (size_t i = first; i < call->arg_count; i++) {
            text_add(out, i > first ? ", " : "");
            if (call->args[i].name)
                text_printf(out, "%s = ", call->args[i].name);
            ast_print_expr(call->args[i].value, out);
        }
        text_add(out, ")");
    }
    if (call->label)
        text_printf(out, " as %s", call->label);
}

void ast_print_expr(const struct ast_expr *expr, struct text *out)
{
    switch (expr->kind) {
    case AST_NAME:
        text_add(out, expr->name);
        break;
    case AST_NUMBER:
        text_add(out, expr->number.text);
        break;
    case AST_STRING:
        print_string(expr->string, out);
        break;
    case AST_BOOL:
        text_add(out, expr->boolean ? "true" : "false");
        break;
    case AST_LIST:
        text_add(out, "[");
        for (size_t i = 0; i < expr->list.count; i++) {
            text_add(out, i ? ", " : "");
            ast_print_expr(expr->list.at[i], out);
        }
        text_add(out, "]");
        break;
    case AST_CALL:
        print_call(expr->call, out);
        break;
    }
}

static void print_type(const struct ast_type *type, struct text *out)
{
    text_printf(out, "%s[", ast_type_name(type->kind));
    for (size_t i = 0; i < type->dim_count; i++)
        text_printf(out, "%s%lld", i ? ", " : "", (long long)type->dims[i].size);
    text_add(out, "]");
}

/* Items that stand together: what comes in, the bindings, what goes out. */
static int group_of(enum ast_item_kind kind)
{
    return kind == AST_INPUT || kind == AST_TARGET ? 0 : kind == AST_BINDING ? 1 : 2;
}

static const char *word_of(enum ast_item_kind kind)
{
    static const char *const words[] = {[AST_INPUT] = "input", [AST_TARGET] = "target", [AST_OUTPUT] = "output",
                                        [AST_LOSS] = "loss",   [AST_METRIC] = "metric", [AST_BINDING] = ""};
    return words[kind];
}

static void print_item(const struct ast_item *item, size_t width, struct text *out)
{
    const char *word = word_of(item->kind);
    text_printf(out, "    %s", word);
    if (item->kind != AST_BINDING)
        pad(out, strlen(word), strlen("target "));
    if (item->name) {
        text_add(out, item->name);
        pad(out, strlen(item->name), width);
    }
    if (item->expr) {
        text_add(out, item->name ? " = " : "");
        ast_print_expr(item->expr, out);
    } else {
        text_add(out, " : ");
        print_type(&item->type, out);
    }
    text_add(out, "\n");
}

static void print_model(const struct ast_model *model, struct text *out)
{
    text_printf(out, "model %s {\n", model->name);
    for (size_t i = 0, end; i < model->item_count; i = end) {
        size_t width = 0;
        int group = group_of(model->items[i].kind);
        for (end = i; end < model->item_count && group_of(model->items[end].kind) == group; end++)
            if (model->items[end].name)
                widen(&width, model->items[end].name);
        text_add(out, i ? "\n" : "");
        for (size_t k = i; k < end; k++)
            print_item(&model->items[k], width, out);
    }
    text_add(out, "}\n");
}

static void print_section(const char *name, const struct ast_section *section, struct text *out)
{
    size_t width = 0;
    if (!section)
        return;
    for (size_t i = 0; i < section->setting_count; i++)
        widen(&width, section->settings[i].name);
    text_printf(out, "\n%s {\n", name);
    for (size_t i = 0; i < section->setting_count; i++) {
        text_printf(out, "    %s", section->settings[i].name);
        pad(out, strlen(section->settings[i].name), width);
        text_add(out, " = ");
        ast_print_expr(section->settings[i].value, out);
        text_add(out, "\n");
    }
    text_add(out, "}\n");
}

void ast_print(const struct ast_file *ast, struct text *out)
{
    text_add(out, "net 1\n\n");
    print_model(ast->model, out);
    print_section("data", ast->data, out);
    print_section("train", ast->train, out);
}
