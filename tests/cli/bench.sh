#!/bin/sh
# What `xentc bench` prints: every key, and numbers that are possible; no times are held against anything.
. "$SOURCE/tests/cli/lib.sh"
cat >m.net <<'EOF'
net 1
model m {
    input  x : f32[20]
    target y : class[3]
    z = x |> linear(40) |> relu |> linear(3)
    output z
    loss   cross_entropy(z, y)
}
data  { source = csv(train = "train.csv") }
train { optimizer = sgd(lr = 0.01) batch = 16 epochs = 1 }
EOF
table 100 20 3 f32 >train.csv

between() { # FILE KEY LOW HIGH
    checks=$((checks + 1))
    awk -v v="$(number "$1" "$2")" -v l="$3" -v h="$4" 'BEGIN { exit !(v != "" && v + 0 > l && v + 0 <= h) }' ||
        fail "$2 is $(number "$1" "$2"), not within $3 and $4"
}

# Each call of the step's program is a row, and what its kernel does is counted from its text.
check 0 bench m.net --json --steps 40 --threads 1
cp out step.json
[ "$(wc -l <step.json)" -eq 1 ] || fail "not one object"
[ ! -s err ] || fail "notes about data that is there"
keys=$(sed 's/"kernels":.*//' step.json | grep -o '"[a-z0-9_]*":' | tr -d '":' | tr '\n' ' ')
rates="gflops peak_gflops percent_of_peak percent_of_roofline compile_ms cached_ms peak_memory_bytes bandwidth_gbps "
expected="model threads batch s_epoch_p05 s_epoch_p50 us_p05 us_p50 $rates"
[ "$keys" = "$expected" ] || fail "the keys are $keys"
says step.json '"model":"m","threads":1,"batch":16,' '"kernels":[{"name":"batch","us_p05":'
sed 's/.*"kernels"://' step.json | tr '{' '\n' | grep name >rows
"$XENTC" m.net --emit=kernels --entry=step | grep -c '^  call' >calls
checks=$((checks + 1))
[ "$(wc -l <rows)" -eq "$(cat calls)" ] || fail "$(wc -l <rows) kernels, but $(cat calls) calls"
row='^"name":"[^"]*","us_p05":[0-9.e+-]+,"us_p50":[0-9.e+-]+,"flops":[0-9]+,"bytes":[0-9]+,"percent_of_roofline":[0-9.e+-]+\}'
[ "$(grep -cE "$row" rows)" -eq "$(cat calls)" ] || fail "a kernel's keys are wrong"
sed 's/"kernels":.*//' step.json >head.json
between head.json s_epoch_p05 0 60
between head.json s_epoch_p50 0 60
between head.json gflops 0 100000
between head.json peak_gflops 0.5 100000
between head.json percent_of_peak 0 130
between head.json percent_of_roofline 0 130
between head.json us_p05 0 60000000
between head.json compile_ms 0 60000
between head.json cached_ms 0 60000
between head.json peak_memory_bytes 1000000 4000000000
between head.json bandwidth_gbps 0.1 10000
tr '{' '\n' <step.json | sed -n 's/.*percent_of_roofline":\([0-9.e+-]*\).*/\1/p' >percents
checks=$((checks + 1))
awk '!($1 >= 0 && $1 <= 130) { bad = 1 } END { exit bad || !NR }' percents ||
    fail "kernels beyond their roofline: $(tr '\n' ' ' <percents)"
awk -v a="$(number head.json s_epoch_p05)" -v b="$(number head.json s_epoch_p50)" 'BEGIN { exit !(a <= b) }' ||
    fail "the 5th percentile is above the median"
# z = W h + b over 16 examples and 40 features: 2 * 3 * 16 * 40, whatever the machine.
says rows '"flops":3840,'

# An epoch is that of the data set: 7 steps of 16 for its 100 examples, 100 of one.
check 0 bench m.net --steps 20 --threads 2 --batch 1
says out "batch 1, 2 threads, on " train.csv "100 steps" "% of peak" "% roofline" "machine " " resident at most"
check 0 bench m.net --steps 20 --threads 2
says out "batch 16, 2 threads" ": 7 steps"

check 0 bench m.net --infer --json --steps 40 --threads 1 --no-cache
says out '"cached_ms":null'
keys=$(sed 's/"kernels":.*//' out | grep -o '"[a-z0-9_]*":' | tr -d '":' | tr '\n' ' ')
expected="model threads batch us_p05 us_p50 weight_bytes us_read_weights $rates"
[ "$keys" = "$expected" ] || fail "the keys of --infer are $keys"
says out '"batch":1,'
check 0 bench m.net --infer --steps 10 --threads 1 --batch 20
says out "m: forward, batch 20, 1 thread" "read once in"

# Random examples where the data is not there; not where it was named.
sed 's/train.csv/nowhere.csv/' m.net >n.net
check 0 bench n.net --steps 10 --threads 1
says err "random examples"
says out "on random examples" "3750 steps"
XENT_DATA=$folder HOME=$folder
export XENT_DATA HOME
check 0 bench "$SOURCE/examples/mlp.net" --steps 1 --threads 1
says err "random examples"
check 1 bench "$SOURCE/examples/mlp.net" --steps 1 --data ./nowhere
says err nowhere
echo 1,2,3 >broken.csv
check 1 bench m.net --set 'data.source=csv(train = "broken.csv")'
says err broken.csv
check 1 bench m.net --batch 101
says err "100 examples"
check 2 bench
says err "MODEL.net is missing"
check 2 bench m.net --seconds 0
says err "--seconds must be a whole number from 1 to 3600"
finish
