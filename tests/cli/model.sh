#!/bin/sh
# Wrong models: status 1 within a second, the culprit named, nothing left behind.
. "$SOURCE/tests/cli/lib.sh"
LIMIT=1

wrong() { # FILE TEXT…
    file=$1
    shift
    check 1 "$file"
    says err "$@"
    [ ! -s out ] || fail "a wrong model prints on standard output"
    check 1 train "$file" --save w.safetensors --step-log log.csv
    absent w.safetensors log.csv
}

# model TYPE BODY: a network whose body is given; everything around it is right.
model() {
    printf 'net 1\nmodel m {\n    input x : %s\n    target y : class[3]\n    %s\n}\ntrain { optimizer = sgd(lr = 0.1) }\n' \
        "$1" "$2" >m.net
}
rest='output h  loss cross_entropy(h, y)'

wrong missing.net "missing.net"
: >empty.net
wrong empty.net "empty.net"
head -c 3000 "$XENTC" >binary.net
wrong binary.net "binary.net"
printf '\377\376n\000e\000t\000' >utf16.net
wrong utf16.net "utf16.net" "UTF-16"
head -c 100000000 /dev/zero | tr '\000' ' ' >huge.net
wrong huge.net "huge.net"
rm huge.net
mkdir folder.net
wrong folder.net "folder.net"
{ printf 'net 1 model m { input x : f32[3] h = '; head -c 200000 /dev/zero | tr '\000' '('; } >deep.net
wrong deep.net "deep.net"
{ printf 'net 1\nmodel m {\n input x : f32[3]\n h = x'
    awk 'BEGIN { for (i = 0; i < 200000; i++) printf " |> relu" }'
    echo ' }'; } >long.net
wrong long.net "long.net"
for size in 20 100 300 500; do
    head -c $size "$SOURCE/examples/mlp.net" >cut.net
    wrong cut.net "cut.net"
done
sed 's/net 1/net 2/' "$SOURCE/examples/mlp.net" >version.net
wrong version.net "version.net"

model 'f32[3]' "h = z |> linear(3) $rest"
wrong m.net 'm.net:5' 'z'
model 'f32[3]' "hidden = x |> linear(3)  h = hiden |> relu $rest"
wrong m.net 'hiden' 'did you mean "hidden"'
model 'f32[3]' "h = x |> linaer(3) $rest"
wrong m.net 'linaer' 'did you mean "linear"'
model 'f32[3]' "h = x |> linear(3, bais = false) $rest"
wrong m.net 'bais' 'did you mean "bias"'
model 'f32[3]' "h = x |> linear(3)  h = x |> relu $rest"
wrong m.net 'h' 'm.net:5'
model 'f32[3]' "h = x |> linear(999999999999) $rest"
wrong m.net 'm.net:5' '999999999999'
model 'f32[3]' "h = x |> linear(0) $rest"
wrong m.net 'm.net:5' '0'
model 'f32[3]' "h = x |> linear(-4) $rest"
wrong m.net 'm.net:5' '-4'
model 'f32[3]' "h = x |> linear(3.5) $rest"
wrong m.net 'm.net:5' '3.5'
model 'u8[1, 28, 28, 99999999, 99999999]' "h = x |> to_float |> flatten |> linear(3) $rest"
wrong m.net 'm.net:3'
model 'f32[0]' "h = x |> linear(3) $rest"
wrong m.net 'm.net:3'
model 'f32[2]' "h = x |> normalize(mean = 0, std = 0) |> linear(3) $rest"
wrong m.net 'std' '0'
model 'f32[2]' "a = x |> normalize(mean = nan, std = 1)  h = a |> linear(3) $rest"
wrong m.net 'm.net:5'
model 'f32[2, 4, 4]' "h = x |> linear(3) $rest"
wrong m.net 'linear needs a vector per example' '[2, 4, 4]' 'flatten'
model 'f32[2, 4, 4]' "c = x |> conv2d(3, kernel = 9)  h = c |> flatten |> linear(3) $rest"
wrong m.net '[2, 4, 4]' '9'
model 'f32[2]' "h = x |> linear(4) $rest"
wrong m.net '4' '3'
model 'u8[2]' "h = x |> linear(3) $rest"
wrong m.net 'to_float'
model 'f32[2]' 'h = x |> linear(3)  output h  loss cross_entropy(x |> linear(3), y)'
wrong m.net 'name'
model 'f32[2]' "h = x |> linear(3)  output h  loss cross_entropy(h, y, label_smoothing = 2)"
wrong m.net 'label_smoothing' '2'
model 'f32[2]' "h = x |> linear(3)  output h  loss cross_entropy(h, y, reduction = average)"
wrong m.net 'average'
model 'f32[2]' "h = x |> linear(3)  output h  loss cross_entropy(h, y, weight = [1, 2])"
wrong m.net 'weight'

# Keys of sections.
sections() {
    printf 'net 1\nmodel m { input x : f32[2] target y : class[3] h = x |> linear(3) %s }\n%s\n' "$rest" "$1" >s.net
}
sections 'train { optimiser = sgd(lr = 0.1) }'
wrong s.net 'optimiser' 'did you mean "optimizer"'
sections 'train { optimizer = sgd(lr = nan) }'
wrong s.net 's.net:3'
sections 'train { optimizer = sgd(lr = 0.1, momentun = 0.9) }'
wrong s.net 'momentun' 'did you mean "momentum"'
sections 'train { optimizer = adam(lr = 0.1) }'
wrong s.net 'adam'
sections 'train { optimizer = sgd(lr = 0.1) batch = 0 }'
wrong s.net 'batch' '0'
sections 'train { optimizer = sgd(lr = 0.1) batch = 8 batch = 9 }'
wrong s.net 'batch'
sections 'data { source = minst }'
wrong s.net 'minst' 'did you mean "mnist"'
sections 'data { source = csv(train = 3) }'
wrong s.net 'train'
sections 'train { optimizer = sgd(lr = 0.1, nesterov = true) }'
wrong s.net 'nesterov'

# Several errors of one file in one go.
model 'f32[2]' "a = x |> linaer(3)
    b = x |> rleu
    h = x |> linear(3) $rest"
check 1 m.net
says err linaer rleu

# Overrides are quoted like the text itself.
cp "$SOURCE/examples/mlp.net" .
for set in train.optimizer.lr=nan train.batch=0 train.batchs=3 trian.batch=3 data.source=minst train.optimizer.lr=; do
    check 1 train mlp.net --set $set --save w.safetensors
    says err "${set%%=*}"
    absent w.safetensors
done
check 1 train mlp.net --set data.source=csv --save w.safetensors

# Odd bytes are escaped, long lines cut.
printf 'net 1\nmodel m { input x : f32[2] h = x |> \033[31mrelu }\n' >odd.net
check 1 odd.net
says err '\x1b'
if LC_ALL=C grep -q "$(printf '\033')" err; then fail "an escape sequence reaches the terminal"; fi
{ printf 'net 1\nmodel m { input x : f32[2] h = x |> '
    awk 'BEGIN { for (i = 0; i < 20000; i++) printf "long" }'
    echo ' }'; } >wide.net
check 1 wide.net
[ "$(wc -c <err)" -lt 2000 ] || fail "a long line is not cut"
# An image whose lists of zeros would not fit is left as it is.
cat >large.net <<'END'
net 1
model large {
    input  x : u8[1, 64, 64]
    target y : class[3]
    c = x |> to_float |> conv2d(16, kernel = 5)
    l = c |> flatten |> linear(3)
    output l
    loss   cross_entropy(l, y)
}
train { optimizer = sgd(lr = 0.01) }
END
check 0 large.net --emit=graph --batch 16777216
check 0 large.net --emit=graph --batch 64
says out conv2d_zeros

finish
