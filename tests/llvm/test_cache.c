/* The cache of objects: what is found is what was kept; an entry that is anything else is none. */
#include "cache.h"
#include "test_llvm.h"

#include <CUnit/Basic.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char root[64];

static int begin(void) {
    strcpy(root, "/tmp/xent-cache-XXXXXX");
    return !mkdtemp(root) || setenv("XDG_CACHE_HOME", root, 1) || unsetenv("XENT_CACHE_MB");
}

static int end(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command) != 0;
}

static struct object_cache fresh(void) {
    struct object_cache_use left;
    struct object_cache cache = object_cache_open(true);
    CU_ASSERT_TRUE_FATAL(cache.folder >= 0);
    object_cache_clear(&cache, &left);
    CU_ASSERT_EQUAL(left.entries + left.unfinished, 0);
    return cache;
}

static struct object_key key_of(int number) {
    struct object_key key = {{(unsigned char)number, 0xab}};
    return key;
}

/* The path of the one entry with this key. */
static void path_of(const struct object_key *key, char path[256]) {
    int length = snprintf(path, 256, "%s/xent/objects/", root);
    for (size_t i = 0; i < OBJECT_HASH; i++)
        length += snprintf(path + length, (size_t)(256 - length), "%02x", key->bytes[i]);
    snprintf(path + length, (size_t)(256 - length), ".xo");
}

static bool finds(const struct object_cache *cache, const struct object_key *key, const void *bytes, size_t size) {
    size_t found_size = 0;
    unsigned char *found = object_cache_find(cache, key, &found_size);
    bool same = found && found_size == size && memcmp(found, bytes, size) == 0;
    CU_ASSERT_TRUE(!found || same);
    free(found);
    return same;
}

static size_t file_size(const char *path) {
    struct stat status;
    CU_ASSERT_EQUAL_FATAL(stat(path, &status), 0);
    return (size_t)status.st_size;
}

static void overwrite(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static unsigned char *contents(const char *path, size_t *out_size) {
    *out_size = file_size(path);
    unsigned char *bytes = malloc(*out_size + 1);
    FILE *file = fopen(path, "rb");
    CU_ASSERT_TRUE_FATAL(file && bytes);
    CU_ASSERT_EQUAL(fread(bytes, 1, *out_size, file), *out_size);
    fclose(file);
    return bytes;
}

static void test_hit_and_miss(void) {
    struct object_cache cache = fresh();
    struct object_key one = key_of(1), two = key_of(2);
    CU_ASSERT_FALSE(finds(&cache, &one, "", 0));
    object_cache_store(&cache, &one, (const unsigned char *)"first", 5);
    object_cache_store(&cache, &two, (const unsigned char *)"second", 6);
    CU_ASSERT_TRUE(finds(&cache, &one, "first", 5));
    CU_ASSERT_TRUE(finds(&cache, &two, "second", 6));
    object_cache_store(&cache, &one, (const unsigned char *)"again", 5);
    CU_ASSERT_TRUE(finds(&cache, &one, "again", 5));
    struct object_cache_use use = object_cache_use(&cache);
    CU_ASSERT_EQUAL(use.entries, 2);
    CU_ASSERT_EQUAL(use.unfinished, 0);
    struct stat status;
    char path[256];
    path_of(&one, path);
    CU_ASSERT_EQUAL(stat(path, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(fstat(cache.folder, &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0700);
    object_cache_close(&cache);
    CU_ASSERT_FALSE(finds(&cache, &one, "again", 5));
}

/* Every byte of the header and every seventh behind it; every length; more than there should be. */
static void test_damage(void) {
    struct object_cache cache = fresh();
    struct object_key key = key_of(3);
    unsigned char object[700];
    char path[256];
    size_t size;
    for (size_t i = 0; i < sizeof object; i++)
        object[i] = (unsigned char)(i * 31 >> 2);
    object_cache_store(&cache, &key, object, sizeof object);
    path_of(&key, path);
    unsigned char *entry = contents(path, &size);
    size_t header = size - sizeof object;
    CU_ASSERT_TRUE_FATAL(size > sizeof object && header < 256);
    for (size_t at = 0; at < size; at += at < header ? 1 : 7) {
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            entry[at] ^= (unsigned char)bit;
            overwrite(path, entry, size);
            CU_ASSERT_FALSE(finds(&cache, &key, object, sizeof object));
            entry[at] ^= (unsigned char)bit;
        }
    }
    for (size_t length = 0; length < size; length++) {
        overwrite(path, entry, length);
        CU_ASSERT_FALSE(finds(&cache, &key, object, sizeof object));
    }
    unsigned char *longer = calloc(1, size + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(longer);
    memcpy(longer, entry, size);
    overwrite(path, longer, size + 1);
    CU_ASSERT_FALSE(finds(&cache, &key, object, sizeof object));
    overwrite(path, entry, size);
    CU_ASSERT_TRUE(finds(&cache, &key, object, sizeof object));
    /* a whole entry, but of another key */
    struct object_key other = key_of(4);
    path_of(&other, path);
    overwrite(path, entry, size);
    CU_ASSERT_FALSE(finds(&cache, &other, object, sizeof object));
    object_cache_store(&cache, &other, object, 9);
    CU_ASSERT_TRUE(finds(&cache, &other, object, 9));
    free(longer);
    free(entry);
    object_cache_close(&cache);
}

/* What others could have written, and what is no file. */
static void test_trust(void) {
    struct object_cache cache = fresh();
    struct object_key key = key_of(5), link_key = key_of(6), pipe_key = key_of(7);
    char path[256], other[256];
    object_cache_store(&cache, &key, (const unsigned char *)"object", 6);
    path_of(&key, path);
    path_of(&link_key, other);
    CU_ASSERT_EQUAL(symlink(path, other), 0);
    CU_ASSERT_FALSE(finds(&cache, &link_key, "object", 6));
    path_of(&pipe_key, other);
    CU_ASSERT_EQUAL(mkfifo(other, 0600), 0);
    CU_ASSERT_FALSE(finds(&cache, &pipe_key, "object", 6));
    CU_ASSERT_EQUAL(chmod(path, 0620), 0);
    CU_ASSERT_FALSE(finds(&cache, &key, "object", 6));
    CU_ASSERT_EQUAL(chmod(path, 0644), 0);
    CU_ASSERT_TRUE(finds(&cache, &key, "object", 6));
    if (geteuid() == 0) { /* only root can give files away */
        CU_ASSERT_EQUAL(chown(path, 65534, 65534), 0);
        CU_ASSERT_FALSE(finds(&cache, &key, "object", 6));
        object_cache_store(&cache, &key, (const unsigned char *)"mine", 4);
        CU_ASSERT_TRUE(finds(&cache, &key, "mine", 4));
        CU_ASSERT_EQUAL(fchown(cache.folder, 65534, 65534), 0);
        struct object_cache theirs = object_cache_open(true);
        CU_ASSERT_EQUAL(theirs.folder, -1);
        CU_ASSERT_EQUAL(fchown(cache.folder, 0, 0), 0);
    }
    CU_ASSERT_EQUAL(fchmod(cache.folder, 0770), 0);
    struct object_cache open_to_others = object_cache_open(true);
    CU_ASSERT_EQUAL(open_to_others.folder, -1);
    CU_ASSERT_EQUAL(fchmod(cache.folder, 0700), 0);
    CU_ASSERT_EQUAL(unlink(other), 0);
    object_cache_close(&cache);
}

static void set_age(const struct object_cache *cache, const char *path, time_t seconds) {
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    CU_ASSERT_EQUAL(utimensat(cache->folder, path, times, 0), 0);
}

static void test_limit(void) {
    char path[256];
    struct object_cache cache = fresh();
    enum { SIZE = 300 << 10 };
    unsigned char *object = calloc(1, SIZE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    cache.limit = 1 << 20;
    struct object_key key[5];
    for (int i = 0; i < 3; i++) {
        key[i] = key_of(10 + i);
        object_cache_store(&cache, &key[i], object, SIZE);
        path_of(&key[i], path);
        set_age(&cache, path, 1000 - i);
    }
    CU_ASSERT_TRUE(finds(&cache, &key[0], object, SIZE)); /* now key[1] was not used for longest */
    key[3] = key_of(13);
    object_cache_store(&cache, &key[3], object, SIZE);
    CU_ASSERT_TRUE(finds(&cache, &key[0], object, SIZE));
    CU_ASSERT_FALSE(finds(&cache, &key[1], object, SIZE));
    CU_ASSERT_TRUE(finds(&cache, &key[2], object, SIZE));
    CU_ASSERT_TRUE(finds(&cache, &key[3], object, SIZE));
    CU_ASSERT_TRUE(object_cache_use(&cache).bytes <= cache.limit);
    cache.limit = SIZE; /* the header is too much */
    key[4] = key_of(14);
    object_cache_store(&cache, &key[4], object, SIZE);
    CU_ASSERT_FALSE(finds(&cache, &key[4], object, SIZE));
    CU_ASSERT_EQUAL(object_cache_use(&cache).entries, 3);
    free(object);
    object_cache_close(&cache);
    static const struct {
        const char *mib;
        uint64_t limit;
    } limits[] = {{"0", 0}, {"3", 3 << 20}, {"-1", 256 << 20}, {"many", 256 << 20}, {"99999999999999", 256 << 20}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        setenv("XENT_CACHE_MB", limits[i].mib, 1);
        cache = object_cache_open(true);
        CU_ASSERT_EQUAL(cache.limit, limits[i].limit);
        object_cache_close(&cache);
    }
    unsetenv("XENT_CACHE_MB");
}

/* What killed processes left goes after an hour; files of nobody's stay. */
static void test_leftovers(void) {
    struct object_cache cache = fresh();
    static const struct {
        const char *name;
        time_t age;
        bool stays;
    } files[] = {{"new-0123456789abcdef", 4000, false}, {"new-0123456789abcde0", 3000, true}, {"README", 4000, true}};
    char path[256];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/xent/objects/%s", root, files[i].name);
        overwrite(path, "x", 1);
        set_age(&cache, path, files[i].age);
    }
    CU_ASSERT_EQUAL(object_cache_use(&cache).unfinished, 2);
    struct object_key key = key_of(20);
    object_cache_store(&cache, &key, (const unsigned char *)"x", 1);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(faccessat(cache.folder, files[i].name, F_OK, 0) == 0, files[i].stays);
    struct object_cache_use left;
    object_cache_clear(&cache, &left);
    CU_ASSERT_EQUAL(left.unfinished + left.entries, 0);
    CU_ASSERT_EQUAL(unlinkat(cache.folder, "README", 0), 0);
    object_cache_close(&cache);
}

static _Noreturn void store_for_ever(const struct object_cache *cache, const struct object_key *key,
                                     unsigned char *object, size_t size) {
    for (unsigned char round = 0;; round++) {
        memset(object, round, size);
        object_cache_store(cache, key, object, size);
    }
}

/* A process that does nothing but store, killed in the middle: there is the old object, the new one, or none. */
static void test_killed(void) {
    enum { SIZE = 1 << 20 };
    struct object_cache cache = fresh();
    struct object_key key = key_of(30);
    unsigned char *object = malloc(SIZE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    unsigned whole = 0;
    uint64_t unfinished = 0;
    int rounds = getenv("XENT_THOROUGH") ? 200 : 20;
    /* more of them until one was killed while it wrote: how soon that is depends on the machine and the sanitizer */
    for (int i = 0; i < rounds || ((whole == 0 || unfinished == 0) && i < 100 * rounds); i++) {
        pid_t child = fork();
        CU_ASSERT_TRUE_FATAL(child >= 0);
        if (child == 0)
            store_for_ever(&cache, &key, object, SIZE);
        struct timespec while_it_works = {.tv_nsec = 3000000 + i * 7919 % 97 * 100000};
        nanosleep(&while_it_works, NULL);
        CU_ASSERT_EQUAL(kill(child, SIGKILL), 0);
        CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
        size_t size = 0;
        unsigned char *found = object_cache_find(&cache, &key, &size);
        if (found) {
            CU_ASSERT_EQUAL(size, SIZE);
            CU_ASSERT_EQUAL(memcmp(found, found + 1, SIZE - 1), 0);
            whole++;
        }
        free(found);
        unfinished = object_cache_use(&cache).unfinished;
    }
    CU_ASSERT_TRUE(whole > 0);
    CU_ASSERT_TRUE(unfinished > 0);
    struct object_cache_use left;
    object_cache_clear(&cache, &left);
    object_cache_close(&cache);
    free(object);
}

static void make(struct make *m, struct arena *arena, const char *name, float value) {
    make_init(m, arena, name, KARITH_MULADD, 1);
    struct kbuffer *y = make_buffer(m, "y", KT_F32, KA_OUT, 1);
    make_store(m, y, make_number(0), make_f32(m, value, 1), 1, NULL);
}

/* The key follows the programs' text, their number and order, and the target. */
static void test_keys(void) {
    struct arena arena;
    struct make m[2];
    arena_init(&arena, NULL);
    make(&m[0], &arena, "a", 1);
    make(&m[1], &arena, "b", 1);
    const struct kprogram *a = make_program(&m[0]), *b = make_program(&m[1]);
    const struct kprogram *const lists[][2] = {{a, b}, {b, a}, {a, a}};
    char *message = NULL;
    struct codegen_target *host = codegen_target_create(NULL, NULL, &message);
    struct codegen_target *other = codegen_target_create(NULL, "-fma", &message);
    CU_ASSERT_TRUE_FATAL(host && other);
    struct object_key key[8], again;
    CU_ASSERT_TRUE(object_key(host, &a, 1, "", &key[0]));
    CU_ASSERT_TRUE(object_key(host, &b, 1, "", &key[1]));
    CU_ASSERT_TRUE(object_key(other, &a, 1, "", &key[2]));
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_TRUE(object_key(host, lists[i], 2, "", &key[3 + i]));
    ((struct kprogram *)a)->arith = KARITH_FMA;
    CU_ASSERT_TRUE(object_key(host, &a, 1, "", &key[6]));
    ((struct kprogram *)a)->arith = KARITH_MULADD;
    CU_ASSERT_TRUE(object_key(host, &a, 1, "more", &key[7]));
    for (size_t i = 0; i < 8; i++)
        for (size_t k = 0; k < i; k++)
            CU_ASSERT_NOT_EQUAL(memcmp(&key[i], &key[k], sizeof *key), 0);
    CU_ASSERT_TRUE(object_key(host, &a, 1, "", &again));
    CU_ASSERT_EQUAL(memcmp(&again, &key[0], sizeof again), 0);
    codegen_target_destroy(host);
    codegen_target_destroy(other);
    arena_deinit(&arena);
}

void suite_cache(void) {
    CU_pSuite suite = CU_add_suite("cache", begin, end);
    CU_add_test(suite, "hit and miss", test_hit_and_miss);
    CU_add_test(suite, "damage", test_damage);
    CU_add_test(suite, "trust", test_trust);
    CU_add_test(suite, "limit", test_limit);
    CU_add_test(suite, "leftovers", test_leftovers);
    CU_add_test(suite, "killed", test_killed);
    CU_add_test(suite, "keys", test_keys);
}
