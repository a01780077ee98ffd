#!/bin/sh
# Every case of PyTorch's cross_entropy.json.
. "$SOURCE/tests/cli/lib.sh"
[ -d "${XENT_ORACLE:-}" ] || skip "XENT_ORACLE is not set"
"$ORACLE_CASES" "$XENTC" "$XENT_ORACLE/cross_entropy.json" >out 2>err || fail "cases differ"
cat out
finish
