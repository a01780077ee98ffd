/* Bytes as a CSV file, read through an anonymous file. */
#include "xent/runtime.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The first byte chooses the spec and the flags. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const struct xent_data_spec specs[] = {
        {.dtype = XENT_F32, .rank = 1, .shape = {3}, .target = XENT_TARGET_CLASS, .classes = 4, .ignore_index = -100},
        {.dtype = XENT_U8, .rank = 2, .shape = {1, 2}, .target = XENT_TARGET_CLASS, .classes = 4, .ignore_index = 9},
        {.dtype = XENT_F32, .rank = 1, .shape = {1}, .target = XENT_TARGET_PROB, .classes = 3},
        {.dtype = XENT_U8, .rank = 1, .shape = {1}},
    };
    int fd = memfd_create("csv", MFD_CLOEXEC);
    char path[64];
    if (!size || fd < 0 || write(fd, bytes + 1, size - 1) < 0)
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct xent_dataset *dataset = NULL;
    struct xent_error error;
    if (xent_dataset_load_csv(&specs[bytes[0] & 3], path, bytes[0] >> 2 & 3, &dataset, &error) == XENT_OK) {
        if (!dataset->examples)
            __builtin_trap();
        xent_dataset_destroy(dataset);
    }
    close(fd);
    return 0;
}
