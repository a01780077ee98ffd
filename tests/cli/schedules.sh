#!/bin/sh
# Schedules from a file: what --emit=schedules prints reads back; other schedules give other loops and the same bits;
# each mistake has its message and its place.
. "$SOURCE/tests/cli/lib.sh"
cat >m.net <<'EOF'
net 1
model m {
    input  x : f32[1, 9, 9]
    target y : class[3]
    c = x |> conv2d(5, kernel = 3, padding = 1) |> relu |> max_pool2d(2)
    l = c |> flatten |> linear(20) |> relu
    z = l |> linear(3)
    output z
    loss   cross_entropy(z, y)
}
data  { source = csv(train = "train.csv") }
train { optimizer = sgd(lr = 0.05, momentum = 0.9) batch = 16 epochs = 2 }
EOF
table 50 81 3 f32 >train.csv

# One prints, edits, reads back.
check 0 m.net --emit=schedules -o derived.txt
check 0 m.net --emit=kernels -o derived.xkr
check 0 m.net --emit=kernels --schedules derived.txt -o again.xkr
same derived.xkr again.xkr
[ "$(grep -c '^kernel ' derived.txt)" -eq "$(grep -c '^  kernel ' derived.xkr)" ] ||
    fail "not a schedule for every kernel"
check 0 m.net --emit=schedules --schedules derived.txt
same derived.txt out
check 0 run derived.xkr --emit=schedules
same derived.txt out

# No schedule changes a bit: plain loops, everything on one thread; odd tiles; other lanes.
sed 's/{ schedule.*}/{ schedule }/' derived.txt >plain.txt
sed 's/\([a-z]\) [0-9][0-9]*/\1 3/g' derived.txt >odd.txt
sed 's/{ schedule lanes \([a-z]*\).*}/{ schedule lanes \1 }/; /^kernel l /s/lanes m/lanes n/' derived.txt >lanes.txt
sed 's/; cold }/ }/; s/ }$/; cold }/' derived.txt >cold.txt
check 0 train m.net --threads 2 --quiet --save derived.safetensors --step-log derived.csv --no-cache
for name in plain odd lanes cold; do
    check 0 m.net --emit=kernels --schedules $name.txt -o $name.xkr
    cmp -s derived.xkr $name.xkr && fail "$name.txt changes nothing"
    check 0 m.net --emit=schedules --schedules $name.txt -o $name.again
    check 0 m.net --emit=schedules --schedules $name.again
    same $name.again out
    check 0 train m.net --threads 2 --quiet --save $name.safetensors --step-log $name.csv --schedules $name.txt
    same derived.safetensors $name.safetensors
    same derived.csv $name.csv
done

# Where thread 0 is alone it meets nobody, and later schedules cannot call others in.
grep -q '^  barrier$' derived.xkr || fail "threads share kernels and meet nowhere"
grep -q '^  barrier$' plain.xkr && fail "a barrier between kernels of one thread"
check 1 opt plain.xkr --passes schedule --schedules derived.txt
says err "was thread 0's alone"
check 0 opt plain.xkr --passes schedule --schedules plain.txt
sed 's/^  call /  barrier\n&/' plain.xkr >met.xkr
check 0 opt met.xkr --passes schedule --schedules derived.txt

# What takes little of the time is cold, what takes most of it never.
check 0 "$SOURCE/examples/mlp.net" --emit=schedules
grep -q '^kernel loss .*; cold }$' out || fail "the loss of a large network is not cold"
grep -q '^kernel l1\(.update\|\) .*; cold }$' out && fail "the first layer is cold"
check 0 "$SOURCE/examples/lenet.net" --emit=schedules
grep -q '^kernel conv\(1\|1.weight.grad.each\|2\|2.dx\|2.update\) .*; cold }$' out && fail "a convolution is cold"

# The object cache tells them apart: each has code of its own, and finds it.
check 0 bench m.net --schedules plain.txt --steps 3 --threads 1 --json
says out '"cached_ms":'
check 0 cache stat
cp out before
check 0 train m.net --threads 1 --quiet --save none --schedules plain.txt
check 0 cache stat
same before out
check 0 train m.net --threads 1 --quiet --save none
check 0 cache stat
cmp -s before out && fail "derived schedules found the code of others"

# Passes by hand.
check 0 m.net --emit=graph --stop-after=fuse -o m.xir
check 0 opt m.xir --passes=lower,schedule --batch 16 --optimizer momentum --schedules plain.txt
says out "    schedule
"
check 0 opt m.xir --passes= --schedules plain.txt

mistake() { # TEXT MESSAGE…
    printf '%s\n' "$1" >wrong.txt
    shift
    check 1 m.net --emit=kernels --schedules wrong.txt
    [ ! -s out ] || fail "a wrong schedule prints kernels"
    says err "$@"
}
mistake 'kernel k { schedule lanes m }' 'wrong.txt:1:8: error: there is no kernel k'
mistake 'kernel l.dy { schedule lanes m }' 'wrong.txt:1:8: error: there is no kernel l.dy' 'did you mean'
mistake 'kernel l {
    schedule lanes mm; tile n 6 }' \
    'wrong.txt:2:20: error: kernel l: the schedule names mm, which is no index of the kernel' 'did you mean'
mistake 'kernel l { schedule tile n 6, o 4 }' 'wrong.txt:1:31: error: kernel l: the schedule names o, which is no index'
mistake 'kernel l { schedule order n, m, n }' 'wrong.txt:1:33: error: kernel l: the schedule names n twice in its order'
mistake 'kernel l { schedule parallel n, n }' 'wrong.txt:1:33: error: kernel l: the schedule names n twice in its parallel'
mistake 'kernel l { schedule unroll k, k }' 'wrong.txt:1:31: error: kernel l: the schedule names k twice in its unroll'
mistake 'kernel l { schedule tile n 2, n 3 }' 'wrong.txt:1:31: error: kernel l: the schedule names n twice in its tile'
mistake 'kernel l { schedule parallel q }' 'wrong.txt:1:30: error: kernel l: the schedule names q, which is no index'
mistake 'kernel l { schedule unroll q }' 'wrong.txt:1:28: error: kernel l: the schedule names q, which is no index'
mistake 'kernel l { schedule prefetch q }' 'wrong.txt:1:30: error: kernel l: the schedule names q, which is no buffer'
mistake 'kernel l { schedule tile n 0 }' \
    'wrong.txt:1:26: error: kernel l: the size 0 of n in the schedule is not between 1 and 2147483647'
mistake 'kernel l { schedule tile n 20, m 16; unroll k; lanes k }
kernel conv { schedule }' 'wrong.txt:1:8: error: kernel l: its tiles and unrolled sums are too large'
mistake 'kernel l { schedule lanes }' 'wrong.txt:1:27: error: expected an index variable, not "}"'
mistake 'kernel l { schedule tile n }' 'wrong.txt:1:28: error: expected a size, not "}"'
mistake 'kernel l { schedule lane m }' 'wrong.txt:1:21: error: expected lanes, tile' 'did you mean "lanes"?'
mistake 'kernel l { schedule lanes m' 'expected "}" behind the schedule, but the text ends here'
mistake 'kernel l { lanes m }' 'wrong.txt:1:12: error: expected schedule, not "lanes"'
mistake 'kernel l { schedule lanes m; tile n 6 } x' 'wrong.txt:1:41: error: expected kernel NAME {, not "x"'
mistake 'kernel l { schedule } kernel l { schedule lanes m }' 'wrong.txt:1:30: error: kernel l has a schedule already'
mistake 'kernels { }
kernel { schedule }
kernel l schedule' 'wrong.txt:1:1: error: expected kernel NAME {, not "kernels"' \
    "wrong.txt:2:8: error: expected a kernel's name" \
    'wrong.txt:3:10: error: expected "{" before the schedule'
printf 'kernel l \377' >wrong.txt
check 1 m.net --schedules wrong.txt
says err 'wrong.txt:1:10: error: '
check 1 m.net --schedules nowhere.txt
says err nowhere.txt
check 2 m.net --emit=schedules --schedules derived.txt -o derived.txt
says err '-o derived.txt would overwrite --schedules derived.txt'
check 2 eval m.net --schedules derived.txt
says err '--schedules is no option of eval'
: >empty.txt
check 0 m.net --emit=kernels --schedules empty.txt
same derived.xkr out

# A batch has places for whole panels: of 16 examples, of 8 with vectors of 8 lanes, and of 8 where no more are there.
places() { # CPU, batch, places
    check 0 m.net --emit=kernels --cpu "$1" --batch "$2"
    says out "pick: i32[$3]"
}
if [ "$(uname -m)" = x86_64 ]; then
    places x86-64-v4 50 64
    places x86-64-v3 50 56
    places x86-64-v4 16 16
    places znver4 8 8
    places x86-64-v3 8 8
    check 0 m.net --emit=kernels --cpu znver4 --batch 8
    says out "the batch in the lanes" "schedule lanes m 8; tile"
    check 0 m.net --emit=kernels --cpu znver4 --batch 3
    says out "features in the lanes"
fi
finish
