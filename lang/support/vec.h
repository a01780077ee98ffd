/* Growable arrays in an arena: `VEC(int) v = {0}; vec_push(arena, &v, 3); v.at[0]`. */
#ifndef XENT_SUPPORT_VEC_H
#define XENT_SUPPORT_VEC_H

#include "arena.h"

#define VEC(type)                                                                                                      \
    struct {                                                                                                           \
        type *at;                                                                                                      \
        size_t count, capacity;                                                                                        \
    }

#define vec_push(arena, vec, ...)                                                                                      \
    do {                                                                                                               \
        if ((vec)->count == (vec)->capacity) {                                                                         \
            size_t vec_size_ = sizeof *(vec)->at, vec_new_ = (vec)->capacity ? (vec)->capacity * 2 : 8;                \
            (vec)->at = arena_grow((arena), (vec)->at, (vec)->count * vec_size_, vec_new_ * vec_size_);                \
            (vec)->capacity = vec_new_;                                                                                \
        }                                                                                                              \
        (vec)->at[(vec)->count++] = (__VA_ARGS__);                                                                     \
    } while (0)

#endif
