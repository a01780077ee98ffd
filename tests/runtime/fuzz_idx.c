/* Bytes as a pair of idx files, read through an anonymous file. */
#include "xent/runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int anonymous(const uint8_t *bytes, size_t size, char path[64]) {
    int fd = memfd_create("idx", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, bytes, size) >= 0)
        snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

/* The first byte says how many bytes the labels have. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    static const struct xent_data_spec spec = {.dtype = XENT_U8, .rank = 2, .shape = {1, 2},
                                               .target = XENT_TARGET_CLASS, .classes = 10, .ignore_index = -100};
    setenv("XDG_CACHE_HOME", "/proc/none", 1); /* no cache */
    if (!size || bytes[0] >= size)
        return 0;
    char images[64] = "", labels[64] = "";
    int a = anonymous(bytes + 1, bytes[0], labels), b = anonymous(bytes + 1 + bytes[0], size - 1 - bytes[0], images);
    struct xent_dataset *dataset = NULL;
    struct xent_error error;
    if (xent_dataset_load_idx(&spec, images, labels, &dataset, &error) == XENT_OK) {
        volatile uint8_t last = 0; /* a sanitizer looks on as all inputs are read */
        for (uint64_t i = 0; i < dataset->examples; i++) {
            last = ((const uint8_t *)dataset->inputs)[2 * i + 1];
            if (dataset->classes[i] < 0 || dataset->classes[i] > 9)
                __builtin_trap();
        }
        (void)last;
        xent_dataset_destroy(dataset);
    }
    close(a);
    close(b);
    return 0;
}
