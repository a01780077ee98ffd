#include "check.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[PATH_MAX - 512];

const char *scratch(const char *name) {
    static char paths[4][PATH_MAX];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(paths[turn], PATH_MAX, "%s/%s", folder, name);
    return paths[turn];
}

void write_file(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t capacity = 1 << 20;
    char *bytes = malloc(capacity + 1);
    *size = fread(bytes, 1, capacity, file);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

int count_files(const char *part) {
    int count = 0;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strstr(entry->d_name, part) != NULL;
    closedir(directory);
    return count;
}

void check_error(enum xent_status have, enum xent_status want, const struct xent_error *error, const char *part,
                 int line) {
    bool right = have == want && (want == XENT_OK || strstr(error->message, part));
    if (!right)
        printf("\n    line %d: status %s, wanted %s with \"%s\": %s\n", line, xent_status_name(have),
               xent_status_name(want), part, error->message);
    CU_ASSERT(right);
}

CU_ErrorCode add_suite(const char *name, const struct case_of *cases, size_t count) {
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    for (size_t i = 0; suite && i < count; i++)
        if (!CU_add_test(suite, cases[i].name, cases[i].run))
            return CU_get_error();
    return CU_get_error();
}

static void remove_folder(const char *path) {
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char below[PATH_MAX + 300];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (unlink(below) != 0)
            remove_folder(below);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

int main(void) {
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/xent-runtime-XXXXXX", temporary ? temporary : "/tmp");
    if (!mkdtemp(folder) || CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    setenv("XENT_CORES", "16", 1); /* as many threads as a test asks for */
    setenv("XDG_CACHE_HOME", scratch("cache"), 1);
    if (add_random() || add_pool() || add_pace() || add_session() || add_train() || add_csv() ||
        add_idx() || add_checkpoint())
        return 2;
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_ErrorCode run = CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    remove_folder(folder);
    return run || failures;
}
