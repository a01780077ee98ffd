/* A main for fuzz targets where there is no libFuzzer: runs each file, and each file of each folder, given, and also
 * every tenth part of it, as a file cut short; and some inputs of odd bytes, always the same. */
#include "fuzz_target.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st) != 0) {
        perror(path);
        exit(2);
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size + 1);
    if (!data || fread(data, 1, size, f) != size)
        abort();
    fclose(f);
    for (size_t part = 0; part <= 10; part++) {
        /* A copy of its own, so that a sanitizer sees a read past the end. */
        size_t length = size * part / 10;
        uint8_t *copy = malloc(length ? length : 1);
        if (!copy)
            abort();
        for (size_t i = 0; i < length; i++)
            copy[i] = data[i];
        LLVMFuzzerTestOneInput(copy, length);
        free(copy);
    }
    free(data);
    return 1;
}

static int replay(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return replay_file(path);
    int count = 0;
    for (struct dirent *e; (e = readdir(folder));) {
        if (e->d_name[0] == '.')
            continue;
        char *inner;
        if (asprintf(&inner, "%s/%s", path, e->d_name) < 0)
            abort();
        count += replay(inner);
        free(inner);
    }
    closedir(folder);
    return count;
}

static void replay_noise(void)
{
    enum { INPUTS = 200, LONGEST = 64 };
    uint32_t state = 1;
    for (int i = 0; i < INPUTS; i++) {
        uint8_t data[LONGEST];
        for (size_t k = 0; k < LONGEST; k++) {
            state = state * 1664525u + 1013904223u;
            data[k] = (uint8_t)(i % 2 ? state >> 24 : 32 + (state >> 24) % 95);
        }
        LLVMFuzzerTestOneInput(data, (size_t)i % LONGEST);
    }
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    replay_noise();
    printf("%d seeds replayed\n", count);
    return argc > 1 && !count;
}
