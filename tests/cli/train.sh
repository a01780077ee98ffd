#!/bin/sh
# What `xentc train` prints, logs and saves; how it ends.
. "$SOURCE/tests/cli/lib.sh"

cat >m.net <<'END'
net 1
model m {
    input  x : f32[5]
    target y : class[3]
    h = x |> linear(7) |> relu
    z = h |> linear(3)
    output z
    loss   cross_entropy(z, y)
    metric accuracy(z, y)
}
data  { source = csv(train = "train.csv", test = "test.csv") }
train { optimizer = sgd(lr = 0.05, momentum = 0.9) batch = 8 epochs = 3 log_every = 4 seed = 5 }
END
table 61 5 3 f32 >train.csv
table 20 5 3 f32 >test.csv

check 0 train m.net
[ "$(grep -cE '^\[epoch: [1-3],batch_id:(4|8)\] loss:  [0-9]+\.[0-9]{4}$' out)" -eq 6 ] ||
    fail "not six lines of mean losses"
[ "$(grep -cE '^Accuracy on test set:[0-9]+\.[0-9]{2}%$' out)" -eq 3 ] || fail "not three accuracies"
[ -s m.safetensors ] || fail "nothing was saved"
absent m.safetensors~
cp m.safetensors first.safetensors
check 0 train m.net --quiet
[ ! -s out ] && [ ! -s err ] || fail "--quiet prints"
same first.safetensors m.safetensors m.safetensors~

check 0 train m.net --json --save j.safetensors --step-log log.csv
same first.safetensors j.safetensors
[ "$(grep -c '"event":"epoch"' out)" -eq 3 ] || fail "not three epochs"
says out '"event":"start"' '"event":"log"' '"event":"saved"' '"event":"end"' '"reason":"epochs"'
epoch='^\{"event":"epoch","epoch":3,"loss":[0-9.e-]+,"test_loss":[0-9.e-]+,"test_accuracy":[01][0-9.]*,"seconds":[0-9.e-]+,"images_per_second":[0-9.e+]+\}$'
grep -qE "$epoch" out || fail "the epoch's event is not as documented"
loss=$(sed -n 's/.*"epoch":3,.*"test_loss":\([0-9.e-]*\),.*/\1/p' out)
accuracy=$(sed -n 's/.*"epoch":3,.*"test_accuracy":\([0-9.e-]*\),.*/\1/p' out)
[ "$(head -n 1 log.csv)" = step,loss ] || fail "the step log has no head"
[ "$(wc -l <log.csv)" -eq 25 ] || fail "the step log has not 24 steps"
tail -n +2 log.csv | awk -F, '{ if ($1 != NR || $2 !~ /^[0-9.e+-]+$/) exit 1 }' || fail "the step log's lines are wrong"
check 0 eval m.net --weights j.safetensors --json
near "$(number out loss)" "$loss" 0
near "$(number out accuracy)" "$accuracy" 0
check 0 train m.net --init j.safetensors --steps 1 --set train.optimizer.lr=1e-30 --save k.safetensors --quiet
check 0 eval m.net --weights k.safetensors --json
near "$(number out loss)" "$loss" 1e-6

check 0 train m.net --steps 1 --save none
says out 'ended after 1 step, loss'
check 1 train m.net --save none --set train.seed=99999999999999999
says err 'at most 9007199254740991'

# --steps ends in the middle of an epoch, without a test pass; the losses are the same.
check 0 train m.net --steps 10 --save none --step-log ten.csv
if grep -q 'Accuracy' out; then fail "--steps tests"; fi
head -n 11 log.csv >expected.csv
same expected.csv ten.csv
# Another order, another run; the files' order is not shuffled.
check 0 train m.net --steps 10 --save none --step-log other.csv --set train.seed=6
if cmp -s ten.csv other.csv; then fail "the seed changes nothing"; fi
check 0 train m.net --steps 10 --save none --step-log a.csv --no-shuffle
check 0 train m.net --steps 10 --save none --step-log b.csv --set train.shuffle=false
same a.csv b.csv
if cmp -s a.csv ten.csv; then fail "--no-shuffle changes nothing"; fi
absent none none.safetensors

# Written directly where the target is no regular file.
check 0 train m.net --quiet --save none --steps 2 --step-log /dev/stdout
says out step,loss 1, 2,
absent "/dev/stdout~"

# A loss that is not finite names the step; what was good is saved.
check 1 train m.net --set train.optimizer.lr=1e8 --save n.safetensors --step-log n.csv --quiet
says err "in step 4 (epoch 1)" "after 2 updates"
[ -s n.safetensors ] || fail "the last good weights were not saved"
check 0 eval m.net --weights n.safetensors --json
case $(number out loss) in *nan* | *inf* | '') fail "the saved weights are not good" ;; esac

# Where nothing was learned, weights that are there stay, and none appear.
echo kept >kept.safetensors
cp kept.safetensors kept
check 1 train m.net --set train.optimizer.lr=1e38 --save kept.safetensors --quiet
says err "after 0 updates" "nothing was learned: kept.safetensors is left as it was"
same kept kept.safetensors
absent kept.safetensors~
check 1 train m.net --set train.optimizer.lr=1e38 --save fresh.safetensors --quiet
says err "nothing was learned: fresh.safetensors is not written"
absent fresh.safetensors

# Targets that are all ignored hide weights that went bad: what is saved is good nevertheless. The update of the third
# row, the only one that counts, overflows.
sed 's/[0-9]*$/-100/; 3s/.*/-1e30,0,0,0,0,0/' train.csv >hidden.csv
check 1 train m.net --set 'data.source=csv(train = "hidden.csv", test = "test.csv")' --set train.optimizer.lr=1e9 \
    --set train.batch=1 --no-shuffle --set train.epochs=1 --save h.safetensors --quiet
says err "is not finite after step 3 (epoch 1)" "after 2 updates"
check 0 eval m.net --weights h.safetensors --json
case $(number out loss) in *nan* | *inf* | '') fail "the saved weights are not good" ;; esac

# Full disks: known before the first step where the size is known, else soon after the first byte that is lost.
trap '' XFSZ
limits=yes
(ulimit -f 0 && "$XENTC" --version >/dev/null 2>&1) || limits= # ThreadSanitizer itself needs a file to start
if [ -n "$limits" ]; then
    (ulimit -f 0 && "$XENTC" train m.net --save small.safetensors 2>&1 >/dev/null) | cat >err
    says err "small.safetensors: cannot write: file too large"
    absent small.safetensors
else
    echo "skipped: this build cannot start under a limit on file sizes"
fi
forever='--set train.epochs=100000000'
check 1 train m.net $forever --save none --step-log /dev/full
says err "/dev/full: cannot write: no space left on device"
if [ -n "$limits" ]; then
    (ulimit -f 8 && timeout 60 "$XENTC" train m.net $forever --save none --quiet --step-log grows.csv 2>err)
    [ $? -eq 1 ] || fail "a step log that cannot grow does not end the run"
    says err "grows.csv: cannot write: file too large"
    absent grows.csv
fi
timeout 60 "$XENTC" train m.net $forever --save none --json >/dev/full 2>err
[ $? -eq 1 ] || fail "a full standard output does not end the run"
says err "cannot write to standard output"
{ timeout 60 "$XENTC" train m.net $forever --save none --json 2>err; echo $? >status; } | head -n 2 >out
[ "$(cat status)" -eq 1 ] || fail "a closed standard output does not end the run"

# A second signal ends the run at once and leaves nothing behind: both wait for a process that is stopped.
"$XENTC" train m.net $forever --save t.safetensors --step-log t.csv --json >out 2>err &
pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
    grep -q '"event":"epoch"' out && break
    sleep 0.2
done
[ -n "$(find . -name 't.csv.*.tmp')" ] || fail "a running step log has no temporary name"
kill -STOP $pid
kill -INT $pid
kill -TERM $pid
kill -CONT $pid
wait $pid 2>/dev/null
status=$?
checks=$((checks + 1))
[ $status -gt 128 ] || fail "a run that is interrupted twice ends with status $status"
absent t.csv t.safetensors
[ -z "$(find . -name '*.tmp')" ] || fail "an interrupted run leaves temporary files"

# A link to a file that is not there yet.
ln -s linked.safetensors link.safetensors
check 0 train m.net --quiet --steps 1 --save link.safetensors
[ -h link.safetensors ] && [ -f linked.safetensors ] && [ ! -h linked.safetensors ] ||
    fail "a link is not written through"

# Ctrl-C: a clean end that saves; a second one ends at once.
check 0 train m.net --quiet --save short.safetensors --steps 5
"$XENTC" train m.net --set train.epochs=1000000 --save i.safetensors --step-log i.csv --json >out 2>err &
pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
    grep -q '"event":"epoch"' out && break
    sleep 0.2
done
kill -INT $pid
wait $pid
status=$?
checks=$((checks + 1))
[ $status -eq 0 ] || fail "an interrupted run ends with status $status"
says out '"reason":"stopped"' '"event":"saved"'
[ -s i.safetensors ] || fail "an interrupted run does not save"
[ "$(tail -n 1 i.csv | grep -cE '^[0-9]+,[0-9.e+-]+$')" -eq 1 ] || fail "an interrupted run cuts its step log"
check 0 eval m.net --weights i.safetensors
[ -z "$(find . -name '*.tmp*' -o -name '.*safetensors*' | head -n 1)" ] || fail "temporary files are left"

# Before the first step: nothing is saved, and the status says so.
mkfifo slow.csv
sed 's/train.csv/slow.csv/' m.net >slow.net
"$XENTC" train slow.net --save never.safetensors --step-log never.csv >out 2>err &
pid=$!
sleep 0.5
kill -INT $pid
timeout 20 sh -c 'cat train.csv >slow.csv'
wait $pid
status=$?
checks=$((checks + 1))
[ $status -eq 1 ] || fail "an interrupt before the first step ends with status $status"
says err 'interrupted before the first step; nothing was saved'
absent never.safetensors never.csv

# Class weights may be negative: the mean divides by their sum, whatever its sign.
sed 's/cross_entropy(z, y)/cross_entropy(z, y, weight = [-1, 0.25, 0.25])/' m.net >signed.net
check 0 eval signed.net --weights short.safetensors --json --reference
signed=$(number out loss)
check 0 eval signed.net --weights short.safetensors --json
near "$(number out loss)" "$signed" 1e-6
case $signed in 0 | 0.0* | *e-* | '') fail "the mean under negative weights is $signed" ;; esac

# Every term of the optimizer and every loss trains.
for optimizer in 'sgd(lr = 0.1)' 'sgd(lr = 0.1, weight_decay = 0.01)' 'sgd(lr = 0.1, momentum = 0.9, nesterov = true)' \
    'sgd(lr = 0.1, momentum = 0.9, dampening = 0.5, weight_decay = 0.01)'; do
    check 0 train m.net --save none --set "train.optimizer=$optimizer" --json
    grep -q '"event":"epoch","epoch":3' out || fail "$optimizer does not train"
done
finish
