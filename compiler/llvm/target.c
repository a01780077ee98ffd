/* Which machine: the host as its operating system lets it be used, or a named CPU with features. What LLVM knows of a
 * CPU is asked through its inliner, which may only inline a function into another whose features include its own: the
 * C API has no other question about features, and this one needs no table of ours. Unknown names are found before LLVM
 * sees them, in the list that the build took from this LLVM, because LLVM answers them on stderr. */
#include "target.h"

#include "cpu_names.h"

#include <llvm-c/Error.h>
#include <llvm-c/Support.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { MACHINE_X86 = 1 };
#define BASE_CPU "i386"
/* Every x86-64 machine has these; written out, so that a 32-bit CPU's name means 64-bit code tuned for it. */
#define BASE_FEATURES "+64bit,+cx8,+sse2"
static const char *const never_off[] = {"64bit", "cx8", "x87", "sse", "sse2", "fxsr", "cmov", "mmx"};
static const char *const never_on[] = {"16bit-mode", "32bit-mode", "soft-float", "harden-sls-ijmp", "harden-sls-ret",
                                       "retpoline", "retpoline-external-thunk", "retpoline-indirect-branches",
                                       "retpoline-indirect-calls", "lvi-cfi", "seses"};
#elif defined(__aarch64__)
enum { MACHINE_X86 = 0 };
#define BASE_CPU "generic"
#define BASE_FEATURES "+neon"
static const char *const never_off[] = {"neon", "fp-armv8"};
static const char *const never_on[] = {"strict-align", "execute-only", "ptrauth"};
#else
#error "xent generates code for x86-64 and aarch64"
#endif

static const char *const cpu_names[] = {
#define X(name) name,
    LLVM_CPUS(X)
#undef X
};
static const char *const feature_names[] = {
#define X(name) name,
    LLVM_FEATURES(X)
#undef X
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

char *codegen_message(const char *format, ...) {
    va_list args;
    char *message = NULL;
    va_start(args, format);
    if (vasprintf(&message, format, args) < 0)
        message = NULL;
    va_end(args);
    return message;
}

const char *codegen_version(void) { return "LLVM " LLVM_VERSION_STRING; }

/* ---- LLVM's own set-up: once in a process, whoever comes first ---- */

/* What takes a fifth of the time and gives our code nothing: addresses are already computed where they change,
 * conditions stand beside their branches, processors reorder what the machine scheduler leaves, and neighbours are
 * stored as vectors already. The C API has no other way to say so. */
static const char *const fewer_passes[] = {"xent", "-disable-lsr", "-disable-cgp", "-post-RA-scheduler=false",
                                           "-combiner-store-merging=false"};

static void initialize(void) {
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    LLVMInitializeNativeAsmParser();
    LLVMParseCommandLineOptions((int)COUNT(fewer_passes), fewer_passes, NULL);
}

static void initialize_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize);
}

LLVMTargetMachineRef target_machine(const struct codegen_target *target) {
    LLVMTargetRef backend;
    char *message = NULL;
    initialize_once();
    if (LLVMGetTargetFromTriple(target->triple, &backend, &message)) {
        LLVMDisposeMessage(message);
        return NULL;
    }
    /* Functions say for which CPU and features they are; saying so twice costs as much as a small function. */
    return LLVMCreateTargetMachine(backend, target->triple, "", "", LLVMCodeGenLevelDefault, LLVMRelocPIC,
                                   LLVMCodeModelDefault);
}

/* ---- names ---- */

static bool among(const char *name, size_t length, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return true;
    return false;
}

/* "; did you mean `x`?" or "". */
static const char *suggestion(char *buffer, size_t size, const char *name, const char *const *names, size_t count) {
    const char *near = nearest_name(name, names, count);
    *buffer = '\0';
    if (near)
        snprintf(buffer, size, "; did you mean `%s`?", near);
    return buffer;
}

static char *check_cpu(const char *cpu) {
    if (among(cpu, strlen(cpu), cpu_names, COUNT(cpu_names)))
        return NULL;
    char hint[128];
    suggestion(hint, sizeof hint, cpu, cpu_names, COUNT(cpu_names));
    return codegen_message("unknown CPU `%.60s`%s (%s knows %zu names: native, %sthose that `llc-%d -mcpu=help` lists)",
                           cpu, hint, codegen_version(), COUNT(cpu_names) + 1,
                           MACHINE_X86 ? "x86-64, x86-64-v2, x86-64-v3, x86-64-v4, haswell, znver4, and " : "",
                           LLVM_VERSION_MAJOR);
}

static char *check_features(const char *features) {
    for (const char *at = features; *at;) {
        size_t length = strcspn(at, ",");
        char name[64], hint[128];
        snprintf(name, sizeof name, "%.*s", length > 60 ? 60 : (int)length, at);
        if (*at != '+' && *at != '-')
            return codegen_message("feature `%s` must begin with + or -, as in `+avx2,-fma`", name);
        if (!among(at + 1, length - 1, feature_names, COUNT(feature_names)))
            return codegen_message("unknown feature `%s`%s (`llc-%d -mattr=help` lists what %s knows)", name,
                                   suggestion(hint, sizeof hint, name + 1, feature_names, COUNT(feature_names)),
                                   LLVM_VERSION_MAJOR, codegen_version());
        if (*at == '-' && among(at + 1, length - 1, never_off, COUNT(never_off)))
            return codegen_message("feature `%s`: the generated code cannot do without it", name);
        if (*at == '+' && among(at + 1, length - 1, never_on, COUNT(never_on)))
            return codegen_message("feature `%s`: the generated code cannot follow it", name);
        at += length;
        if (*at == ',')
            at++;
    }
    return NULL;
}

/* ---- what a CPU with features includes ---- */

struct question {
    const char *caller_cpu, *caller_features, *callee_cpu, *callee_features;
    LLVMValueRef caller;
};

static void add_attribute(LLVMContextRef context, LLVMValueRef function, const char *key, const char *value) {
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(context, key, (unsigned)strlen(key), value,
                                                      (unsigned)strlen(value)));
}

static LLVMValueRef small_function(LLVMContextRef context, LLVMModuleRef module, const char *cpu, const char *features,
                                   LLVMValueRef callee) {
    LLVMTypeRef i32 = LLVMInt32TypeInContext(context), type = LLVMFunctionType(i32, &i32, 1, 0);
    LLVMValueRef function = LLVMAddFunction(module, "", type);
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
    LLVMPositionBuilderAtEnd(builder, LLVMAppendBasicBlockInContext(context, function, ""));
    LLVMValueRef argument = LLVMGetParam(function, 0);
    LLVMBuildRet(builder, callee ? LLVMBuildCall2(builder, type, callee, &argument, 1, "") : argument);
    LLVMDisposeBuilder(builder);
    add_attribute(context, function, "target-cpu", cpu);
    add_attribute(context, function, "target-features", features);
    return function;
}

static bool calls_something(LLVMValueRef function) {
    for (LLVMValueRef i = LLVMGetFirstInstruction(LLVMGetEntryBasicBlock(function)); i; i = LLVMGetNextInstruction(i))
        if (LLVMIsACallInst(i))
            return true;
    return false;
}

/* out_included[i]: the caller of question i has every feature of the callee. */
static bool ask(const struct codegen_target *target, struct question *questions, size_t count, bool *out_included) {
    LLVMTargetMachineRef machine = target_machine(target);
    if (!machine)
        return false;
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("features", context);
    LLVMSetTarget(module, target->triple);
    for (size_t i = 0; i < count; i++) {
        struct question *q = &questions[i];
        LLVMValueRef callee = small_function(context, module, q->callee_cpu, q->callee_features, NULL);
        q->caller = small_function(context, module, q->caller_cpu, q->caller_features, callee);
    }
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module, "cgscc(inline)", machine, options);
    bool good = !error;
    if (error)
        LLVMConsumeError(error);
    for (size_t i = 0; i < count && good; i++)
        out_included[i] = !calls_something(questions[i].caller);
    LLVMDisposePassBuilderOptions(options);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    LLVMDisposeTargetMachine(machine);
    return good;
}

/* Whether `name` is on in a complete list such as the host's: the last mention wins. */
static bool listed(const char *features, const char *name) {
    bool on = false;
    size_t wanted = strlen(name);
    for (const char *at = features; *at;) {
        size_t length = strcspn(at, ",");
        if (length == wanted + 1 && memcmp(at + 1, name, wanted) == 0)
            on = *at == '+';
        at += length + (at[length] == ',');
    }
    return on;
}

/* ---- what this machine lacks ---- */

enum { MISSING_SHOWN = 8 };

/* The features that the target includes and this machine does not. */
static char *missing_features(const struct codegen_target *target, const char *host_cpu, const char *host_features) {
    enum { FEATURES = COUNT(feature_names) };
    struct scratch {
        struct question questions[2 * FEATURES];
        char feature[FEATURES][80];
        bool has[2 * FEATURES];
    } *scratch = calloc(1, sizeof *scratch);
    char *list = calloc(FEATURES, sizeof scratch->feature[0]);
    size_t count = 0, shown = 0;
    for (size_t i = 0; i < FEATURES && scratch; i++) {
        if (among(feature_names[i], strlen(feature_names[i]), never_on, COUNT(never_on)))
            continue;
        char *feature = scratch->feature[count];
        snprintf(feature, sizeof scratch->feature[0], BASE_FEATURES ",+%s", feature_names[i]);
        scratch->questions[2 * count] = (struct question){target->cpu, target->features, BASE_CPU, feature, NULL};
        scratch->questions[2 * count + 1] = (struct question){host_cpu, host_features, BASE_CPU, feature, NULL};
        count++;
    }
    if (scratch && list && ask(target, scratch->questions, 2 * count, scratch->has))
        for (size_t i = 0; i < count; i++)
            if (scratch->has[2 * i] && !scratch->has[2 * i + 1] && ++shown <= MISSING_SHOWN + 1)
                sprintf(list + strlen(list), "%s%s", shown > 1 ? ", " : "",
                        shown > MISSING_SHOWN ? "…" : scratch->feature[i] + strlen(BASE_FEATURES ",+"));
    free(scratch);
    return list;
}

char *codegen_target_missing(const struct codegen_target *target) {
    char *host_cpu = LLVMGetHostCPUName(), *host_features = LLVMGetHostCPUFeatures();
    char *list = missing_features(target, host_cpu, host_features);
    LLVMDisposeMessage(host_cpu);
    LLVMDisposeMessage(host_features);
    return list;
}

/* ---- facts ---- */

static int64_t cache_bytes(int name, int64_t otherwise) {
    long bytes = sysconf(name);
    return bytes > 0 ? bytes : otherwise;
}

/* The features that the facts are derived from; row order is the order of `has`. */
#if defined(__x86_64__)
static const char *const asked[] = {"avx512f", "avx", "fma"};

static void derive(struct ktarget *facts, const bool *has, const char *cpu) {
    facts->lanes = has[0] ? 16 : has[1] ? 8 : 4;
    facts->halves = has[0] && strcmp(cpu, "znver4") == 0; /* Zen 4 has units of 256 bits */
    facts->registers = has[0] ? 32 : 16;
    facts->fma = has[2] || has[0];
    facts->masks = has[0];
}
#else
static const char *const asked[] = {"neon"};

static void derive(struct ktarget *facts, const bool *has, const char *cpu) {
    (void)cpu;
    facts->lanes = has[0] ? 4 : 1;
    facts->registers = 32;
    facts->fma = true;
    facts->masks = false;
}
#endif

static bool find_facts(struct codegen_target *target, bool complete_list, const char *host_cpu,
                       const char *host_features) {
    bool has[COUNT(asked) + 1];
    if (complete_list) {
        for (size_t i = 0; i < COUNT(asked); i++)
            has[i] = listed(target->features, asked[i]);
        has[COUNT(asked)] = true;
    } else {
        struct question questions[COUNT(asked) + 1];
        char feature[COUNT(asked)][64];
        for (size_t i = 0; i < COUNT(asked); i++) {
            snprintf(feature[i], sizeof feature[i], BASE_FEATURES ",+%s", asked[i]);
            questions[i] = (struct question){target->cpu, target->features, BASE_CPU, feature[i], NULL};
        }
        questions[COUNT(asked)] = (struct question){host_cpu, host_features, target->cpu, target->features, NULL};
        if (!ask(target, questions, COUNT(questions), has))
            return false;
    }
    derive(&target->facts, has, target->cpu);
    target->runs_here = has[COUNT(asked)];
    target->facts.l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 << 10);
    target->facts.l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 512 << 10);
    return true;
}

/* ---- entry ---- */

struct codegen_target *codegen_target_create(const char *cpu, const char *features, char **out_message) {
    if (cpu && strcmp(cpu, "native") == 0)
        cpu = NULL;
    if (features && !*features)
        features = NULL;
    *out_message = cpu ? check_cpu(cpu) : NULL;
    if (!*out_message && features)
        *out_message = check_features(features);
    if (*out_message)
        return NULL;

    char *triple = LLVMGetDefaultTargetTriple(), *host_cpu = LLVMGetHostCPUName();
    char *host_features = LLVMGetHostCPUFeatures();
    struct codegen_target *target = calloc(1, sizeof *target);
    if (target) {
        const char *base = cpu ? BASE_FEATURES : host_features;
        target->triple = strdup(triple);
        target->cpu = strdup(cpu ? cpu : host_cpu);
        target->features = features ? codegen_message("%s,%s", base, features) : strdup(base);
        target->description = codegen_message("%s, cpu %s%s%s%s", triple, cpu ? cpu : host_cpu,
                                              cpu ? "" : " (this machine)", features ? ", features " : "",
                                              features ? features : "");
        if (!target->triple || !target->cpu || !target->features || !target->description ||
            !find_facts(target, !cpu && !features, host_cpu, host_features)) {
            codegen_target_destroy(target);
            target = NULL;
        }
    }
    if (!target)
        *out_message = codegen_message("%s cannot be set up for %s", codegen_version(), triple);
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(host_cpu);
    LLVMDisposeMessage(host_features);
    return target;
}

void codegen_target_destroy(struct codegen_target *target) {
    if (!target)
        return;
    free(target->triple);
    free(target->cpu);
    free(target->features);
    free(target->description);
    free(target);
}

const struct ktarget *codegen_target_facts(const struct codegen_target *target) { return &target->facts; }
const char *codegen_target_describe(const struct codegen_target *target) { return target->description; }
bool codegen_target_runs_here(const struct codegen_target *target) { return target->runs_here; }
