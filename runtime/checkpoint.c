/* Parameters of a session in and out. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t largest_parameter(const struct xent_model *model) {
    uint64_t most = 1;
    for (uint32_t i = 0; i < model->states; i++)
        if (model->state[i].role == XENT_ROLE_PARAMETER && xent_tensor_elements(&model->state[i]) > most)
            most = xent_tensor_elements(&model->state[i]);
    return most;
}

/* --- Saving --- */

/* Escapes what JSON wants escaped; names are UTF-8 otherwise. */
static void put_name(FILE *out, const char *name) {
    fputc('"', out);
    for (const unsigned char *at = (const unsigned char *)name; *at; at++) {
        if (*at < 0x20)
            fprintf(out, "\\u%04x", *at);
        else if (*at == '"' || *at == '\\')
            fprintf(out, "\\%c", *at);
        else
            fputc(*at, out);
    }
    fputc('"', out);
}

static void put_header(FILE *out, const struct xent_model *model) {
    uint64_t offset = 0;
    const char *separator = "";
    fputc('{', out);
    for (uint32_t i = 0; i < model->states; i++) {
        const struct xent_tensor *tensor = &model->state[i];
        if (tensor->role != XENT_ROLE_PARAMETER)
            continue;
        uint64_t end = offset + xent_tensor_elements(tensor) * sizeof(float);
        fputs(separator, out);
        put_name(out, tensor->name);
        fputs(":{\"dtype\":\"F32\",\"shape\":[", out);
        for (uint32_t d = 0; d < tensor->rank; d++)
            fprintf(out, "%s%" PRId64, d ? "," : "", tensor->shape[d]);
        fprintf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset, end);
        offset = end;
        separator = ",";
    }
    fputc('}', out);
    while (ftell(out) % 8)
        fputc(' ', out);
}

static enum xent_status write_all(const struct xent_session *session, struct xent_output *output, const char *header,
                                  uint64_t header_size, float *values, struct xent_error *error) {
    const struct xent_model *model = session->model;
    enum xent_status status = xent_output_write(output, &header_size, sizeof header_size, error);
    if (!status)
        status = xent_output_write(output, header, header_size, error);
    for (uint32_t i = 0; !status && i < model->states; i++) {
        const struct xent_tensor *tensor = &model->state[i];
        if (tensor->role != XENT_ROLE_PARAMETER)
            continue;
        xent_session_get(session, tensor, values);
        status = xent_output_write(output, values, xent_tensor_elements(tensor) * sizeof *values, error);
    }
    return status;
}

/* The JSON, malloc'ed; NULL where memory is short. */
static char *make_header(const struct xent_model *model, size_t *size) {
    char *header = NULL;
    FILE *text = open_memstream(&header, size);
    if (!text)
        return NULL;
    put_header(text, model);
    bool made = !ferror(text);
    made = fclose(text) == 0 && made;
    if (made)
        return header;
    free(header);
    return NULL;
}

uint64_t xent_parameters_bytes(const struct xent_model *model) {
    size_t header_size;
    char *header = make_header(model, &header_size);
    if (!header)
        return 0;
    free(header);
    uint64_t bytes = sizeof(uint64_t) + header_size;
    for (uint32_t i = 0; i < model->states; i++)
        if (model->state[i].role == XENT_ROLE_PARAMETER)
            bytes += xent_tensor_elements(&model->state[i]) * sizeof(float);
    return bytes;
}

enum xent_status xent_parameters_save(const struct xent_session *session, const char *path, bool backup,
                                      struct xent_error *error) {
    size_t header_size = 0;
    uint64_t largest = largest_parameter(session->model);
    float *values = malloc(largest * sizeof *values);
    char *header = make_header(session->model, &header_size);
    struct xent_output *output;
    enum xent_status status = values && header ? xent_output_open(path, backup, &output, error)
                                               : rt_fail_memory(error, path, largest * sizeof *values);
    if (!status) {
        status = write_all(session, output, header, header_size, values, error);
        if (status)
            xent_output_abort(output);
        else
            status = xent_output_commit(output, error);
    }
    free(values);
    free(header);
    return status;
}

/* --- Loading --- */

static enum xent_status open_for_model(const char *path, const struct xent_model *model, struct xent_safetensors **out,
                                       struct xent_error *error) {
    struct xent_named_shape *expected = calloc(model->states + (size_t)1, sizeof *expected);
    if (!expected)
        return rt_fail_memory(error, path, model->states * sizeof *expected);
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->states; i++)
        if (model->state[i].role == XENT_ROLE_PARAMETER)
            expected[count++] = (struct xent_named_shape){model->state[i].name, model->state[i].rank,
                                                          model->state[i].shape};
    enum xent_status status = xent_safetensors_open(path, expected, count, out, error);
    free(expected);
    return status;
}

enum xent_status xent_parameters_load(struct xent_session *session, const char *path, struct xent_error *error) {
    const struct xent_model *model = session->model;
    struct xent_safetensors *file;
    enum xent_status status = open_for_model(path, model, &file, error);
    if (status)
        return status;
    float *values = NULL;
    uint64_t largest = largest_parameter(model);
    if (!(values = malloc(largest * sizeof *values)))
        status = rt_fail_memory(error, path, largest * sizeof *values);
    for (uint32_t i = 0; !status && i < model->states; i++) {
        if (model->state[i].role != XENT_ROLE_PARAMETER)
            continue;
        xent_stored_read(xent_safetensors_find(file, model->state[i].name), values);
        xent_session_set(session, &model->state[i], values);
    }
    if (!status)
        xent_session_reset_optimizer(session);
    free(values);
    xent_safetensors_close(file);
    return status;
}
