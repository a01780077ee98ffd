#!/bin/sh
# Wrong data and weights: status 1, file and place named, no half-written file, no update.
. "$SOURCE/tests/cli/lib.sh"
LIMIT=20

cat >m.net <<'END'
net 1
model m {
    input  x : u8[3]
    target y : class[2]
    h = x |> to_float |> linear(2)
    output h
    loss   cross_entropy(h, y)
    metric accuracy(h, y)
}
data  { source = csv(train = "train.csv", test = "test.csv") }
train { optimizer = sgd(lr = 0.1) batch = 4 epochs = 2 }
END
table 9 3 2 >train.csv
table 5 3 2 >test.csv
check 0 train m.net --quiet --save good.safetensors

# wrong_csv ROW PLACE TEXT…: the row stands in line 3 of the training set.
wrong_csv() {
    row=$1 place=$2
    shift 2
    table 9 3 2 >train.csv
    printf '%s\n' "$row" | sed -i '2r /dev/stdin' train.csv
    check 1 train m.net --save w.safetensors --step-log log.csv
    says err "train.csv:$place" "$@"
    absent w.safetensors log.csv w.safetensors~
}
wrong_csv '1,2,1' '3:'
wrong_csv '1,2,3,1,7' '3:'
wrong_csv '1,2,x,1' '3:5' 'x'
wrong_csv '1,2,,1' '3:5'
wrong_csv '1,2,256,1' '3:5' '256'
wrong_csv '1,2,-1,1' '3:5' '-1'
wrong_csv '1,2,2.5,1' '3:5' '2.5'
wrong_csv '1,2,3,2' '3:7' '2'
wrong_csv '1,2,3,-1' '3:7' '-1'
wrong_csv '1,2,3,0.5' '3:7' '0.5'
wrong_csv '1,2,nan,1' '3:5' 'nan'
wrong_csv 'a,b,c,d' '3:1'
wrong_csv '1,0x10,3,1' '3:3' '    3 | 1,0x10,3,1' '      |   ^~~~'
: >train.csv
check 1 train m.net --save w.safetensors
says err "train.csv"
rm train.csv
check 1 train m.net --save w.safetensors
says err "train.csv"
mkdir train.csv
check 1 train m.net --save w.safetensors
says err "train.csv"
rmdir train.csv
table 3 3 2 >train.csv
check 1 train m.net --save w.safetensors
says err "train.batch is 4" "3 examples"
check 1 train m.net --save w.safetensors --set train.batch=99999999
says err "batch"
absent w.safetensors
table 9 3 2 >train.csv

# A model without data, or without this split.
sed '/^data/d' m.net >bare.net
check 1 train bare.net --save w.safetensors
says err "bare.net" "data"
sed 's/, test = "test.csv"//' m.net >half.net
check 1 eval half.net --weights good.safetensors
says err "half.net" "test"
check 0 eval half.net --weights good.safetensors --split train
check 0 train half.net --quiet --save none
sed '/^train/d' m.net >untrained.net
check 1 train untrained.net --save w.safetensors
says err "optimizer"
check 0 eval untrained.net --weights good.safetensors
absent w.safetensors

# Where to save is looked at before training.
for path in /nonexistent/w.safetensors "$folder" /proc/version; do
    check 1 train m.net --save "$path"
    says err "$path"
    check 1 train m.net --save none --step-log "$path"
    says err "$path"
done
check 1 train m.net --save /dev/full
says err "/dev/full"
check 1 train m.net --save none --step-log /dev/full
says err "/dev/full"

# Weights. `safetensors HEADER BYTES`: a file with this header and so many zero bytes behind it.
little_endian() {
    n=$1
    for i in 1 2 3 4 5 6 7 8; do
        # shellcheck disable=SC2059
        printf "\\$(printf %03o $((n % 256)))"
        n=$((n / 256))
    done
}
safetensors() {
    little_endian "$(printf %s "$1" | wc -c)"
    printf %s "$1"
    head -c "$2" /dev/zero
}
weights() { # TEXT…
    check 1 eval m.net --weights bad.safetensors
    says err "bad.safetensors" "$@"
    check 1 train m.net --init bad.safetensors --save w.safetensors
    check 1 predict m.net --weights bad.safetensors train.csv
    absent w.safetensors
}
W='"h.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}'
B='"h.bias":{"dtype":"F32","shape":[2],"data_offsets":[24,32]}'
safetensors "{$W,$B}" 32 >fine.safetensors
check 0 eval m.net --weights fine.safetensors
safetensors "{$W,$B,\"__metadata__\":{\"a\":\"b\"}}  " 32 >fine.safetensors
check 0 eval m.net --weights fine.safetensors
: >bad.safetensors
weights
head -c 7 good.safetensors >bad.safetensors
weights
head -c 40 good.safetensors >bad.safetensors
weights
{ little_endian 99999999999; echo '{}'; } >bad.safetensors
weights
safetensors "{$W}" 24 >bad.safetensors
weights 'h.bias'
safetensors "{$W,$B,\"extra\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[32,36]}}" 36 >bad.safetensors
weights 'extra'
safetensors '{"h.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},'"$B}" 32 >bad.safetensors
weights 'h.weight' '[3, 2]' '[2, 3]'
safetensors "{$W,$B}" 31 >bad.safetensors
weights
safetensors "{$W,$B}" 33 >bad.safetensors
weights
safetensors "{$W,"'"h.bias":{"dtype":"F32","shape":[2],"data_offsets":[20,28]}}' 32 >bad.safetensors
weights
safetensors "{$W,"'"h.bias":{"dtype":"F32","shape":[2],"data_offsets":[9999999999999999999,9]}}' 32 >bad.safetensors
weights
safetensors "{$W,"'"h.bias":{"dtype":"F64","shape":[2],"data_offsets":[24,40]}}' 40 >bad.safetensors
weights 'h.bias'
safetensors "{$W,$W}" 24 >bad.safetensors
weights
# Missing, extra and misshapen in one message, also where bytes are left unused.
safetensors '{"h.weight":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},"more":{"dtype":"F32","shape":[1],"data_offsets":[24,28]}}' \
    40 >bad.safetensors
weights 'h.weight' 'h.bias' 'more'
check 1 eval m.net --weights missing.safetensors
says err "missing.safetensors"

# idx files.
idx() { # MAGIC COUNT ROWS COLUMNS BYTES
    printf "\\0\\0\\010\\003\\0\\0\\0\\$(printf %o "$2")\\0\\0\\0\\$(printf %o "$3")\\0\\0\\0\\$(printf %o "$4")" >i
    [ "$1" = good ] || printf '\0\0\011\003' | dd of=i conv=notrunc status=none
    awk -v n="$5" 'BEGIN { for (i = 0; i < n; i++) printf "a" }' >>i
}
labels() { # COUNT BYTES…
    printf "\\0\\0\\010\\001\\0\\0\\0\\$(printf %o "$1")" >l
    shift
    for byte in "$@"; do printf "\\$(printf %o "$byte")" >>l; done
}
sed 's/u8\[3\]/u8[2, 3]/; s/to_float/to_float |> flatten/; s/csv(.*)/mnist/' m.net >idx.net
sed -i 's/batch = 4/batch = 2/' idx.net
mkdir data
pair() { # [EXTRA CHECK ARGUMENTS]: the files as they are, as training set
    cp i data/train-images-idx3-ubyte
    cp l data/train-labels-idx1-ubyte
}
idx good 3 2 3 18
labels 3 0 1 1
pair
check 0 train idx.net --data data --steps 2 --save none --quiet
gzip -kf data/train-images-idx3-ubyte
mkdir zipped
mv data/train-images-idx3-ubyte.gz zipped
cp l zipped/train-labels-idx1-ubyte
check 0 train idx.net --data zipped --steps 2 --save none --quiet
check 0 train idx.net --data zipped --steps 2 --save none --quiet # from the cache
wrong_idx() { # FILE TEXT…
    pair
    file=$1
    shift
    check 1 train idx.net --data data --steps 2 --save w.safetensors
    says err "$file" "$@"
    absent w.safetensors
}
idx bad 3 2 3 18
wrong_idx train-images-idx3-ubyte
idx good 3 2 3 17
wrong_idx train-images-idx3-ubyte
idx good 3 2 3 19
wrong_idx train-images-idx3-ubyte
idx good 3 3 3 27
wrong_idx train-images-idx3-ubyte 3
idx good 4 2 3 24
wrong_idx train-labels-idx1-ubyte 4 3
idx good 3 2 3 18
labels 3 0 1
wrong_idx train-labels-idx1-ubyte
labels 3 0 7 1
wrong_idx train-labels-idx1-ubyte 7
cp i l
wrong_idx train-labels-idx1-ubyte
head -c 30 zipped/train-images-idx3-ubyte.gz >data/train-images-idx3-ubyte.gz
rm data/train-images-idx3-ubyte
labels 3 0 1 1
cp l data/train-labels-idx1-ubyte
check 1 train idx.net --data data --steps 2 --save none
says err "train-images-idx3-ubyte.gz"
check 1 train idx.net --data nowhere --save none
says err "nowhere"
mkdir empty
check 1 train m.net --data empty --save none
says err "csv" "names its own files"
check 1 eval m.net --weights good.safetensors --data empty
says err "names its own files"
cp train.csv before.csv
check 2 train m.net --save train.csv
says err "would overwrite"
check 2 train m.net --save none --step-log ./test.csv
says err "would overwrite"
check 2 eval m.net --weights good.safetensors --dump test.csv
says err "would overwrite"
same before.csv train.csv

# A class out of range names the example before anything is updated; so does predict for its inputs.
check 1 predict m.net --weights good.safetensors train.csv
says err "train.csv:1"
cut -d, -f1-3 train.csv >inputs.csv
check 0 predict m.net --weights good.safetensors inputs.csv
check 1 predict m.net --weights good.safetensors inputs.csv missing.csv
says err "missing.csv"
finish
