#!/bin/sh
# Wrong usage: status 2, one message that names the culprit.
. "$SOURCE/tests/cli/lib.sh"
cp "$SOURCE/examples/mlp.net" .
LIMIT=5

usage() { # TEXT ARGUMENT…
    text=$1
    shift
    check 2 "$@"
    says err "$text"
    [ ! -s out ] || fail "wrong usage prints on standard output"
}

check 2
says err "usage:"
usage 'unknown option "--thread"; did you mean "--threads"?' train mlp.net --thread 2
usage 'unknown option "--jsn"; did you mean "--json"?' eval mlp.net --jsn
usage 'unknown option "-x"' mlp.net -x
usage 'unknown subcommand "trian"; did you mean "train"?' trian mlp.net
says err '`xentc help` lists the subcommands'
usage 'unknown subcommand "mlp"' mlp
usage 'the subcommand, or the name of a file, is empty' ''
check 1 train ''; says err 'the name of the file is empty'
usage '--threads must be a whole number from 1 to 256, not "0"' train mlp.net --threads 0
usage '--threads must be a whole number from 1 to 256, not "257"' train mlp.net --threads=257
usage '--threads must be a whole number from 1 to 256, not "-1"' train mlp.net --threads -1
usage '--threads must be a whole number from 1 to 256, not "2x"' train mlp.net --threads 2x
usage '--batch must be a whole number from 1 to 16777216, not "0"' eval mlp.net --batch 0
usage '--steps must be a whole number from 1 on, not "99999999999999999999"' train mlp.net --steps 99999999999999999999
usage '--steps needs a value' train mlp.net --steps
usage '--quiet takes no value' train mlp.net --quiet=1
usage '--save is given twice' train mlp.net --save a --save b
usage '--dump is no option of train' train mlp.net --dump x
usage '--split must be one of train|test, not "all"' eval mlp.net --split all
usage '--emit must be one of ast|graph|kernels|schedules|loops|llvm|asm|obj, not "kernel"' mlp.net --emit=kernel
usage '--entry must be one of' mlp.net --entry=backward
usage 'MODEL.net is missing' train
usage 'train takes one MODEL.net, but there is also "lenet.net"' train mlp.net lenet.net
usage 'there is no INPUT' predict mlp.net
usage '--passes is missing' opt mlp.net
usage 'there is no pass "fuse_los"; did you mean "fuse_loss"?' mlp.net --print-after=fuse_los
usage 'there is no pass "fuse_los"' mlp.net --stop-after=fuse_los
usage 'there is no pass "simplfy"; did you mean "simplify"?' opt mlp.net --passes=simplfy
echo 'graph @g {}' >g.xir
usage 'there is no pass "foo"' opt g.xir --passes= --print-after=foo
usage 'there is no pass "shedule"; did you mean "schedule"?' opt g.xir --passes= --stop-after=shedule
usage 'unknown subcommand "trani"; did you mean "train"?' help trani
usage 'ops takes no argument' ops linear
usage 'cache needs stat or clear' cache
usage 'unknown action "claer"; did you mean "clear"?' cache claer
usage 'cache takes one action, not 2' cache stat clear
usage '--no-cache is no option of run' run --no-cache mlp.net
usage '-o needs --emit' mlp.net -o x
usage '--weights' eval mlp.net
usage 'no-such-cpu' mlp.net --cpu no-such-cpu
usage 'train.epochs' train mlp.net --set train.epochs
usage 'unknown CPU `znver9`; did you mean `znver' eval mlp.net --weights w --cpu znver9
usage 'xentc: error: unknown CPU' mlp.net --cpu foo

# An output is no input and no other output, however it is spelled.
ln -s mlp.net link.net
ln mlp.net hard.net
cp mlp.net before.net
for path in mlp.net ./mlp.net "$folder/mlp.net" link.net hard.net; do
    usage "--save $path would overwrite mlp.net" train mlp.net --save "$path"
    usage "--step-log $path would overwrite mlp.net" train mlp.net --save none --step-log "$path"
    usage "--dump $path would overwrite mlp.net" eval mlp.net --dump "$path"
    usage "-o $path would overwrite mlp.net" mlp.net --emit=ast -o "$path"
done
same before.net mlp.net
usage '-o g.xir would overwrite g.xir' opt g.xir --passes= -o g.xir
usage 'are the same file' train mlp.net --save a --step-log ./a
usage 'are the same file' train mlp.net --step-log mlp.safetensors
echo x >w
usage '--dump w would overwrite --weights w' eval mlp.net --weights w --dump w
usage '--step-log w would overwrite --init w' train mlp.net --init w --save none --step-log w
usage '--save cannot be "-"' train mlp.net --save -
usage '--dump cannot be "-"' eval mlp.net --dump -
check 0 mlp.net --emit=ast -o -
says out "model mlp"
absent mlp.safetensors x a ./-

check 0 help
says out "xentc train" "xentc help SUBCOMMAND"
for command in compile train eval predict opt run bench ops cache help; do
    check 0 help $command
    says out "usage: xentc"
    check 0 $command --help
done
check 0 help compile
says out "(default: the model's train.batch)"
check 0 help eval
says out "(default: 64)"
check 0 help run
says out "--set=SCALAR=VALUE"
check 0 help train
for option in --data --set --threads --init --save --no-shuffle --steps --step-log --quiet --json --interpret --cpu \
    --no-cache; do
    says out " $option"
done
check 0 --version
says out "xentc " "LLVM "
check 0 ops
says out "conv2d" "softmax_xent" "label_smoothing"

"$XENTC" help >/dev/full 2>err
[ $? -eq 1 ] || fail "a full standard output is no error"
says err "cannot write to standard output"
finish
