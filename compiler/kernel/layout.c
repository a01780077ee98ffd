/* Layouts: which place in memory an element has. A layout is a list of digits, outermost first; an address is the sum
 * of the digits' values times their strides, so tiles and padded rows need no case of their own. And what memory the
 * buffers of a program take. */
#include "kernel.h"

#include <assert.h>

/* How many places the digit takes: all of its modulus, so that a tile that is not full has its padding. */
static int64_t digit_places(const struct kdigit *digit, const int64_t *extent)
{
    if (digit->mod != 0)
        return digit->mod;
    if (extent[digit->dim] == KERNEL_UNKNOWN)
        return 1; /* `elements` then is the size of one row */
    return extent[digit->dim] / digit->div + (extent[digit->dim] % digit->div != 0);
}

bool klayout_complete(struct klayout *layout, uint32_t rank, const int64_t *extent)
{
    int64_t next = 1, largest = 0, places_end = 1;
    for (uint32_t i = layout->count; i-- > 0;) {
        struct kdigit *digit = &layout->digit[i];
        if (digit->dim >= rank || digit->div == 0)
            return false;
        int64_t places = digit_places(digit, extent), span;
        if (places < 1)
            return false;
        if (digit->stride == 0)
            digit->stride = next;
        if (digit->stride < 0 || __builtin_mul_overflow(places, digit->stride, &next) ||
            __builtin_mul_overflow(places - 1, digit->stride, &span) ||
            __builtin_add_overflow(largest, span, &largest))
            return false;
        if (next > places_end)
            places_end = next;
    }
    if (largest == INT64_MAX)
        return false;
    layout->elements = largest + 1 > places_end ? largest + 1 : places_end;
    return true;
}

struct klayout klayout_dense(uint32_t rank, const int64_t *extent)
{
    assert(rank <= KERNEL_MAX_RANK);
    struct klayout layout = {.count = rank};
    for (uint32_t d = 0; d < rank; d++)
        layout.digit[d] = (struct kdigit){.dim = d, .div = 1};
    if (!klayout_complete(&layout, rank, extent))
        layout.elements = INT64_MAX; /* cannot be allocated; the verifier says so */
    return layout;
}

int64_t klayout_address(const struct klayout *layout, const int64_t *index)
{
    int64_t address = 0;
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct kdigit *digit = &layout->digit[i];
        int64_t value = index[digit->dim] / digit->div;
        address += (digit->mod ? value % digit->mod : value) * digit->stride;
    }
    return address;
}

bool klayout_has_runs(const struct klayout *layout, uint32_t dim, uint32_t count)
{
    bool found = false;
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct kdigit *d = &layout->digit[i];
        bool unit = d->dim == dim && d->stride == 1 && d->div <= 1;
        if (unit ? d->mod % count : d->stride % count || (d->dim == dim && d->div % count))
            return false;
        found |= unit;
    }
    return found && layout->elements % count == 0;
}

int64_t kvar_bytes(const struct kvar *var)
{
    return var->layout.elements * (var->type == KT_U8 ? 1 : 4);
}

bool kvar_overlap(const struct kvar *a, const struct kvar *b)
{
    if (a->place == KP_DATA && b->place == KP_DATA)
        return a->slot == b->slot;
    return kvar_in_arena(a) && kvar_in_arena(b) && a->offset < b->offset + kvar_bytes(b) &&
           b->offset < a->offset + kvar_bytes(a);
}
