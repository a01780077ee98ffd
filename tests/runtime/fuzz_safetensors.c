/* Bytes as a safetensors file. */
#include "xent/runtime.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A length in front would seldom be right, so the header's length is put there: the first byte times four. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static uint8_t file_bytes[1 << 16];
    if (!size || size > sizeof file_bytes - 8)
        return 0;
    uint64_t length = (uint64_t)bytes[0] * 4;
    memcpy(file_bytes, &length, 8);
    memcpy(file_bytes + 8, bytes + 1, size - 1);
    struct xent_safetensors *file = NULL;
    struct xent_error error;
    if (xent_safetensors_parse("fuzz", file_bytes, size + 7, &file, &error) == XENT_OK) {
        uint64_t covered = 0;
        for (uint32_t i = 0; i < file->count; i++) {
            if (xent_safetensors_find(file, file->tensor[i].name) != &file->tensor[i])
                __builtin_trap();
            covered += file->tensor[i].elements * sizeof(float);
        }
        if (covered != size - 1 - length)
            __builtin_trap();
        xent_safetensors_close(file);
    }
    return 0;
}
