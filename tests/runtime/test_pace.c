#include "check.h"

#include "internal.h"

/* Runs for `seconds` where all threads take `wide` and one takes `alone`; returns the part of the time that one had. */
static double live(struct rt_pace *pace, double seconds, double wide, double alone, bool slept) {
    double by_one = 0, all = 0;
    while (all < seconds) {
        double run = pace->alone ? alone : wide;
        by_one += pace->alone ? run : 0;
        all += run;
        rt_pace_add(pace, run, slept && !pace->alone);
    }
    return by_one / all;
}

static void all_threads_where_they_pay(void) {
    struct rt_pace pace;
    rt_pace_init(&pace);
    CU_ASSERT(live(&pace, 10, 1e-3, 1.9e-3, false) == 0);
    CU_ASSERT(!pace.alone);
    rt_pace_init(&pace); /* tried once, for it is short */
    CU_ASSERT(live(&pace, 10, 50e-6, 60e-6, false) < 0.01);
    CU_ASSERT(live(&pace, 10, 50e-6, 60e-6, false) == 0);
    rt_pace_init(&pace); /* some wait long for the others, and yet it pays */
    CU_ASSERT(live(&pace, 100, 9e-3, 15e-3, true) < 0.05);
}

static void one_where_they_do_not(void) {
    struct rt_pace pace;
    rt_pace_init(&pace);
    CU_ASSERT(live(&pace, 10, 60e-6, 50e-6, false) > 0.9);
    rt_pace_init(&pace);
    CU_ASSERT(live(&pace, 10, 5e-3, 1.5e-3, true) > 0.9);
    rt_pace_init(&pace); /* steps far longer than a window */
    CU_ASSERT(live(&pace, 100, 300e-3, 100e-3, true) > 0.7);
}

/* Neighbours come, and go. */
static void it_changes(void) {
    struct rt_pace pace;
    rt_pace_init(&pace);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(live(&pace, 5, 0.8e-3, 1.5e-3, false) < 0.6);
        CU_ASSERT(live(&pace, 1, 0.8e-3, 1.5e-3, false) == 0);
        CU_ASSERT(live(&pace, 5, 5e-3, 1.5e-3, true) > 0.8);
    }
}

/* All threads are fast for ten milliseconds, then slow for ten. */
static void a_lucky_window(void) {
    struct rt_pace pace;
    double total = 0, runs = 0;
    rt_pace_init(&pace);
    while (total < 20) {
        bool slow = (long)(total * 100) % 2;
        double run = pace.alone ? 1.5e-3 : slow ? 10e-3 : 0.8e-3;
        rt_pace_add(&pace, run, slow && !pace.alone);
        total += run;
        runs++;
    }
    CU_ASSERT(total / runs < 2 * 1.5e-3);
}

CU_ErrorCode add_pace(void) {
    static const struct case_of cases[] = {{"all threads where they pay", all_threads_where_they_pay},
                                           {"one where they do not", one_where_they_do_not},
                                           {"neighbours come and go", it_changes},
                                           {"a lucky window", a_lucky_window}};
    return add_suite("pace", cases, sizeof cases / sizeof *cases);
}
