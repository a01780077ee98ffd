#!/bin/sh
# PyTorch's own runs of both examples: $XENT_ORACLE/{mlp,lenet} and the MNIST files of $XENT_DATA.
. "$SOURCE/tests/cli/lib.sh"
[ -d "${XENT_ORACLE:-}" ] && [ -d "${XENT_DATA:-}" ] || skip "XENT_ORACLE and XENT_DATA are not set"
LIMIT=300

for net in mlp lenet; do
    oracle=$XENT_ORACLE/$net
    if [ $net = mlp ]; then
        set -- train.optimizer.lr=0.01 train.optimizer.momentum=0.5
    else
        set -- train.optimizer.lr=0.001 train.optimizer.momentum=0.9
    fi
    check 0 train "$SOURCE/examples/$net.net" --set $1 --set $2 --set train.epochs=1 --init "$oracle/init.safetensors" \
        --no-shuffle --step-log $net.csv --save $net.safetensors --json
    # Each of the first 150 losses within 5e-6, the median of the first 300 too: what float32 against float64 needs.
    paste -d, $net.csv "$oracle/losses.csv" | tail -n +2 | head -n 300 | awk -F, '{
        d = ($2 - $NF) / $NF; if (d < 0) d = -d; print d }' >differences
    [ "$(wc -l <differences)" -eq 300 ] || fail "$net has not 300 steps"
    head -n 150 differences | awk '$1 > 5e-6 { print "step", NR, $1; bad = 1 } END { exit bad }' ||
        fail "$net: losses differ"
    [ "$(sort -g differences | sed -n 150p | awk '{ print ($1 <= 5e-6) }')" -eq 1 ] || fail "$net: the median differs"
    # After an epoch it is chaos: loss within 0.05, accuracy within a hundredth.
    expected=$(sed -n 's/.*"test_accuracy": *\([0-9.]*\).*/\1/p' "$oracle/expect.json")
    accuracy=$(sed -n 's/.*"test_accuracy":\([0-9.]*\).*/\1/p' out)
    awk -v a="$accuracy" -v b="$expected" \
        'BEGIN { if (b > 1) b /= 100; d = a - b; exit !(a != "" && d < 0.01 && d > -0.01) }' ||
        fail "$net: test accuracy $accuracy, not $expected"
    check 0 eval "$SOURCE/examples/$net.net" --weights "$oracle/after.safetensors" --json
    near "$(number out accuracy)" "$accuracy" 0.01
done
finish
