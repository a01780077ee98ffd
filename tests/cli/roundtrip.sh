#!/bin/sh
# Every text that xentc writes, xentc reads, and writes again alike.
. "$SOURCE/tests/cli/lib.sh"

for net in mlp lenet; do
    model=$SOURCE/examples/$net.net
    check 0 "$model" --emit=ast -o a.net
    check 0 a.net --emit=ast -o b.net
    same a.net b.net
    check 0 "$model"
    says out "parameters" "FLOPs" "arena" "kernels" "compile time"
    for entry in forward eval step; do
        check 0 "$model" --entry=$entry --print-after=all
        rm -f stage.*
        awk '/^# ---- / { n++ } { print > ("stage." n) }' out
        stages=0
        for stage in stage.*; do
            stages=$((stages + 1))
            check 0 opt "$stage" --passes= -o once
            check 0 opt once --passes= -o twice
            same once twice
            grep -v '^# ---- ' "$stage" | sed '/^$/d' >written
            sed '/^$/d' once >read
            same written read
        done
        [ $stages -gt 8 ] || fail "only $stages stages"
        check 0 "$model" --entry=$entry --emit=kernels -o a.xkr
        check 0 opt a.xkr --passes= -o b.xkr
        same a.xkr b.xkr
        check 0 run a.xkr --emit=kernels -o b.xkr
        same a.xkr b.xkr
        check 0 "$model" --entry=$entry --emit=graph -o a.xir
        check 0 opt a.xir --passes= -o b.xir
        same a.xir b.xir
        check 0 "$model" --entry=$entry --emit=loops
        [ -s out ] || fail "no loops"
    done
    # Passes by hand make the same graph as the pipeline.
    check 0 "$model" --entry=step --stop-after=select_entry
    grep -v '^# ---- ' out >model.xir
    check 0 "$model" --entry=step --stop-after=append_updates
    grep -v '^# ---- ' out | sed '/^$/d' >wanted
    check 0 help opt
    passes=$(sed '1,/Passes, in the order/d' out | sed -n 's/^  \([a-z_][a-z_]*\) .*/\1/p' | sed '/^select_entry$/d; /^append_updates$/q' | paste -sd,)
    check 0 opt model.xir --entry=step --optimizer=momentum --passes=$passes
    sed '/^$/d' out >got
    same wanted got
    check 0 "$model" --emit=llvm
    says out "define"
    check 0 "$model" --emit=asm -o a.s
    [ -s a.s ] || fail "no assembly"
    check 0 "$model" --emit=obj -o a.o
    check 0 "$model" --emit=obj -o b.o
    same a.o b.o
done

# A kernel program gives the same by machine code, by the interpreter and with any schedule.
cat >small.net <<'END'
net 1
model small {
    input  x : u8[1, 7, 7]
    target y : class[3]
    c = x |> to_float |> conv2d(5, kernel = 3) |> relu |> max_pool2d(2)
    z = c |> flatten |> linear(3)
    output z
    loss cross_entropy(z, y)
}
train { optimizer = sgd(lr = 0.1, momentum = 0.9) batch = 17 }
END
for entry in forward eval step; do
    check 0 small.net --entry=$entry --emit=kernels -o a.xkr
    for live in 17 1 5; do
        check 0 run a.xkr --seed 3 --interpret --set live=$live
        cp out wanted
        says wanted hash
        check 0 run a.xkr --seed 3 --set live=$live --threads 1
        same wanted out
        check 0 run a.xkr --seed 3 --set live=$live --threads 3
        same wanted out
        for seed in 1 2 3 4 5; do
            check 0 run a.xkr --seed 3 --set live=$live --threads 2 --schedule=random:$seed
            same wanted out
        done
    done
done
check 2 run a.xkr --set nothing=1
check 2 run a.xkr --schedule=fast
check 1 run a.xkr --input nothing=a.xkr
check 1 run missing.xkr
says err missing.xkr
echo 'graph @a { %x : f32[N] = nothing }' >bad.xir
check 1 opt bad.xir --passes=
says err bad.xir nothing
echo 'kernel {' >bad.xkr
check 1 run bad.xkr
says err bad.xkr
finish
