/* What several passes do to a graph. Private to passes/. */
#ifndef XENT_REWRITE_H
#define XENT_REWRITE_H

#include "graph.h"
#include "map.h"

/* `node` takes over names, uses, origin and span of `old`, which goes. Both have the same outputs, or `node` has one
 * and `old` has one. */
void rewrite_node(struct graph *graph, struct node *old, struct node *node);
/* Removes every node that no result needs. True when there was one. */
bool remove_dead_nodes(struct graph *graph);
/* Whether a node overwrites its inputs, or a leaf is a state: the graph has its updates. */
bool has_updates(const struct graph *graph);
/* The shape rule of a node that a pass made: cannot fail. */
void infer_node(struct graph *graph, struct node *node);

#endif
