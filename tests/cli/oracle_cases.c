/* Every case of PyTorch's cross_entropy.json through `xentc eval`, loss and gradient, by kernels and by --reference.
 * Usage: oracle_cases XENTC cross_entropy.json. Works in the current folder. */
#include <cJSON.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void fail(const char *note, const char *what, double got, double wanted)
{
    if (failures++ < 30)
        printf("FAILED: %s: %s is %.17g, not %.17g\n", note, what, got, wanted);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    if (text && fread(text, 1, (size_t)size, file) != (size_t)size)
        text[0] = '\0';
    fclose(file);
    return text;
}

static double number(const cJSON *item)
{
    return cJSON_IsNumber(item) ? item->valuedouble : cJSON_IsString(item) ? strtod(item->valuestring, NULL) : NAN;
}

static void write_case(const cJSON *test)
{
    const cJSON *options = cJSON_GetObjectItem(test, "options"), *option;
    const cJSON *logits = cJSON_GetObjectItem(test, "logits"), *target = cJSON_GetObjectItem(test, "target");
    int classes = cJSON_GetArraySize(cJSON_GetArrayItem(logits, 0));
    bool probs = cJSON_IsArray(cJSON_GetArrayItem(target, 0));
    FILE *net = fopen("case.net", "w"), *csv = fopen("case.csv", "w");
    if (!net || !csv)
        abort();
    fprintf(net, "net 1\nmodel m {\n input z : f32[%d]\n target y : %s[%d]\n output z\n loss cross_entropy(z, y",
            classes, probs ? "prob" : "class", classes);
    cJSON_ArrayForEach(option, options) {
        char *value = cJSON_IsString(option) ? strdup(option->valuestring) : cJSON_PrintUnformatted(option);
        fprintf(net, ", %s = %s", option->string, value);
        free(value);
    }
    fprintf(net, ")\n}\ndata { source = csv(train = \"case.csv\") }\n");
    for (int i = 0; i < cJSON_GetArraySize(logits); i++) {
        const cJSON *row = cJSON_GetArrayItem(logits, i), *y = cJSON_GetArrayItem(target, i);
        for (int k = 0; k < classes; k++)
            fprintf(csv, "%.17g,", number(cJSON_GetArrayItem(row, k)));
        for (int k = 0; probs && k < classes; k++)
            fprintf(csv, "%.17g%s", number(cJSON_GetArrayItem(y, k)), k + 1 < classes ? "," : "\n");
        if (!probs)
            fprintf(csv, "%d\n", y->valueint);
    }
    if (fclose(net) || fclose(csv))
        abort();
}

/* A sum of terms of size `scale` is held to the tolerance of its largest term. */
static void hold(const char *note, const char *what, double got, double wanted, double tolerance, double scale)
{
    if (isnan(wanted) ? !isnan(got) : !(fabs(got - wanted) <= tolerance * fmax(fabs(wanted), scale)))
        fail(note, what, got, wanted);
}

static void check_case(const char *xentc, const cJSON *test, bool reference)
{
    const char *note = cJSON_GetObjectItem(test, "note")->valuestring;
    const cJSON *wanted = cJSON_GetObjectItem(test, "loss"), *gradient = cJSON_GetObjectItem(test, "grad_of_sum");
    double tolerance = reference ? 1e-12 : 1e-6;
    char command[4096], line[4096] = "";
    snprintf(command, sizeof command, "'%s' eval case.net --split train --json --dump dump.json%s", xentc,
             reference ? " --reference" : "");
    FILE *pipe = popen(command, "r");
    if (!pipe || !fgets(line, sizeof line, pipe))
        line[0] = '\0';
    if (!pipe || pclose(pipe) != 0) {
        fail(note, "exit status", 1, 0);
        return;
    }
    cJSON *result = cJSON_Parse(line);
    char *dump = read_file("dump.json"), *at = dump;
    double largest = 0, sum = 0;
    for (int i = 0; i < cJSON_GetArraySize(gradient); i++)
        for (int k = 0; k < cJSON_GetArraySize(cJSON_GetArrayItem(gradient, i)); k++)
            largest = fmax(largest, fabs(number(cJSON_GetArrayItem(cJSON_GetArrayItem(gradient, i), k))));
    for (int i = 0; i < cJSON_GetArraySize(gradient); i++) {
        cJSON *example = at ? cJSON_ParseWithOpts(at, (const char **)&at, false) : NULL;
        const cJSON *row = cJSON_GetArrayItem(gradient, i);
        const cJSON *got = cJSON_GetObjectItem(cJSON_GetObjectItem(example, "gradient"), "z");
        if (cJSON_GetArraySize(got) != cJSON_GetArraySize(row))
            fail(note, "length of the gradient", cJSON_GetArraySize(got), cJSON_GetArraySize(row));
        for (int k = 0; k < cJSON_GetArraySize(row); k++)
            hold(note, reference ? "reference gradient" : "gradient", number(cJSON_GetArrayItem(got, k)),
                 number(cJSON_GetArrayItem(row, k)), tolerance, largest);
        if (cJSON_IsArray(wanted)) {
            double loss = number(cJSON_GetArrayItem(wanted, i));
            sum += loss;
            hold(note, "example's loss", number(cJSON_GetObjectItem(example, "loss")), loss, tolerance, 0);
        }
        cJSON_Delete(example);
    }
    hold(note, reference ? "reference loss" : "loss", number(cJSON_GetObjectItem(result, "loss")),
         cJSON_IsArray(wanted) ? sum : number(wanted), tolerance, 0);
    cJSON_Delete(result);
    free(dump);
}

int main(int argc, char **argv)
{
    char *text = argc > 2 ? read_file(argv[2]) : NULL;
    cJSON *cases = text ? cJSON_Parse(text) : NULL;
    int count = cJSON_GetArraySize(cases);
    for (int i = 0; i < count; i++) {
        const cJSON *test = cJSON_GetArrayItem(cases, i);
        write_case(test);
        check_case(argv[1], test, false);
        check_case(argv[1], test, true);
    }
    cJSON_Delete(cases);
    free(text);
    printf("%d cases, %d failures\n", count, failures);
    return count == 0 || failures ? 1 : 0;
}
