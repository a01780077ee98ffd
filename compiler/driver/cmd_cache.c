/* `xentc cache`: what is kept of earlier compilations, and its end. */
#include "commands.h"

#include "cache.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Something is there that is not to be trusted. */
static bool is_refused(const struct object_cache *cache, const char *path)
{
    struct stat status;
    return cache->folder < 0 && lstat(path, &status) == 0;
}

static int stat_cache(const char *path)
{
    struct object_cache cache = object_cache_open(false);
    struct object_cache_use use = object_cache_use(&cache);
    uint64_t limit;
    const char *wrong = object_cache_limit(&limit);
    if (wrong)
        report_note("XENT_CACHE_MB is \"%s\", no whole number of MiB: it counts as %" PRIu64, wrong, limit >> 20);
    const char *state = is_refused(&cache, path) ? " (not used: no folder of this user's alone)" : " (not there)";
    printf("folder      %s%s\n", path, cache.folder < 0 ? state : "");
    printf("objects     %" PRIu64 "\n", use.entries);
    printf("bytes       %" PRIu64 " of at most %" PRIu64 "\n", use.bytes, cache.limit);
    printf("unfinished  %" PRIu64 "\n", use.unfinished);
    object_cache_close(&cache);
    return EXIT_OK;
}

static int clear_cache(const char *path)
{
    struct object_cache cache = object_cache_open(false);
    if (is_refused(&cache, path))
        return report("%s is not used, nor cleared: it must be a folder of this user's, no link, that no one else may "
                      "write to", path);
    struct object_cache_use before = object_cache_use(&cache), left;
    object_cache_clear(&cache, &left);
    object_cache_close(&cache);
    if (left.entries || left.unfinished)
        return report("%" PRIu64 " files of %s cannot be removed", left.entries + left.unfinished, path);
    printf("removed %" PRIu64 " object%s, %" PRIu64 " bytes\n", before.entries, before.entries == 1 ? "" : "s",
           before.bytes);
    return EXIT_OK;
}

int cmd_cache(const struct options *options)
{
    static const struct action {
        const char *name;
        int (*run)(const char *path);
    } actions[] = {{"stat", stat_cache}, {"clear", clear_cache}};
    enum { ACTIONS = sizeof actions / sizeof *actions };
    if (options->arguments.count == 0)
        return help_usage(options, "cache needs stat or clear");
    if (options->arguments.count > 1)
        return help_usage(options, "cache takes one action, not %zu", options->arguments.count);
    const char *wanted = options->arguments.at[0], *names[ACTIONS];
    for (size_t i = 0; i < ACTIONS; i++) {
        names[i] = actions[i].name;
        if (strcmp(names[i], wanted) != 0)
            continue;
        char *path = object_cache_path();
        if (!path)
            return report("there is no folder for a cache: neither XDG_CACHE_HOME nor HOME is an absolute path");
        int status = actions[i].run(path);
        free(path);
        return status;
    }
    const char *near = nearest_name(wanted, names, ACTIONS);
    return help_usage(options, "unknown action \"%s\"%s%s%s", wanted, near ? "; did you mean \"" : "", near ? near : "",
                      near ? "\"?" : "");
}
