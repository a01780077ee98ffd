/* `xentc eval --dump`: one JSON object a line and example. */
#include "dump.h"

#include "commands.h"

#include <string.h>

static void add_tensors(cJSON *object, const char *key, bool gradient, const struct dump_tensor *tensors, size_t count,
                        int digits)
{
    cJSON *group = NULL;
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].gradient != gradient)
            continue;
        if (!group)
            group = cJSON_AddObjectToObject(object, key);
        json_add_numbers(group, tensors[i].name, tensors[i].values, tensors[i].count, digits);
    }
}

bool dump_example(struct dump *dump, uint64_t index, double loss, const struct dump_tensor *tensors, size_t count)
{
    cJSON *object = cJSON_CreateObject();
    json_add_number(object, "example", (double)index, 17);
    json_add_number(object, "loss", loss, dump->digits);
    add_tensors(object, "outputs", false, tensors, count, dump->digits);
    add_tensors(object, "gradient", true, tensors, count, dump->digits);
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    if (!text) {
        dump->error = (struct xent_error){XENT_ERROR_MEMORY, "out of memory"};
        return false;
    }
    bool ok = xent_output_write(dump->output, text, strlen(text), &dump->error) == XENT_OK &&
              xent_output_write(dump->output, "\n", 1, &dump->error) == XENT_OK;
    cJSON_free(text);
    return ok;
}
