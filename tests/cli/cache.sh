#!/bin/sh
# Machine code kept between runs: the same losses with it and without, whatever happens to the folder.
. "$SOURCE/tests/cli/lib.sh"

cat >m.net <<'END'
net 1
model m {
    input  x : f32[9]
    target y : class[3]
    h = x |> linear(33) |> relu
    z = h |> linear(3)
    output z
    loss   cross_entropy(z, y)
    metric accuracy(z, y)
}
data  { source = csv(train = "train.csv", test = "train.csv") }
train { optimizer = sgd(lr = 0.05, momentum = 0.9) batch = 8 epochs = 1 seed = 5 }
END
table 50 9 3 f32 >train.csv
objects=$XDG_CACHE_HOME/xent/objects

losses() { # FILE ARGUMENT…
    log=$1
    shift
    check 0 train m.net --save none --quiet --steps 6 --step-log "$log" "$@"
}
entries() { # COUNT
    checks=$((checks + 1))
    count=$(find "$objects" -name '*.xo' 2>/dev/null | wc -l)
    [ "$count" -eq "$1" ] || fail "$count entries, not $1"
}
cached() { # yes|no
    check 0 m.net
    checks=$((checks + 1))
    if grep -q '^compile time .*(cached)' out; then is=yes; else is=no; fi
    [ $is = "$1" ] || fail "cached: $is, not $1"
}

losses right.csv --no-cache
losses interpreted.csv --interpret
same right.csv interpreted.csv
entries 0
check 0 cache stat
says out "$objects" "objects     0" "of at most 268435456"
check 0 cache clear
says out "removed 0 objects"
absent "$objects"
losses miss.csv
entries 1
losses hit.csv
entries 1
same right.csv miss.csv hit.csv
cached no
cached yes
check 0 m.net --no-cache
if grep -q cached out; then fail "--no-cache uses it"; fi
check 0 m.net --batch 9 # other code
if grep -q cached out; then fail "another batch is taken from the cache"; fi
check 0 m.net --cpu x86-64-v3
if grep -q cached out; then fail "another processor is taken from the cache"; fi
check 0 cache stat
says out "unfinished  0"
[ "$(stat -c %a "$objects")" = 700 ] || fail "others may look into the folder"
check 0 cache clear
says out "removed" "bytes"
entries 0
cached no
cached yes

# All that train, eval and predict compute comes from the same code.
check 0 train m.net --quiet --save w.safetensors
check 0 eval m.net --weights w.safetensors --json
cp out first
check 0 eval m.net --weights w.safetensors --json
same first out
check 0 eval m.net --weights w.safetensors --json --no-cache
same first out

# Damage: the code is made anew, and the entry replaced.
for entry in "$objects"/*.xo; do
    size=$(stat -c %s "$entry")
    for at in 0 9 41 50 100 $((size / 3)) $((size / 2)) $((size - 1)); do
        printf '\245' | dd of="$entry" bs=1 seek="$at" conv=notrunc 2>/dev/null
    done
done
cached no
losses damaged.csv
cached yes
for entry in "$objects"/*.xo; do
    : >"$entry"
done
losses empty.csv
for entry in "$objects"/*.xo; do
    head -c 1000 "$entry" >short && cat short >"$entry"
done
losses short.csv
first=$(find "$objects" -name '*.xo' | sort | head -n 1)
for entry in "$objects"/*.xo; do # a whole entry of other programs
    [ "$entry" = "$first" ] || cat "$first" >"$entry"
done
losses foreign.csv
losses again.csv
same right.csv damaged.csv empty.csv short.csv foreign.csv again.csv

# Several at once, from nothing.
rm -rf "$objects"
pids=
for i in 1 2 3 4; do
    "$XENTC" train m.net --save none --quiet --steps 6 --step-log "c$i.csv" >"c$i.out" 2>&1 &
    pids="$pids $!"
done
for pid in $pids; do
    checks=$((checks + 1))
    wait "$pid" || fail "one of several at once fails"
done
same right.csv c1.csv c2.csv c3.csv c4.csv
entries 1

# No folder, no place, no permission, no room: no cache, and no word about it.
quiet_run() {
    losses "$1"
    [ ! -s err ] || fail "a cache that does not work is talked about"
    same right.csv "$1"
}
kept=$XDG_CACHE_HOME
: >file
for place in "$folder/file" /proc/none /dev/null/x; do
    XDG_CACHE_HOME=$place
    quiet_run none.csv
    check 0 cache stat
    says out "objects     0"
    check 0 cache clear
done
XDG_CACHE_HOME=$folder/locked
mkdir -p locked/xent/objects
chmod 500 locked/xent/objects
quiet_run locked.csv
chmod 777 locked/xent/objects # anybody may write: not to be trusted
quiet_run shared.csv
check 0 cache stat
says out "locked/xent/objects (not used: no folder of this user's alone)"
check 1 cache clear
says err "locked/xent/objects is not used, nor cleared"
[ "$(id -u)" -eq 0 ] || [ -z "$(find locked -name '*.xo')" ] || fail "written into a locked folder"
cached no
cached no
XDG_CACHE_HOME=$folder/small
XENT_CACHE_MB=0
export XENT_CACHE_MB
quiet_run small.csv
cached no
cached no
XENT_CACHE_MB=256M
check 0 cache stat
says err 'XENT_CACHE_MB is "256M", no whole number of MiB: it counts as 256'
says out "of at most 268435456"
unset XENT_CACHE_MB
XDG_CACHE_HOME=$folder/limited
checks=$((checks + 1))
(
    ulimit -f 4
    exec "$XENTC" m.net >limited.out 2>&1
) || fail "a limit on files ends the run"
[ -z "$(find limited -name '*.xo' -o -name 'new-*')" ] || fail "something was written beyond the limit"
unset XDG_CACHE_HOME
(
    unset HOME
    exec "$XENTC" train m.net --save none --quiet --steps 6 --step-log homeless.csv
) || fail "without HOME nothing works"
same right.csv homeless.csv
checks=$((checks + 1))
(
    unset HOME
    "$XENTC" cache stat 2>err
) >out && fail "a cache without a folder has a state"
says err "HOME"
HOME=$folder/home losses home.csv
same right.csv home.csv
[ -n "$(find home/.cache/xent/objects -name '*.xo')" ] || fail "HOME is not used"
XDG_CACHE_HOME=$kept
export XDG_CACHE_HOME

# Killed at any moment, often while it writes: later runs are right.
times=20
[ -z "${XENT_THOROUGH:-}" ] || times=200
i=0
while [ $i -lt $times ]; do
    i=$((i + 1))
    rm -f "$objects"/*.xo
    ls "$objects" >before
    "$XENTC" train m.net --save none --quiet --steps 6 >killed.out 2>&1 &
    pid=$!
    if [ $((i % 4)) -eq 0 ]; then
        sleep "0.0$((i * 37 % 90 + 10))"
    else
        while kill -0 $pid 2>/dev/null && ls "$objects" | cmp -s - before; do :; done
    fi
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    losses after.csv
    losses later.csv
    same right.csv after.csv later.csv
done
touch -d '2 hours ago' "$objects/new-0000000000000000"
rm -f "$objects"/*.xo
cached no
absent "$objects/new-0000000000000000"
check 0 cache clear
[ -z "$(ls "$objects")" ] || fail "cache clear leaves something"
finish
