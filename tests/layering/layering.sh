#!/bin/sh
# The layers of docs/internals.md: what each may include, what the runtime links, and that kernels and LLVM know no op.
. "$SOURCE/tests/cli/lib.sh"

# headers FOLDER…: the names of the headers that stand there.
headers() {
    for folder_ in "$@"; do
        for header in "$SOURCE/$folder_"/*.h; do
            [ ! -e "$header" ] || basename "$header"
        done
    done
}

# layer FOLDER ALLOWED…: every #include "x.h" is the layer's own or one of the allowed folders'.
layer() {
    layer_=$1
    checks=$((checks + 1))
    headers "$@" | sort -u >allowed
    find "$SOURCE/$layer_" -maxdepth 1 -name '*.[chly]' -exec \
        sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' {} + |
        sed 's|.*/||' | grep -v '\.def$' | grep -vE '^(parser|lexer|cpu_names)(\.tab)?\.h$' | sort -u >used
    comm -13 allowed used >wrong
    [ ! -s wrong ] || fail "$layer_ includes $(tr '\n' ' ' <wrong)"
}
layer lang/support
layer lang lang/support
layer compiler/ir lang/support
layer compiler/kernel lang/support
layer compiler/ops compiler/ir compiler/kernel lang/support
layer compiler/build lang lang/support compiler/ir compiler/ops compiler/kernel
layer compiler/passes compiler/ir compiler/ops compiler/kernel lang/support
layer compiler/llvm compiler/kernel lang/support
layer runtime runtime/include/xent
layer runtime/include/xent

# The ABI header is all that the compiler's inner layers may know of the runtime.
for inner in lang lang/support compiler/ir compiler/kernel compiler/ops compiler/build compiler/passes compiler/llvm; do
    checks=$((checks + 1))
    grep -nE '#[ ]*include <xent/' "$SOURCE/$inner"/*.[chly] 2>/dev/null | grep -v '<xent/model\.h>' >wrong
    [ ! -s wrong ] || fail "$inner includes more of the runtime than its ABI: $(head -n 1 wrong)"
done
checks=$((checks + 1))
grep -rnE '#[ ]*include [<"]llvm' "$SOURCE" --include='*.[chly]' |
    grep -vE "^$SOURCE/(compiler/llvm|tests/llvm|build[^/]*)/" >wrong
[ ! -s wrong ] || fail "LLVM outside compiler/llvm: $(head -n 1 wrong)"
checks=$((checks + 1))
grep -rnE '#[ ]*include "ast\.h"' "$SOURCE/compiler" --include='*.[ch]' |
    grep -vE "$SOURCE/compiler/(build|driver)/" >wrong
[ ! -s wrong ] || fail "a tree past compiler/build: $(head -n 1 wrong)"

# kernel/ and llvm/ name no op in a string or an identifier's beginning; words of arithmetic are not ops' names.
check 0 ops
sed -n 's/^  \([a-z][a-z0-9_]*\) .*/\1/p' out | grep -vxE 'add|input|param|state|target|gather|affine' >names
[ "$(wc -l <names)" -ge 20 ] || fail "xentc ops names too few ops"
checks=$((checks + 1))
grep -nwFf names "$SOURCE"/compiler/kernel/*.[ch] "$SOURCE"/compiler/llvm/*.[ch] >wrong
[ ! -s wrong ] || fail "an op's name below the graph: $(head -n 3 wrong)"

# The runtime needs neither the compiler nor LLVM: a program on it alone links, and no symbol is theirs.
checks=$((checks + 1))
nm -u "$RUNTIME" 2>/dev/null | grep -E ' (LLVM|lang_|graph_|kernel_|pass_|codegen_|build_|xent_comp)' >wrong
[ ! -s wrong ] || fail "the runtime wants $(head -n 3 wrong)"
checks=$((checks + 1))
ldd "$EMBED_OBJECT" 2>/dev/null | grep -iE 'llvm|cjson' >wrong
[ ! -s wrong ] || fail "embed_object links $(cat wrong)"
nm "$EMBED_OBJECT" | grep -E ' (LLVM[A-Z]|lang_|graph_|pass_|codegen_)' >wrong
[ ! -s wrong ] || fail "embed_object holds $(head -n 3 wrong)"
finish
