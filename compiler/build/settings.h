/* The keys of `data` and `train`, and what may be called there: one table that the reader, the overrides and their
 * messages share. docs/language.md has the defaults; struct model_ir documents them. */
#ifndef XENT_SETTINGS_H
#define XENT_SETTINGS_H

#include "ast.h"

enum setting_kind { SET_INT, SET_NUMBER, SET_BOOL, SET_PATH, SET_CALL };

struct call_info;

/* A key of a section or an argument of a call. */
struct setting_info {
    const char *name;
    enum setting_kind kind;
    bool required;
    double low, high; /* INT and NUMBER: inclusive */
    size_t offset;    /* of the field that takes it: int64_t, double, bool, struct config_path */
    const struct call_info *calls; /* CALL: what may be called */
    size_t call_count;
};
struct call_info {
    const char *name;
    int meaning; /* a call of the source: enum data_kind */
    const struct setting_info *args;
    size_t arg_count;
};
struct section_info {
    const char *name;
    const struct setting_info *settings;
    size_t setting_count;
};

extern const struct section_info data_section, train_section;

const struct setting_info *find_setting(const struct setting_info *settings, size_t count, const char *name);
const struct call_info *find_call(const struct setting_info *setting, const char *name);
/* Their names, for "did you mean" and lists. */
const char **setting_names(struct arena *arena, const struct setting_info *settings, size_t count);
const char **call_names(struct arena *arena, const struct setting_info *setting);
const char *join_names(struct arena *arena, const char *const *names, size_t count);

#endif
