#!/bin/sh
# The programs that embed the library: the compiler, and an object without it, give the same numbers.
. "$SOURCE/tests/cli/lib.sh"
[ -n "${XENT_DATA:-}" ] || skip "XENT_DATA is not set"
"$EMBED" "$SOURCE/examples/mlp.net" 20 >compiled 2>err || fail "embed ends with an error: $(cat err)"
says compiled "20 steps, loss" "example 2: first logit"
"$EMBED_OBJECT" 20 >object 2>err || fail "embed_object ends with an error: $(cat err)"
same compiled object
"$EMBED" missing.net >out 2>err && fail "embed accepts a missing file"
says err missing.net
[ "$(wc -l <"$SOURCE/examples/embed.c")" -lt 60 ] || fail "embed.c has 60 lines or more"
finish
