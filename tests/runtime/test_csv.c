#include "check.h"
#include "internal.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

static const struct xent_data_spec f32_class = {.dtype = XENT_F32, .rank = 1, .shape = {3}, .target = XENT_TARGET_CLASS,
                                                .classes = 4, .ignore_index = -100},
                                   u8_class = {.dtype = XENT_U8, .rank = 2, .shape = {1, 2},
                                               .target = XENT_TARGET_CLASS, .classes = 4, .ignore_index = -100},
                                   f32_prob = {.dtype = XENT_F32, .rank = 1, .shape = {2}, .target = XENT_TARGET_PROB,
                                               .classes = 2},
                                   f32_none = {.dtype = XENT_F32, .rank = 1, .shape = {2}},
                                   huge = {.dtype = XENT_F32, .rank = 3, .shape = {1 << 20, 1 << 20, 1 << 10}};

static enum xent_status load(const struct xent_data_spec *spec, const char *text, size_t size, unsigned flags,
                             struct xent_dataset **out, struct xent_error *error) {
    write_file(scratch("t.csv"), text, size);
    return xent_dataset_load_csv(spec, scratch("t.csv"), flags, out, error);
}

static void wrong(void) {
    static const struct {
        const struct xent_data_spec *spec;
        unsigned flags;
        const char *text, *part;
    } cases[] = {
        {&f32_class, 0, "", "t.csv: the file is empty"},
        {&f32_class, 0, "\n \n\r\n", "t.csv: the file is empty"},
        {&f32_class, XENT_CSV_HEADER, "a,b,c,d\n", "t.csv: there is no example behind the header"},
        {&f32_class, 0, "a,b,c,d\n1,2,3,0\n", "t.csv:1:1: field 1: \"a\" is no number"},
        {&f32_class, 0, "1,2,3,0\n1,2,0\n", "t.csv:2:6: 3 fields, but a row has 4: 3 of the input and 1 of the target"},
        {&f32_class, 0, "1,2,3,0\n1,2,3,0,5,6\n", "t.csv:2:9: 6 fields, but a row has 4"},
        {&f32_class, 0, "1,2,3,0,\n1,2,3,0\n", "t.csv:1:9: 5 fields, but a row has 4"},
        {&f32_class, 0, "1,2,3\n", "t.csv:1:6: 3 fields, but a row has 4"},
        {&f32_class, 0, ",,,\n", "t.csv:1:1: field 1: nothing is no number"},
        {&f32_class, 0, "1,,3,0\n", "t.csv:1:3: field 2: nothing is no number"},
        {&f32_class, 0, "1,2,3,0\n\n1,2,3,0\n", "t.csv:2:1: a blank line between examples"},
        {&f32_class, 0, "1,2,3,4\n",
         "t.csv:1:7: field 4: \"4\" is no class of example 0 (counted from 0): classes are 0 to 3"},
        {&f32_class, 0, "1,2,3,0\n1,2,3,-1\n", "t.csv:2:7: field 4: \"-1\" is no class of example 1"},
        {&f32_class, 0, "1,2,3,99999999999\n", "is no class of example 0"},
        {&f32_class, 0, "1,2,3,1.0\n", "\"1.0\" is no class index"},
        {&f32_class, 0, "1,2,3,nan\n", "\"nan\" is no class index"},
        {&f32_class, 0, "1;2;3;0\n", "1 field, but a row has 4"},
        {&f32_class, 0, "1,2 2,3,0\n", "t.csv:1:3: field 2: \"2 2\" is no number"},
        {&f32_class, 0, "1,2,3,0\n1,2\r2,3,0\n", "t.csv:2:4: a line ends in \\r alone, but lines end in"},
        {&f32_class, XENT_CSV_HEADER, "a,b,c,d\r1,2,3,0\r", "t.csv:1:8: a line ends in \\r alone"},
        {&f32_class, 0, "1,1e39,3,0\n", "t.csv:1:3: field 2: \"1e39\" is too large for f32"},
        {&f32_class, 0, "1,-1e999,3,0\n", "\"-1e999\" is too large for f32"},
        {&f32_class, 0, "1,0x1p3,3,0\n", "t.csv:1:3: field 2: \"0x1p3\" is no number"},
        {&f32_class, 0, "1,-0X1P-3,3,0\n", "\"-0X1P-3\" is no number"},
        {&f32_class, 0, "1,nan(),3,0\n", "\"nan()\" is no number"},
        {&f32_class, 0, "1,NaN(0x7),3,0\n", "\"NaN(0x7)\" is no number"},
        {&f32_class, 0, "1,infinit,3,0\n", "\"infinit\" is no number"},
        {&f32_class, 0, "1,1e,3,0\n", "\"1e\" is no number"},
        {&f32_class, 0, "1,1.2.3,3,0\n", "\"1.2.3\" is no number"},
        {&f32_class, 0, "1,--2,3,0\n", "\"--2\" is no number"},
        {&f32_class, 0, "1,.,3,0\n", "\".\" is no number"},
        {&f32_class, 0, "1,\"2,3,0\n", "t.csv:1:4: field 2: \"2,3,0\" has no closing quote"},
        {&f32_class, 0, "1,\"2\"x,3,0\n", "is followed by more than a comma"},
        {&f32_class, 0, "\xc3\xa4,2,3,0\n", "\"\xc3\xa4\" is no number"},
        {&f32_class, 0, "1,\xff\xfe,3,0\n", "\"\\xff\\xfe\" is no number"},
        {&f32_class, 0, "\"\xc3\xa4 1\",x,3,0\n", "t.csv:1:2: field 1"},
        {&u8_class, 0, "0,256,1\n", "t.csv:1:3: field 2: \"256\" is outside 0 to 255"},
        {&u8_class, 0, "0,-1,1\n", "\"-1\" is outside 0 to 255"},
        {&u8_class, 0, "0,1.0,1\n", "\"1.0\" is no integer"},
        {&u8_class, 0, "0,4294967296,1\n", "\"4294967296\" is outside 0 to 255"},
        {&f32_prob, 0, "1,2,0.5\n", "3 fields, but a row has 4: 2 of the input and one probability for each class"},
        {&f32_prob, 0, "1,2,0.5,p\n", "t.csv:1:9: field 4: \"p\" is no number"},
        {&f32_prob, 0, "1,2,0.5,nan\n", "t.csv:1:9: field 4: \"nan\" is no probability"},
        {&f32_prob, 0, "1,2,0,1\n1,2,inf,0\n", "t.csv:2:5: field 3: \"inf\" is no probability"},
        {&f32_prob, 0, "nan,inf,-0.25,1.25\n", "t.csv:1:9: field 3: \"-0.25\" is no probability"},
        {&f32_prob, 0, "1,2,1e-400,-1e-60\n", "t.csv:1:12: field 4: \"-1e-60\" is no probability"},
        {&f32_none, 0, "1,2,3\n", "3 fields, but a row has 2: 2 of the input (no target)"},
        {&huge, 0, "1,2,3\n", "3 fields, but a row has 1125899906842624"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct xent_dataset *dataset;
        struct xent_error error;
        CHECK_ERROR(load(cases[i].spec, cases[i].text, strlen(cases[i].text), cases[i].flags, &dataset, &error),
                    XENT_ERROR_DATA, &error, cases[i].part);
    }
    struct xent_dataset *dataset;
    struct xent_error error;
    CHECK_ERROR(load(&f32_class, "1,\0" "2,3,0\n", 9, 0, &dataset, &error), XENT_ERROR_DATA, &error,
                "\"\\x002\" is no number");
    CHECK_ERROR(xent_dataset_load_csv(&f32_class, scratch("absent.csv"), 0, &dataset, &error), XENT_ERROR_IO, &error,
                "absent.csv: cannot open: no such file");
    CHECK_ERROR(xent_dataset_load_csv(&f32_class, "", 0, &dataset, &error), XENT_ERROR_IO, &error,
                "cannot open: the name of the file is empty");
    CHECK_ERROR(xent_dataset_load_csv(&f32_class, scratch("."), 0, &dataset, &error), XENT_ERROR_IO, &error,
                "is a directory");
}

static void right(void) {
    static const char text[] = "\xef\xbb\xbf"
                               "a,b,c,d\r\n"
                               " 0.1 ,\t-2.5e-3,\" 7 \" , 3\r\n"
                               "nan,-inf,Infinity,\"-100\"\r\n"
                               "1.25E-1,123456789012345678901234567890,5e-324,+1\n"
                               "0.1234567890123456789,16777217,1e-60,0\n\n  \n";
    struct xent_dataset *d;
    struct xent_error error;
    CHECK_OK(load(&f32_class, text, sizeof text - 1, XENT_CSV_HEADER | XENT_CSV_EXACT, &d, &error));
    const float *x = d->inputs;
    const double *e = d->exact_inputs;
    CU_ASSERT(d->examples == 4 && d->elements == 3 && !d->probs && !d->exact_probs);
    CU_ASSERT(x[0] == 0.1f && e[0] == 0.1 && e[1] == -2.5e-3 && x[2] == 7);
    CU_ASSERT(isnan(x[3]) && x[4] == -INFINITY && e[5] == INFINITY);
    CU_ASSERT(e[6] == 0.125 && e[7] == 123456789012345678901234567890.0 && e[8] == 5e-324 && x[8] == 0);
    CU_ASSERT(e[9] == 0.1234567890123456789 && e[10] == 16777217 && x[10] == 16777216 && e[11] == 1e-60);
    CU_ASSERT(d->classes[0] == 3 && d->classes[1] == -100 && d->classes[2] == 1 && d->classes[3] == 0);
    CU_ASSERT(strstr(d->origin, "t.csv") != NULL);
    xent_dataset_destroy(d);

    CHECK_OK(load(&u8_class, "0,255,2\n7,8,-100", 16, XENT_CSV_EXACT, &d, &error));
    const unsigned char *u = d->inputs;
    CU_ASSERT(d->examples == 2 && u[0] == 0 && u[1] == 255 && u[2] == 7 && u[3] == 8 && d->exact_inputs[1] == 255);
    xent_dataset_destroy(d);

    CHECK_OK(load(&f32_prob, "1,2,0.25,0.75\n", 14, XENT_CSV_EXACT, &d, &error));
    CU_ASSERT(d->probs[0] == 0.25f && d->probs[1] == 0.75f && d->exact_probs[1] == 0.75 && !d->classes);
    xent_dataset_destroy(d);

    write_file(scratch("in.csv"), "1,2\n3,4\n", 8);
    CHECK_OK(xent_dataset_load_inputs(&f32_prob, scratch("in.csv"), 0, &d, &error));
    CU_ASSERT(d->examples == 2 && d->spec.target == XENT_TARGET_NONE && ((const float *)d->inputs)[3] == 4);
    xent_dataset_destroy(d);
}

/* The line below the message, and the mark below that. */
static void quotes(void) {
    static const struct {
        const char *text, *quote;
    } cases[] = {
        {"1,2,3,0\n1,two,3,0\r\n", "is no number\n    2 | 1,two,3,0\n      |   ^~~"},
        {"1,,3,0", "is no number\n    1 | 1,,3,0\n      |   ^"},
        {"1,2,3\n", "and 1 of the target\n    1 | 1,2,3\n      |      ^"},
        {"1,2,3,0\n\n1,2,3,0\n", "between examples\n    2 | \n      | ^"},
        {"\t1,\t\"x\",3,0\n", "is no number\n    1 |  1, \"x\",3,0\n      |      ^"},
        {"\"\xc3\xa4\",2,3,0\n", "is no number\n    1 | \"\xc3\xa4\",2,3,0\n      |  ^"},
        {"1,\xff\x1b,3,0\n", "is no number\n    1 | 1,\\xff\\x1b,3,0\n      |   ^~~~~~~~"},
        {"1,\"2,3,0\n", "has no closing quote\n    1 | 1,\"2,3,0\n      |    ^~~~~"},
    };
    struct xent_dataset *d;
    struct xent_error error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_ERROR(load(&f32_class, cases[i].text, strlen(cases[i].text), 0, &d, &error), XENT_ERROR_DATA, &error,
                    cases[i].quote);
        CU_ASSERT_STRING_EQUAL(error.message + strlen(error.message) - strlen(cases[i].quote), cases[i].quote);
    }
    /* a long line is cut on both sides, at characters */
    char text[4000], want[600];
    for (int odd = 0; odd < 2; odd++) {
        size_t used = 0;
        text[used++] = '1', text[used++] = ',';
        for (int i = 0; i < 800; i++)
            used += (size_t)sprintf(text + used, odd ? "\xc3\xa4" : " ");
        used += (size_t)sprintf(text + used, "%s", odd ? "x,3,0\n" : "bad,3,");
        for (int i = 0; !odd && i < 800; i++)
            text[used++] = ' ';
        CHECK_ERROR(load(&f32_class, text, used, 0, &d, &error), XENT_ERROR_DATA, &error, "t.csv:1:");
        const char *quote = strchr(error.message, '\n');
        CU_ASSERT_PTR_NOT_NULL_FATAL(quote);
        sprintf(want, "\n    1 | …%60sbad,3,%34s…\n      | %61s^~~", "", "", "");
        if (odd) {
            CU_ASSERT(!strncmp(quote, "\n    1 | 1,\xc3\xa4", 13) && strstr(quote, "\xc3\xa4…\n") &&
                      !strstr(quote, "\\x"));
            CU_ASSERT_EQUAL(strlen(strrchr(quote, '^')), 98); /* the rest of a window of 100 columns */
        } else {
            CU_ASSERT_STRING_EQUAL(quote, want);
        }
    }
}

/* Against strtod, for the short way (exact products) and the long one. */
static void numbers(void) {
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    for (uint64_t i = 0; i < 200000; i++) {
        uint32_t a = xent_random(2, XENT_RANDOM_INIT, 0, 2 * i), b = xent_random(2, XENT_RANDOM_INIT, 0, 2 * i + 1);
        char text[64];
        double have = 0;
        switch (i % 3) {
        case 0:
            snprintf(text, sizeof text, "%s%u.%ue%d", a & 1 ? "-" : "", a >> (b & 31), b >> (a & 31),
                     (int)(b % 61) - 30);
            break;
        case 1:
            snprintf(text, sizeof text, "%.*g", (int)(b % 19) + 1, (double)xent_uniform(a, 1e3f));
            break;
        default:
            snprintf(text, sizeof text, "%u%010u%s", a, b, b & 1 ? "e+3" : ".");
        }
        CU_ASSERT_EQUAL(rt_number_parse(text, strlen(text), c, &have), RT_NUMBER_OK);
        CU_ASSERT_EQUAL(have, strtod(text, NULL));
    }
    freelocale(c);
}

/* The decimal point is a point, whatever the program's locale says; there may be no other locale installed. */
static void locale(void) {
    struct xent_dataset *d;
    struct xent_error error;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        puts("    (no locale de_DE.UTF-8: run in C)");
    CHECK_OK(load(&f32_none, "1.5,12345678901234567890.25\n", 28, XENT_CSV_EXACT, &d, &error));
    CU_ASSERT(d->exact_inputs[0] == 1.5 && d->exact_inputs[1] == 12345678901234567890.25);
    xent_dataset_destroy(d);
    setlocale(LC_NUMERIC, "C");
}

CU_ErrorCode add_csv(void) {
    static const struct case_of cases[] = {{"wrong files", wrong},
                                           {"quoted lines", quotes},
                                           {"right files", right},
                                           {"numbers", numbers},
                                           {"locale", locale}};
    return add_suite("csv", cases, sizeof cases / sizeof *cases);
}
