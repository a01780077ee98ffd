#!/bin/sh
# The same bits for every number of threads, the interpreter and every CPU with FMA, for odd batches and a short last
# one; in inference for every batch.
. "$SOURCE/tests/cli/lib.sh"
XENT_CORES=8 # as many threads as it says below
export XENT_CORES

cat >conv.net <<'END'
net 1
model conv {
    input  x : u8[1, 9, 11]
    target y : class[5]
    c = x |> to_float |> normalize(mean = 0.4, std = 0.3) |> conv2d(3, kernel = 3, padding = 1) |> relu |> max_pool2d(2)
    d = c |> conv2d(7, kernel = [2, 3], stride = [1, 2]) |> relu
    e = d |> flatten |> linear(17) |> relu
    f = e |> linear(5)
    output f
    loss   cross_entropy(f, y, label_smoothing = 0.1)
    metric accuracy(f, y)
}
data  { source = csv(train = "conv.csv", test = "conv.csv") }
train { optimizer = sgd(lr = 0.05, momentum = 0.9, weight_decay = 0.001) batch = 33 epochs = 2 }
END
cat >dense.net <<'END'
net 1
model dense {
    input  x : f32[13]
    target y : class[3]
    h = x |> linear(37) |> relu |> linear(16) |> relu
    z = h |> linear(3)
    output z
    loss   z |> log_softmax |> nll(y)
    metric accuracy(z, y)
}
data  { source = csv(train = "dense.csv", test = "dense.csv") }
train { optimizer = sgd(lr = 0.05, momentum = 0.5) batch = 7 epochs = 2 }
END
cat >zeros.net <<'END'
net 1
model zeros {
    input  x : u8[1, 9, 11]
    target y : class[5]
    h = x |> to_float |> normalize(mean = 0.4, std = 0.3) |> flatten |> linear(83) |> relu
    z = h |> linear(5)
    output z
    loss   cross_entropy(z, y)
    metric accuracy(z, y)
}
data  { source = csv(train = "zeros.csv", test = "zeros.csv") }
train { optimizer = sgd(lr = 0.05, momentum = 0.9) batch = 50 epochs = 2 }
END
table 101 99 5 >conv.csv
table 101 99 5 zeros >zeros.csv
table 101 13 3 f32 >dense.csv

for net in conv dense zeros; do
    for batch in 1 5 7 20 33 65; do
        steps=$((101 / batch + 2))
        set -- train $net.net --set train.batch=$batch --steps $steps
        check 0 "$@" --threads 1 --step-log 1.csv --save 1.safetensors
        for threads in 2 3 7; do
            check 0 "$@" --threads $threads --step-log 2.csv --save 2.safetensors
            same 1.csv 2.csv
            same 1.safetensors 2.safetensors
        done
        [ $batch != 1 ] || steps=20
        set -- train $net.net --set train.batch=$batch --steps $steps
        check 0 "$@" --threads 1 --step-log 1.csv --save 1.safetensors
        check 0 "$@" --interpret --step-log 2.csv --save 2.safetensors
        same 1.csv 2.csv
        same 1.safetensors 2.safetensors
        for cpu in x86-64-v3 x86-64-v4 znver4; do
            timeout 60 "$XENTC" "$@" --cpu $cpu --step-log 2.csv --save 2.safetensors >out 2>err || {
                grep -q "cannot run" err || fail "$net for $cpu: $(cat err)"
                continue
            }
            same 1.csv 2.csv
            same 1.safetensors 2.safetensors
        done
        # Hosts without FMA have an arithmetic of their own, the interpreter's of that kind.
        if [ "$(uname -m)" = x86_64 ]; then
            check 0 "$@" --cpu x86-64 --threads 2 --step-log 3.csv --save 3.safetensors
            check 0 "$@" --cpu x86-64 --interpret --step-log 4.csv --save 4.safetensors
            same 3.csv 4.csv
            same 3.safetensors 4.safetensors
        fi
    done
    check 0 train $net.net --quiet --save w.safetensors
    check 0 eval $net.net --weights w.safetensors --dump first.json --json
    cp out first
    for batch in 1 2 3 5 7 16 20 63 64 65 200; do
        check 0 eval $net.net --weights w.safetensors --dump d.json --json --batch $batch --threads 2
        same first out
        same first.json d.json
    done
    check 0 eval $net.net --weights w.safetensors --dump d.json --json --interpret --batch 17
    same first out
    same first.json d.json
    sed 's/,[^,]*$//' $net.csv >inputs.csv
    check 0 predict $net.net --weights w.safetensors --json inputs.csv
    cp out first
    [ "$(wc -l <first)" -eq 101 ] || fail "not one prediction a row"
    for batch in 1 7 64 101; do
        check 0 predict $net.net --weights w.safetensors --json --batch $batch inputs.csv
        same first out
    done
    check 0 predict $net.net --weights w.safetensors inputs.csv
    says out "inputs.csv:1: class " "inputs.csv:101: class "
    check 0 eval $net.net --weights w.safetensors --json
    compiled=$(number out loss)
    check 0 eval $net.net --weights w.safetensors --json --reference
    near "$compiled" "$(number out loss)" 1e-5
done
finish
