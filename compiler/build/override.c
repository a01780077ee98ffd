/* `--set train.optimizer.lr=0.1`: the value takes the place of the one in the tree, or is added where there is none. */
#include "build.h"
#include "lang.h"
#include "settings.h"

#include <string.h>

enum { MAX_PARTS = 3, SECTIONS = 2 };
static const struct section_info *const sections[SECTIONS] = {&data_section, &train_section};

struct key {
    const char *part[MAX_PARTS];
    struct span span[MAX_PARTS];
    size_t count;
};

static bool split_key(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file,
                      const char *text, size_t length, struct key *out)
{
    *out = (struct key){.count = 0};
    for (size_t at = 0; at <= length;) {
        const char *dot = memchr(text + at, '.', length - at);
        size_t end = dot ? (size_t)(dot - text) : length;
        if (out->count == MAX_PARTS || end == at) {
            diag_error(diags, (struct span){file, 0, (uint32_t)length}, "\"%s\" is no key",
                       diag_escape(arena, text, length));
            diag_help(diags, "write section.key=value or section.key.argument=value");
            return false;
        }
        out->span[out->count] = (struct span){file, (uint32_t)at, (uint32_t)end};
        out->part[out->count++] = intern(names, text + at, end - at);
        at = end + 1;
    }
    if (out->count >= 2)
        return true;
    diag_error(diags, out->span[0], "%s is no key of a section", diag_escape(arena, text, length));
    for (size_t i = 0; i < SECTIONS; i++)
        if (find_setting(sections[i]->settings, sections[i]->setting_count, out->part[0])) {
            diag_help(diags, "did you mean \"%s.%s\"?", sections[i]->name, out->part[0]);
            return false;
        }
    diag_help(diags, "write section.key=value or section.key.argument=value");
    return false;
}

static bool unknown(struct arena *arena, struct diag_list *diags, struct span span, const char *what, const char *name,
                    const char **known, size_t count)
{
    diag_error(diags, span, "%s %s", what, diag_escape(arena, name, strlen(name)));
    size_t before = diags->items.count;
    diag_did_you_mean(diags, name, known, count);
    if (diags->items.count == before && count)
        diag_help(diags, "there are: %s", join_names(arena, known, count));
    return false;
}

static struct ast_setting *find_written(struct ast_section *section, const char *name)
{
    for (size_t i = 0; i < section->setting_count; i++)
        if (strcmp(section->settings[i].name, name) == 0)
            return &section->settings[i];
    return NULL;
}

static void set_key(struct arena *arena, struct ast_section **section, const struct key *key, struct ast_expr *value)
{
    if (!*section)
        *section = ARENA_NEW(arena, struct ast_section);
    struct ast_setting *written = find_written(*section, key->part[1]);
    if (!written) {
        size_t bytes = (*section)->setting_count * sizeof *written;
        (*section)->settings = arena_grow(arena, (*section)->settings, bytes, bytes + sizeof *written);
        written = &(*section)->settings[(*section)->setting_count++];
    }
    *written = (struct ast_setting){key->part[1], key->span[1], key->span[1], value};
}

/* The argument of the call that the key's value is; a bare word becomes a call. */
static bool set_argument(struct arena *arena, struct diag_list *diags, struct ast_section *section,
                         const struct key *key, const struct setting_info *setting, struct ast_expr *value)
{
    struct ast_setting *written = section ? find_written(section, key->part[1]) : NULL;
    struct ast_expr *expr = written ? written->value : NULL;
    if (setting->kind != SET_CALL || !expr || (expr->kind != AST_CALL && expr->kind != AST_NAME)) {
        diag_error(diags, key->span[2], "%s.%s %s", key->part[0], key->part[1],
                   setting->kind != SET_CALL ? "has no arguments" : "is not given in the file");
        diag_help(diags, "set it as a whole: %s.%s=…", key->part[0], key->part[1]);
        return false;
    }
    const char *name = expr->kind == AST_CALL ? expr->call->name : expr->name;
    const struct call_info *info = find_call(setting, name);
    if (!info) /* build_model reports the name */
        return true;
    const struct setting_info *arg = find_setting(info->args, info->arg_count, key->part[2]);
    if (!arg)
        return unknown(arena, diags, key->span[2], arena_printf(arena, "%s has no argument", name), key->part[2],
                       setting_names(arena, info->args, info->arg_count), info->arg_count);

    const struct ast_call *old = expr->kind == AST_CALL ? expr->call : NULL;
    struct ast_call *call = ARENA_NEW(arena, struct ast_call);
    *call = old ? *old : (struct ast_call){.name = name, .name_span = expr->span};
    size_t position = (size_t)(arg - info->args), at = 0;
    while (at < call->arg_count && (call->args[at].name ? strcmp(call->args[at].name, arg->name) != 0 : at != position))
        at++;
    size_t bytes = call->arg_count * sizeof *call->args;
    call->args = arena_grow(arena, call->args, bytes, bytes + sizeof *call->args);
    bool positional = at < call->arg_count && !call->args[at].name;
    call->args[at] = (struct ast_arg){positional ? NULL : arg->name, key->span[2], value->span, value};
    call->arg_count += at == call->arg_count;
    struct ast_expr *replaced = ARENA_NEW(arena, struct ast_expr);
    *replaced = (struct ast_expr){.kind = AST_CALL, .depth = expr->depth, .span = expr->span, .call = call};
    if (value->depth >= replaced->depth)
        replaced->depth = value->depth + 1;
    written->value = replaced;
    return true;
}

bool build_override(struct arena *arena, struct diag_list *diags, struct source_map *map, struct interner *names,
                    struct ast_file *ast, const char *text)
{
    text = arena_strdup(arena, text);
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    uint32_t file = source_add(map, "--set", text, strlen(text));
    if (!equals) {
        diag_error(diags, (struct span){file, 0, (uint32_t)length}, "--set needs a value: section.key=value");
        return false;
    }
    struct key key;
    if (!split_key(arena, diags, names, file, text, length, &key))
        return false;
    const char *section_names[SECTIONS];
    size_t which = SECTIONS;
    for (size_t i = 0; i < SECTIONS; i++) {
        section_names[i] = sections[i]->name;
        which = strcmp(sections[i]->name, key.part[0]) == 0 ? i : which;
    }
    if (which == SECTIONS)
        return unknown(arena, diags, key.span[0], "unknown section", key.part[0], section_names, SECTIONS);
    const struct section_info *info = sections[which];
    const struct setting_info *setting = find_setting(info->settings, info->setting_count, key.part[1]);
    if (!setting)
        return unknown(arena, diags, key.span[1], arena_printf(arena, "%s has no key", info->name), key.part[1],
                       setting_names(arena, info->settings, info->setting_count), info->setting_count);
    const char *name = arena_printf(arena, "--set %.*s", (int)length, text);
    uint32_t value_file = source_add(map, name, equals + 1, strlen(equals + 1));
    struct ast_expr *value = lang_parse_value(arena, diags, names, value_file);
    if (!value)
        return false;
    struct ast_section **section = which ? &ast->train : &ast->data;
    if (key.count == 3)
        return set_argument(arena, diags, *section, &key, setting, value);
    set_key(arena, section, &key, value);
    return true;
}
