#!/bin/sh
# The programs that embed the library: the compiler, and an object without it, give the same numbers.
. "$SOURCE/tests/cli/lib.sh"

# 100 made-up images of 28 by 28, as MNIST's files.
mkdir data
printf '\0\0\010\003\0\0\0\144\0\0\0\034\0\0\0\034' >data/train-images-idx3-ubyte
LC_ALL=C awk 'BEGIN { x = 7
    for (i = 0; i < 78400; i++) { x = (x * 1103515245 + 12345) % 2147483648; printf "%c", 32 + int(x / 65536) % 95 } }' \
    >>data/train-images-idx3-ubyte
printf '\0\0\010\001\0\0\0\144' >data/train-labels-idx1-ubyte
for i in 1 2 3 4 5 6 7 8 9 10; do printf '\0\001\002\003\004\005\006\007\010\011' >>data/train-labels-idx1-ubyte; done

embedded() { # STEPS DATA
    "$EMBED" "$SOURCE/examples/mlp.net" "$@" >compiled 2>err || fail "embed ends with an error: $(cat err)"
    says compiled "$1 steps, loss" "example 2: first output" "class"
    "$EMBED_OBJECT" "$@" >object 2>err || fail "embed_object ends with an error: $(cat err)"
    same compiled object
}
embedded 2 data
embedded 1 data
[ -z "${XENT_DATA:-}" ] || embedded 20 "$XENT_DATA"

# Any batch, few examples, other targets.
printf 'net 1\nmodel m { input x : f32[2] target y : prob[2] z = x |> linear(2) output z loss cross_entropy(z, y) }\n' >p.net
printf 'data { source = csv(train = "p.csv") } train { optimizer = sgd(lr = 0.1) batch = 1 }\n' >>p.net
printf '1,2,0.5,0.5\n3,4,0,1\n' >p.csv
"$EMBED" p.net 2 >out 2>err || fail "embed ends with an error: $(cat err)"
says out "2 steps, loss" "example 1: first output"
if grep -q 'example 2' out; then fail "embed predicts what is not there"; fi
"$EMBED" p.net 2 data >out 2>err && fail "embed accepts a folder beside csv"
says err "names its own files"
"$EMBED" missing.net >out 2>err && fail "embed accepts a missing file"
says err missing.net
[ "$(wc -l <"$SOURCE/examples/embed.c")" -lt 60 ] || fail "embed.c has 60 lines or more"
finish
