# Shared by the tests of the command. Each runs in an empty folder of its own, with $XENTC and $SOURCE (the source tree)
# from CMake. `check` runs xentc and holds its exit status and the end of its words against what is expected.
set -u
: "${XENTC:?}" "${SOURCE:?}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1
XDG_CACHE_HOME=$folder/cache
export XDG_CACHE_HOME
failures=0 checks=0

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$*"
    [ ! -s out ] || sed 's/^/  out: /' out | head -n 20 | cut -c1-300
    [ ! -s err ] || sed 's/^/  err: /' err | head -n 20 | cut -c1-300
}

# check STATUS ARGUMENT…: stdout in `out`, stderr in `err`.
check() {
    wanted=$1
    shift
    checks=$((checks + 1))
    timeout "${LIMIT:-60}" "$XENTC" "$@" >out 2>err
    got=$?
    [ $got -eq "$wanted" ] || fail "xentc $*: status $got, not $wanted"
}

# says FILE TEXT…: each text stands in the file.
says() {
    file=$1
    shift
    for text in "$@"; do
        checks=$((checks + 1))
        grep -qF -- "$text" "$file" || fail "nothing says \"$text\""
    done
}

# same FILE FILE…: all alike, byte for byte.
same() {
    first=$1
    shift
    for other in "$@"; do
        checks=$((checks + 1))
        cmp "$first" "$other" >difference 2>&1 || fail "$first and $other differ"
    done
}

absent() {
    for path in "$@"; do
        checks=$((checks + 1))
        [ ! -e "$path" ] || fail "$path was left behind"
    done
}

# number FILE KEY: the number behind "KEY": in JSON.
number() {
    sed -n "s/.*\"$2\":\"\{0,1\}\([-+0-9.einfa]*\).*/\1/p" "$1" | tail -n 1
}

# near A B TOLERANCE: |A - B| <= TOLERANCE * max(1, |B|)
near() {
    checks=$((checks + 1))
    awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN {
        d = a - b; if (d < 0) d = -d; m = b < 0 ? -b : b; if (m < 1) m = 1
        exit !(a != "" && b != "" && d <= t * m) }' || fail "$1 is not $2 within $3"
}

# table ROWS COLUMNS CLASSES [f32|zeros]: CSV rows of made-up numbers and a class, the same each time; `zeros`: most are 0.
table() {
    awk -v rows="$1" -v columns="$2" -v classes="$3" -v kind="${4:-u8}" 'BEGIN {
        x = 12345
        for (r = 0; r < rows; r++) {
            for (c = 0; c < columns; c++) {
                x = (x * 1103515245 + 12345) % 2147483648
                v = int(x / 65536) % 256
                zero = kind == "zeros" && (v % 3 != 0 || c % 10 < 3)
                printf "%s,", zero ? 0 : kind == "f32" ? (v - 128) / 64 : v
            }
            print r % classes
        }
    }'
}

skip() {
    echo "skipped: $*"
    exit 77
}

finish() {
    echo "$checks checks, $failures failed"
    [ $failures -eq 0 ]
}
