# Reads assembly with LLVM's comments. A hot loop is an innermost one of which at least a third of the vector
# instructions multiply and add: loops of sums of products. Prints those that keep a vector register on the stack, then
# how many hot loops there were. Counters and pointers on the stack cost next to nothing there, and are not counted.
function close_function(   h)
{
    for (h in products) {
        if (3 * products[h] < vectors[h] || !products[h])
            continue
        hot++
        if (spills[h])
            printf "%s: %s: %d of %d instructions of a hot loop spill or reload\n", kernel, h, spills[h], length_of[h]
    }
    delete products; delete vectors; delete spills; delete innermost; delete length_of
    loop = ""
}
/^\t\.type\t.*@function/ { close_function(); kernel = $2; sub(/,.*/, "", kernel) }
/^[A-Za-z_.][^ ]*:/ { label = $1; sub(/:.*/, "", label); sub(/^\.L/, "", label); loop = "" }
/^# %bb/ { loop = "" }
/This Inner Loop Header/ { innermost[label] = 1; loop = label; products[loop] += 0 }
/in Loop: Header=/ { header = $0; sub(/.*Header=/, "", header); sub(/ .*/, "", header); loop = (header in innermost) ? header : "" }
loop == "" || !/^\t[a-z]/ { next }
{ length_of[loop]++ }
/^\tv/ { vectors[loop]++ }
/^\tvfn?m(add|sub)/ { products[loop]++ }
/(16|32|64)-byte (Folded )?(Spill|Reload)/ { spills[loop]++ }
END { close_function(); print hot + 0 " hot loops" }
