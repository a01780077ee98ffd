#!/bin/sh
# No hot loop of an example or a benchmark keeps a vector register on the stack, with 16 of them and with 32: read from
# the assembly of all their steps.
. "$SOURCE/tests/cli/lib.sh"

cat >small.s <<'END'
	.type	k,@function
k:
.LBB0_1:                                # %a
                                        # =>This Inner Loop Header: Depth=1
	vfmadd231ps	%ymm2, %ymm15, %ymm6
	vmovaps	32(%rsp), %ymm2                 # 32-byte Reload
	jl	.LBB0_1
# %bb.2:
	vmovaps	%ymm2, 32(%rsp)                 # 32-byte Spill
END
awk -f "$SOURCE/tests/cli/spills.awk" small.s >out
says out "k: BB0_1: 1 of 3 instructions" "1 hot loops"

"$XENTC" "$SOURCE/examples/mlp.net" --emit=asm --entry=step --cpu x86-64-v3 >out 2>err || skip "no code for x86-64 here"
for net in "$SOURCE"/examples/*.net "$SOURCE"/bench/models/*.net; do
    for cpu in x86-64-v3 x86-64-v4; do
        check 0 "$net" --emit=asm --entry=step --cpu $cpu -o step.s
        awk -f "$SOURCE/tests/cli/spills.awk" step.s >found
        checks=$((checks + 1))
        case $(cat found) in
        0\ hot*) fail "$net for $cpu: no hot loop found" ;;
        *spill*) fail "$net for $cpu: $(cat found)" ;;
        esac
    done
done
finish
