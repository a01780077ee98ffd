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
        for passes in plan_memory schedule,place_barriers,plan_memory; do
            check 0 opt a.xkr --passes=$passes -o b.xkr
            same a.xkr b.xkr
        done
        check 0 "$model" --entry=$entry --stop-after=lower
        grep -v '^# ---- ' out >lower.xkr
        check 0 opt lower.xkr --passes=schedule,place_barriers,plan_memory -o b.xkr
        [ "$(grep memory a.xkr)" = "$(grep memory b.xkr)" ] || fail "passes by hand need other memory"
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
    passes=$(sed '1,/Passes, in the order/d' out | sed -n 's/^  \([a-z_][a-z_]*\) .*/\1/p' |
        sed '/^select_entry$/d; /^append_updates$/q' | paste -sd,)
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
# Given data is checked where it is used as an index; what a guard lets through is not.
cat >gather.xkr <<'END'
program @g {
  data p: u8[4] slot 0
  data c: i32[4] slot 1
  data t: f32[9] slot 2
  arena y: f32[4] at 0
  kernel k(p: u8[4], c: i32[4], t: f32[9]) -> (y: f32[4]) {
    y[i] = where(c[i] != -7: t[c[i]]; 0.0) + t[i32(p[i]) * 2 + 1]
  }
  call k(p, c, t, y)
}
END
gather() { # STATUS NAME BYTES
    # shellcheck disable=SC2059
    printf "$3" >bytes
    for how in --interpret --threads=1; do
        check "$1" run gather.xkr --input "$2=bytes" $how
    done
}
for seed in 1 2 3; do check 0 run gather.xkr --seed $seed --interpret; done
gather 0 p '\0\001\002\003'
gather 1 p '\0\001\002\004'
says err 'bytes: element 3 of p is 4, but it is used as an index and must be from 0 to 3'
gather 0 c '\0\0\0\0\010\0\0\0\371\377\377\377\001\0\0\0'
gather 1 c '\0\0\0\0\011\0\0\0\371\377\377\377\001\0\0\0'
says err 'element 1 of c is 9' 'from 0 to 8'
gather 1 c '\0\0\0\0\010\0\0\0\372\377\377\377\001\0\0\0'
says err 'element 2 of c is -6'
sed '1a\  memory 99999999999999999' gather.xkr >big.xkr
check 1 run big.xkr
says err 'big.xkr:2:3: error: 99999999999999999 bytes'
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
