/* Words of the text form, shared by printer and parser. */
#ifndef XENT_NAMES_H
#define XENT_NAMES_H

#include "graph.h"

extern const char *const dtype_names[]; /* by enum dtype */
extern const size_t dtype_count, result_role_count;

#endif
