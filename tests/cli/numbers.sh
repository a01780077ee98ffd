#!/bin/sh
# The seeds' numbers, on CSV data: cross entropy in float32 and, by --reference, in double.
. "$SOURCE/tests/cli/lib.sh"

# net TYPE LOSS: a model whose logits are its input.
net() {
    printf 'net 1\nmodel m {\n    input z : f32[3]\n    target y : %s\n    output z\n    loss %s\n}\ndata { source = csv(train = "a.csv") }\n' \
        "$1" "$2" >m.net
}
evaluate() { # FLOAT32 TOLERANCE REFERENCE
    check 0 eval m.net --split train --json
    near "$(number out loss)" "$1" "$2"
    float=$(number out loss)
    check 0 eval m.net --split train --json --reference
    near "$(number out loss)" "$3" 1e-15
}
echo '0.2, 0.1, -0.1, 0' >a.csv
net 'class[3]' 'cross_entropy(z, y)'
evaluate 0.9729189 2e-7 0.9729189131256584
says out '0.97291891312565'
one=$float
net 'class[3]' 'z |> log_softmax |> nll(y)'
evaluate 0.9729189 2e-7 0.9729189131256584
[ "$one" = "$float" ] || fail "log_softmax |> nll gives $float, cross_entropy $one"
check 0 eval m.net --split train
says out "train: 1 example, loss $float"

echo '0.2, 0.1, -0.1, 1, 0, 0' >a.csv
net 'prob[3]' 'cross_entropy(z, y)'
evaluate 0.9729189 2e-7 0.9729189131256584

printf '0.1,0.2,0.9,2\n0.7,0.1,0.2,0\n0.2,0.5,0.3,1\n' >a.csv
net 'class[3]' 'cross_entropy(z, y)'
evaluate 0.7911708354949951 2e-7 0.7911708456653379
one=$float
net 'class[3]' 'z |> log_softmax |> nll(y)'
evaluate 0.7911708354949951 2e-7 0.7911708456653379
[ "$one" = "$float" ] || fail "log_softmax |> nll gives $float, cross_entropy $one"
printf '0.8,0.1,0.1,2\n0.2,0.8,0.1,0\n0.3,0.4,0.3,1\n' >a.csv
net 'class[3]' 'cross_entropy(z, y)'
check 0 eval m.net --split train --json
near "$(number out loss)" 1.2461291551589966 2e-7

# Both ways are one op behind fuse_loss, and no other loss is left.
for loss in 'cross_entropy(z, y)' 'z |> log_softmax |> nll(y)'; do
    net 'class[3]' "$loss"
    check 0 m.net --print-after=fuse_loss
    [ "$(grep -c ' = softmax_xent ' out)" -eq 1 ] || fail "fuse_loss does not leave one softmax_xent for $loss"
    if grep -qE ' = (nll|log_softmax|cross_entropy) ' out; then fail "fuse_loss leaves the loss of $loss"; fi
done

# All targets ignored: loss 0, gradient 0. Loss over a whole split does not depend on the batch.
printf '0.1,0.2,0.9,-100\n0.7,0.1,0.2,-100\n' >a.csv
net 'class[3]' 'cross_entropy(z, y)'
check 0 eval m.net --split train --json --dump d.json
near "$(number out loss)" 0 0
says d.json '"gradient":{"z":[0,0,0]}'
check 0 eval m.net --split train --json --dump d.json --reference
near "$(number out loss)" 0 0
says d.json '"gradient":{"z":[0,0,0]}'
table 67 3 3 f32 >a.csv
for reduction in mean sum none; do
    net 'class[3]' "cross_entropy(z, y, weight = [0.5, 1.25, 2], label_smoothing = 0.1, reduction = $reduction)"
    check 0 eval m.net --split train --json --dump first.json
    cp out first
    for batch in 1 3 16 17 64 65; do
        check 0 eval m.net --split train --json --dump d.json --batch $batch
        same first out
        same first.json d.json
    done
    check 0 eval m.net --split train --json --dump r.json --reference
    near "$(number first loss)" "$(number out loss)" 1e-6
done

# nan and inf are numbers of a CSV file, and of JSON as strings.
echo 'nan,inf,-inf,0' >a.csv
net 'class[3]' 'cross_entropy(z, y)'
check 0 eval m.net --split train --json --dump d.json
says out '"loss":"nan"'
says d.json '"outputs":{"z":["nan","inf","-inf"]}'
check 0 eval m.net --split train
says out 'loss nan'
if grep -q -- '-nan' out; then fail "nan has a sign"; fi
printf 'nan,1,2\ninf,inf,0\n-inf,-inf,-inf\n1,2,3\n' >x.csv
check 0 predict m.net x.csv
[ "$(grep -c ': nan: the logits have no softmax$' out)" -eq 3 ] || fail "rows without a softmax are not nan"
says out 'x.csv:4: class 2  (2 0.665241, 1 0.244728, 0 0.090031)'
finish
