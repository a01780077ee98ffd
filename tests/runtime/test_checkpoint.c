#include "check.h"

#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A file: the header's text, padded by nothing, and `data` bytes 0, 1, 2, … */
static size_t build(char *out, const char *header, size_t data) {
    uint64_t length = strlen(header);
    memcpy(out, &length, 8);
    memcpy(out + 8, header, length);
    for (size_t i = 0; i < data; i++)
        out[8 + length + i] = (char)i;
    return 8 + length + data;
}

#define T(name, shape, from, to)                                                                                       \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

static void wrong(void) {
    static const struct {
        const char *header;
        size_t data;
        const char *part;
    } cases[] = {
        {"[]", 0, "no header of JSON"},
        {"{", 0, "there is no header"},
        {"{]", 0, "byte 1 of the header: expected a string, found \"]\""},
        {"{}x", 0, "expected nothing behind the last brace"},
        {"{} {}", 0, "expected nothing behind the last brace"},
        {"{\"a\"}", 0, "expected ':'"},
        {"{\"a\":1}", 0, "expected '{'"},
        {"{\"a\":{}}", 0, "expected a string"},
        {"{\"a\":[[[[[[[[[[[[[[[[", 0, "expected '{'"},
        {"{" T("a", "[1]", "0", "4") ",}", 4, "expected a string"},
        {"{" T("a", "[1]", "0", "4"), 4, "found the header's end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "a has no data_offsets"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "a has no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "a has no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4, "each key of a tensor once"},
        {"{\"a\":{\"dtype\":\"F32\",\"stride\":1}}", 4, "one of dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "a is BF16; only F32 can be loaded"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, "a is F16"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "a is F64"},
        {"{\"a\":{\"dtype\":7}}", 0, "expected a string"},
        {"{" T("a", "[-1]", "0", "4") "}", 4, "expected an extent (an integer from 0), found \"-1"},
        {"{" T("a", "[1.0]", "0", "4") "}", 4, "expected an extent"},
        {"{" T("a", "[1e0]", "0", "4") "}", 4, "expected an extent"},
        {"{" T("a", "[01]", "0", "4") "}", 4, "expected an extent"},
        {"{" T("a", "[99999999999999999999]", "0", "4") "}", 4, "expected an extent"},
        {"{" T("a", "[9223372036854775807,9]", "0", "4") "}", 4, "the shape of a overflows"},
        {"{" T("a", "[4611686018427387904,4]", "0", "0") "}", 0, "the shape of a overflows"},
        {"{" T("a", "[1,1,1,1,1,1,1]", "0", "4") "}", 4, "a has more than 6 dimensions"},
        {"{" T("a", "[1,]", "0", "4") "}", 4, "expected an extent"},
        {"{" T("a", "[1]", "0", "18446744073709551616") "}", 4, "expected an offset"},
        {"{" T("a", "[1]", "0", "9223372036854775807") "}", 4,
         "a has the offsets [0, 9223372036854775807], but the data has 4 bytes"},
        {"{" T("a", "[1]", "4", "0") "}", 4, "a has the offsets [4, 0]"},
        {"{" T("a", "[1]", "4", "8") "}", 4, "but the data has 4 bytes"},
        {"{" T("a", "[2]", "0", "4") "}", 4, "a has 4 bytes, but its shape [2] needs 8"},
        {"{" T("a", "[1]", "0", "4") "," T("a", "[1]", "4", "8") "}", 8, "a stands there twice"},
        {"{" T("a", "[2]", "0", "8") "," T("b", "[2]", "4", "12") "}", 12, "b (from byte 4) overlaps a (up to byte 8)"},
        {"{" T("a", "[2]", "0", "8") "," T("b", "[2]", "0", "8") "}", 8, "b (from byte 0) overlaps a (up to byte 8)"},
        {"{" T("a", "[1]", "0", "4") "," T("b", "[1]", "8", "12") "}", 12,
         "bytes 4 to 7 of the data belong to no tensor"},
        {"{" T("a", "[1]", "4", "8") "}", 8, "bytes 0 to 3 of the data belong to no tensor"},
        {"{" T("a", "[1]", "0", "4") "}", 5, "bytes 4 to 4 of the data belong to no tensor"},
        {"{}", 3, "bytes 0 to 2 of the data belong to no tensor"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "expected a string"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ stands there twice"},
        {"{\"a\\u0000\":1}", 0, "a well-formed string of UTF-8"},
        {"{\"\\ud800\":1}", 0, "a well-formed string of UTF-8"},
        {"{\"\\udc00\":1}", 0, "a well-formed string of UTF-8"},
        {"{\"\\x\":1}", 0, "a well-formed string of UTF-8"},
        {"{\"\xff\":1}", 0, "a well-formed string of UTF-8, found \"\"\\xff"},
        {"{\"a\nb\":1}", 0, "a well-formed string of UTF-8"},
        {"{\"a", 0, "closing quote"},
        {"{\"\xc3\xa4\xc3\":1}", 0, "a well-formed string of UTF-8"},
    };
    char bytes[1024];
    struct xent_safetensors *file;
    struct xent_error error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = build(bytes, cases[i].header, cases[i].data);
        char *exact = malloc(size); /* so that the sanitizer sees every byte too far */
        memcpy(exact, bytes, size);
        CHECK_ERROR(xent_safetensors_parse("f", exact, size, &file, &error), XENT_ERROR_DATA, &error, cases[i].part);
        free(exact);
    }
    size_t size = build(bytes, "{}", 0);
    static const uint64_t lengths[] = {3, 1 << 20, (uint64_t)1 << 62, ~(uint64_t)0, ~(uint64_t)0 - 7};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memcpy(bytes, &lengths[i], 8);
        CHECK_ERROR(xent_safetensors_parse("f", bytes, size, &file, &error), XENT_ERROR_DATA, &error,
                    "f: the header is said to have");
    }
    for (size_t i = 0; i < 8; i++)
        CHECK_ERROR(xent_safetensors_parse("f", bytes, i, &file, &error), XENT_ERROR_DATA, &error,
                    "bytes are no safetensors file");
    memset(bytes, 0, 10);
    CHECK_ERROR(xent_safetensors_parse("f", bytes, 10, &file, &error), XENT_ERROR_DATA, &error, "no header of JSON");
}

static void right(void) {
    char bytes[1024];
    struct xent_safetensors *file;
    struct xent_error error;
    /* 3 bytes of padding leave the data unaligned; data not in the header's order; escapes; an empty and a
     * rank-0 one */
    size_t size = build(bytes,
                        "{ \"__metadata__\" : {\"format\":\"p\\\"t\"} ,\n" T("b\\u00e4\\ud83d\\ude00\\n", "[2, 1]", "4",
                                                                             "12") "," T("a", "[]", "0", "4") ","
                                                                             T("none", "[0,3]", "12", "12") "}   ",
                        12);
    CHECK_OK(xent_safetensors_parse("f", bytes, size, &file, &error));
    CU_ASSERT_EQUAL(file->count, 3);
    CU_ASSERT(!strcmp(file->tensor[0].name, "a") && file->tensor[0].rank == 0 && file->tensor[0].elements == 1);
    const struct xent_stored_tensor *b = xent_safetensors_find(file, "b\xc3\xa4\xf0\x9f\x98\x80\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(b);
    CU_ASSERT(b->rank == 2 && b->shape[0] == 2 && b->shape[1] == 1 && b->elements == 2);
    float values[2];
    unsigned char raw[8] = {4, 5, 6, 7, 8, 9, 10, 11};
    xent_stored_read(b, values);
    CU_ASSERT(!memcmp(values, raw, 8));
    CU_ASSERT_PTR_NULL(xent_safetensors_find(file, "c"));
    const struct xent_named_shape expected[] = {
        {"a", 0, NULL}, {"none", 2, (const int64_t[]){0, 3}}, {b->name, 2, (const int64_t[]){2, 1}}};
    CHECK_OK(xent_safetensors_match(file, expected, 3, &error));
    const struct xent_named_shape other[] = {
        {"a", 0, NULL}, {"x", 1, (const int64_t[]){1}}, {b->name, 2, (const int64_t[]){1, 2}}, {"y", 0, NULL}};
    CHECK_ERROR(xent_safetensors_match(file, other, 4, &error), XENT_ERROR_DATA, &error,
                "f: these are not the model's parameters; missing: x, y; extra: none; of another shape: "
                "b\xc3\xa4\xf0\x9f\x98\x80\\x0a is [2, 1], the model's is [1, 2]");
    xent_safetensors_close(file);
    xent_safetensors_close(NULL);
    CHECK_OK(xent_safetensors_parse("f", "\2\0\0\0\0\0\0\0{}", 10, &file, &error));
    CU_ASSERT(file->count == 0 && !xent_safetensors_find(file, "a"));
    xent_safetensors_close(file);
}

static void round_trip(void) {
    struct toy toy;
    struct xent_error error;
    struct xent_session *a, *b;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    const struct xent_session_options one = {.threads = 1};
    CHECK_OK(xent_session_create(&toy.model, &one, &a, &error));
    CHECK_OK(xent_session_create(&toy.model, &one, &b, &error));
    xent_session_init(a, 1);
    xent_session_init(b, 2);
    float momentum[18], wa[18], wb[18];
    for (int i = 0; i < 18; i++)
        momentum[i] = 1;
    xent_session_set(b, &toy.state[2], momentum);
    CHECK_OK(xent_parameters_save(a, scratch("w.safetensors"), false, &error));
    CHECK_OK(xent_parameters_load(b, scratch("w.safetensors"), &error));
    xent_session_get(a, &toy.state[0], wa);
    xent_session_get(b, &toy.state[0], wb);
    CU_ASSERT(!memcmp(wa, wb, sizeof wa));
    xent_session_get(b, &toy.state[2], momentum);
    CU_ASSERT(momentum[0] == 0 && momentum[17] == 0);

    size_t size, again_size;
    char *bytes = read_file(scratch("w.safetensors"), &size);
    static const char want[] = "{\"l.weight\":{\"dtype\":\"F32\",\"shape\":[3,6],\"data_offsets\":[0,72]},"
                               "\"l.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[72,84]}}";
    CU_ASSERT(!memcmp(bytes + 8, want, sizeof want - 1) && (size - 84) % 8 == 0 && (unsigned char)bytes[0] % 8 == 0);
    CU_ASSERT(!memcmp(bytes + size - 84, wa, sizeof wa));
    CHECK_OK(xent_parameters_save(b, scratch("again"), true, &error));
    char *again = read_file(scratch("again"), &again_size);
    CU_ASSERT(size == again_size && !memcmp(bytes, again, size));
    CU_ASSERT(access(scratch("again~"), F_OK) != 0);
    CHECK_OK(xent_parameters_save(b, scratch("again"), true, &error));
    CU_ASSERT(access(scratch("again~"), F_OK) == 0);

    /* whatever is wrong, nothing changes */
    xent_session_init(b, 2);
    xent_session_get(b, &toy.state[0], wb);
    for (size_t cut = 0; cut < size; cut++) {
        write_file(scratch("cut"), bytes, cut);
        CHECK_ERROR(xent_parameters_load(b, scratch("cut"), &error), XENT_ERROR_DATA, &error, "cut: ");
    }
    char *shape = strstr(bytes + 8, "[3,6]");
    memcpy(shape, "[6,3]", 5);
    write_file(scratch("cut"), bytes, size);
    CHECK_ERROR(xent_parameters_load(b, scratch("cut"), &error), XENT_ERROR_DATA, &error,
                "of another shape: l.weight is [6, 3], the model's is [3, 6]");
    CHECK_ERROR(xent_parameters_load(b, scratch("absent"), &error), XENT_ERROR_IO, &error, "absent: cannot open");
    xent_session_get(b, &toy.state[0], wa);
    CU_ASSERT(!memcmp(wa, wb, sizeof wa));
    free(bytes);
    free(again);
    xent_session_destroy(a);
    xent_session_destroy(b);
}

static void outputs(void) {
    struct xent_output *output;
    struct xent_error error;
    size_t size;
    char large[200000];
    memset(large, 'x', sizeof large);
    const char *path = scratch("out");
    /* nothing appears before the commit, nothing stays after an abort */
    CHECK_OK(xent_output_open(path, false, &output, &error));
    CHECK_OK(xent_output_write(output, "one", 3, &error));
    CU_ASSERT(access(path, F_OK) != 0);
    xent_output_abort(output);
    CU_ASSERT(access(path, F_OK) != 0);
    CHECK_OK(xent_output_open(path, true, &output, &error));
    CHECK_OK(xent_output_printf(output, &error, "%d %s", 1, "two"));
    CHECK_OK(xent_output_write(output, large, sizeof large, &error));
    CHECK_OK(xent_output_write(output, "end", 3, &error));
    CHECK_OK(xent_output_commit(output, &error));
    char *text = read_file(path, &size);
    CU_ASSERT(size == 5 + sizeof large + 3 && !memcmp(text, "1 twox", 6) && !strcmp(text + size - 4, "xend"));
    free(text);
    /* the mode stays, links are followed, the old one becomes out~ */
    chmod(path, 0640);
    CU_ASSERT_EQUAL(symlink(path, scratch("link")), 0);
    CHECK_OK(xent_output_open(scratch("link"), true, &output, &error));
    CHECK_OK(xent_output_write(output, "new", 3, &error));
    CHECK_OK(xent_output_commit(output, &error));
    struct stat status;
    CU_ASSERT(stat(path, &status) == 0 && status.st_size == 3 && (status.st_mode & 0777) == 0640);
    CU_ASSERT(lstat(scratch("link"), &status) == 0 && S_ISLNK(status.st_mode));
    CU_ASSERT(stat(scratch("out~"), &status) == 0 && status.st_size > 200000);
    /* a second backup replaces the first */
    CHECK_OK(xent_output_open(scratch("out"), true, &output, &error));
    CHECK_OK(xent_output_commit(output, &error));
    CU_ASSERT(stat(scratch("out"), &status) == 0 && status.st_size == 0 && status.st_nlink == 1);
    CU_ASSERT(stat(scratch("out~"), &status) == 0 && status.st_size == 3 && status.st_nlink == 1);
    /* links to a file that is not there yet: one beside it, one by its whole path */
    CU_ASSERT_EQUAL(symlink("later", scratch("near")), 0);
    CU_ASSERT_EQUAL(symlink(scratch("near"), scratch("far")), 0);
    CHECK_OK(xent_check_room(scratch("far"), 9, &error));
    CHECK_OK(xent_output_open(scratch("far"), true, &output, &error));
    CHECK_OK(xent_output_write(output, "through", 7, &error));
    CHECK_OK(xent_output_commit(output, &error));
    CU_ASSERT(lstat(scratch("later"), &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 7);
    CU_ASSERT(lstat(scratch("far"), &status) == 0 && S_ISLNK(status.st_mode));
    CU_ASSERT(lstat(scratch("near"), &status) == 0 && S_ISLNK(status.st_mode));
    CU_ASSERT_EQUAL(symlink("nowhere/at/all", scratch("lost")), 0);
    CHECK_ERROR(xent_output_open(scratch("lost"), true, &output, &error), XENT_ERROR_IO, &error, "lost: cannot write");
    CU_ASSERT_EQUAL(symlink("ring", scratch("ring")), 0);
    CHECK_ERROR(xent_output_open(scratch("ring"), true, &output, &error), XENT_ERROR_IO, &error, "ring: cannot write");
    CU_ASSERT_EQUAL(count_files(".tmp"), 0);
}

/* What a handler does before it ends the process: the temporary names are gone, and nothing is committed any more. In a
 * child, whose outputs are its own: abandoning is for good. */
static void abandoned(void) {
    struct xent_error error;
    struct xent_output *done, *open_[2];
    CHECK_OK(xent_output_open(scratch("done"), false, &done, &error));
    CHECK_OK(xent_output_commit(done, &error));
    for (int turn = 0; turn < 40; turn++) { /* names are given back: more outputs than can be pending at a time */
        CHECK_OK(xent_output_open(scratch("turn"), false, &open_[0], &error));
        xent_output_abort(open_[0]);
    }
    pid_t child = fork();
    if (child == 0) {
        bool right = xent_output_open(scratch("first"), false, &open_[0], &error) == XENT_OK &&
                     xent_output_open(scratch("second"), false, &open_[1], &error) == XENT_OK &&
                     count_files(".tmp") == 2;
        xent_output_abandon();
        right = right && count_files(".tmp") == 0 && access(scratch("done"), F_OK) == 0;
        right = right && xent_output_commit(open_[0], &error) == XENT_ERROR_IO && access(scratch("first"), F_OK) != 0;
        xent_output_abort(open_[1]);
        _exit(right ? 0 : 1);
    }
    int status = -1;
    CU_ASSERT(child > 0 && waitpid(child, &status, 0) == child);
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(count_files(".tmp"), 0);
}

static void bad_outputs(void) {
    struct xent_output *output;
    struct xent_error error;
    static const struct {
        const char *path, *part;
    } cases[] = {{"", "cannot write"},
                 {"/", "cannot write: is a directory"},
                 {"/tmp", "/tmp: cannot write: is a directory"},
                 {"/nowhere/at/all", "/nowhere/at/all: cannot write: no such file"},
                 {"/dev/null/x", "cannot write: not a directory"},
                 {"/proc/none", "/proc/none: cannot write"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_ERROR(xent_check_writable(cases[i].path, &error), XENT_ERROR_IO, &error, cases[i].part);
        CHECK_ERROR(xent_output_open(cases[i].path, false, &output, &error), XENT_ERROR_IO, &error, cases[i].part);
    }
    CHECK_OK(xent_check_room(scratch("fresh"), 1 << 20, &error));
    CHECK_OK(xent_check_room("/dev/null", 1 << 20, &error));
    CU_ASSERT(access(scratch("fresh"), F_OK) != 0);
    CU_ASSERT_EQUAL(count_files(".tmp"), 0);
    CHECK_ERROR(xent_check_room(scratch("fresh"), UINT64_MAX, &error), XENT_ERROR_IO, &error, "fresh: cannot write");
    CHECK_ERROR(xent_check_room(scratch("fresh"), (uint64_t)1 << 60, &error), XENT_ERROR_IO, &error, "cannot write");
    CU_ASSERT(access(scratch("fresh"), F_OK) != 0);
    CU_ASSERT_EQUAL(count_files(".tmp"), 0);
    CHECK_ERROR(xent_check_writable("/dev/full", &error), XENT_ERROR_IO, &error,
                "/dev/full: cannot write: no space left");
    CHECK_OK(xent_output_open("/dev/full", false, &output, &error));
    CHECK_OK(xent_output_write(output, "x", 1, &error));
    CHECK_ERROR(xent_output_commit(output, &error), XENT_ERROR_IO, &error, "/dev/full: cannot write: no space left");
    CHECK_OK(xent_output_open("/dev/full", false, &output, &error));
    CHECK_OK(xent_output_write(output, "x", 1, &error));
    CHECK_ERROR(xent_output_flush(output, &error), XENT_ERROR_IO, &error, "/dev/full: cannot write: no space left");
    xent_output_abort(output);

    struct toy toy;
    struct xent_session *session;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    CHECK_OK(xent_session_create(&toy.model, &(struct xent_session_options){.threads = 1}, &session, &error));
    CHECK_OK(xent_parameters_save(session, scratch("sized"), false, &error));
    struct stat sized;
    CU_ASSERT(stat(scratch("sized"), &sized) == 0 && (uint64_t)sized.st_size == xent_parameters_bytes(&toy.model));
    CHECK_ERROR(xent_parameters_save(session, "/dev/full", true, &error), XENT_ERROR_IO, &error, "no space left");
    CHECK_OK(xent_parameters_save(session, "/dev/null", true, &error));
    xent_session_destroy(session);
}

/* A file that PyTorch's world wrote; XENT_ORACLE names a folder with mlp/init.safetensors. */
static void foreign(void) {
    const char *oracle = getenv("XENT_ORACLE");
    char path[4096];
    struct xent_safetensors *file;
    struct xent_error error;
    snprintf(path, sizeof path, "%s/mlp/init.safetensors", oracle ? oracle : "");
    if (!oracle || access(path, R_OK) != 0) {
        puts("    (skipped: XENT_ORACLE is not set)");
        return;
    }
    CHECK_OK(xent_safetensors_open(path, NULL, 0, &file, &error));
    const struct xent_stored_tensor *l1 = xent_safetensors_find(file, "l1.weight");
    CU_ASSERT_PTR_NOT_NULL_FATAL(l1);
    CU_ASSERT(file->count == 10 && l1->rank == 2 && l1->shape[0] == 512 && l1->shape[1] == 784);
    float *values = malloc(l1->elements * sizeof *values), most = 0;
    xent_stored_read(l1, values);
    for (uint64_t i = 0; i < l1->elements; i++)
        most = fmaxf(most, fabsf(values[i]));
    CU_ASSERT(most <= 1 / sqrtf(784) && most > 0.99f / sqrtf(784)); /* PyTorch's bound: 400,000 draws come near */
    free(values);
    xent_safetensors_close(file);
}

CU_ErrorCode add_checkpoint(void) {
    static const struct case_of cases[] = {{"wrong safetensors", wrong},
                                           {"right safetensors", right},
                                           {"parameters out and in", round_trip},
                                           {"files appear whole", outputs},
                                           {"files given up by a signal handler", abandoned},
                                           {"files that cannot be written", bad_outputs},
                                           {"a foreign file", foreign}};
    return add_suite("checkpoint", cases, sizeof cases / sizeof *cases);
}
