/* `xentc ops`: the op table, readable. */
#include "commands.h"

#include "ops.h"

#include <math.h>
#include <string.h>

static void print_word(const char *words, double index)
{
    for (int i = 0; i < (int)index && words; i++)
        words = strchr(words, '|') ? strchr(words, '|') + 1 : NULL;
    if (words)
        printf(" = %.*s", (int)strcspn(words, "|"), words);
}

static void print_attr(const struct attr_info *attr)
{
    static const char *const kinds[] = {
        [ATTR_INT] = "integer",   [ATTR_FLOAT] = "number",   [ATTR_BOOL] = "true or false", [ATTR_ENUM] = "",
        [ATTR_STRING] = "string", [ATTR_INTS] = "integers", [ATTR_FLOATS] = "numbers",
    };
    printf("      %s", attr->name);
    if (!attr->required && attr->kind == ATTR_ENUM)
        print_word(attr->words, attr->standard);
    else if (!attr->required && attr->kind == ATTR_BOOL)
        printf(" = %s", attr->standard != 0 ? "true" : "false");
    else if (!attr->required && attr->kind != ATTR_STRING && !isnan(attr->standard))
        printf(" = %.9g", attr->standard);
    printf("  (%s%s)", attr->kind == ATTR_ENUM ? attr->words : kinds[attr->kind], attr->required ? ", required" : "");
    printf("%s%s\n", attr->doc && *attr->doc ? "  " : "", attr->doc ? attr->doc : "");
}

static void print_ops(bool source)
{
    const struct op_set *set = op_set();
    for (uint32_t i = 0; i < set->count; i++) {
        const struct op_info *info = set->info[i];
        if (((info->flags & OP_SOURCE) != 0) != source)
            continue;
        printf("  %-20s %s\n", info->name, info->doc);
        for (uint32_t k = 0; k < info->attrs; k++)
            print_attr(&info->attr[k]);
    }
}

int cmd_ops(const struct options *options)
{
    if (options->arguments.count)
        return help_usage(options, "ops takes no argument, not \"%s\"", options->arguments.at[0]);
    printf("Ops of a .net file, and their named arguments:\n");
    print_ops(true);
    printf("\nOps of the graph that passes make:\n");
    print_ops(false);
    return EXIT_OK;
}
