/* Objects into this process. An object lies in memory as it lies in its file, so nothing has to be laid out: its
 * references are written, and the pages become executable. What code refers to is in one of the objects that are loaded
 * with it, hence near; there are no symbols of ours to give. Objects may come from a file: nothing in them is believed
 * unseen. */
#include "load.h"

#include "target.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OBJECT_ALIGN = 64 }; /* no section of ours wants more */

struct object {
    unsigned char *bytes;
    size_t size;
    const Elf64_Shdr *section;
    uint32_t sections;
    const Elf64_Sym *symbol;
    size_t symbols;
    const char *names;
    size_t name_bytes; /* the last of them a NUL */
};
struct codegen_code {
    unsigned char *memory;
    size_t mapped;
    struct object *object;
    size_t objects;
};

/* ---- what is in an object ---- */

static bool inside(const struct object *o, uint64_t offset, uint64_t size, uint64_t align) {
    return offset <= o->size && size <= o->size - offset && offset % align == 0;
}

static bool check_header(struct object *o) {
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)o->bytes;
    if (!inside(o, 0, sizeof *header, 1) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_type != ET_REL || header->e_machine != RELOCATION_MACHINE || header->e_shnum == 0 ||
        header->e_shentsize != sizeof *o->section ||
        !inside(o, header->e_shoff, (uint64_t)header->e_shnum * sizeof *o->section, _Alignof(Elf64_Shdr)))
        return false;
    o->section = (const Elf64_Shdr *)(o->bytes + header->e_shoff);
    o->sections = header->e_shnum;
    return true;
}

static bool check_symbols(struct object *o, const Elf64_Shdr *table) {
    if (o->symbol || table->sh_link >= o->sections || !inside(o, table->sh_offset, table->sh_size, _Alignof(Elf64_Sym)))
        return false;
    const Elf64_Shdr *names = &o->section[table->sh_link];
    o->symbol = (const Elf64_Sym *)(o->bytes + table->sh_offset);
    o->symbols = table->sh_size / sizeof *o->symbol;
    if (names->sh_type != SHT_STRTAB || !inside(o, names->sh_offset, names->sh_size, 1) || names->sh_size == 0)
        return false;
    o->names = (const char *)o->bytes + names->sh_offset;
    o->name_bytes = names->sh_size;
    if (o->names[o->name_bytes - 1])
        return false;
    for (size_t i = 0; i < o->symbols; i++)
        if (o->symbol[i].st_name >= o->name_bytes)
            return false;
    return true;
}

static bool meet(const Elf64_Shdr *a, const Elf64_Shdr *b) {
    return a->sh_offset < b->sh_offset + b->sh_size && b->sh_offset < a->sh_offset + a->sh_size;
}

/* References are written into loaded sections: none of these may hold what says where and how. */
static bool check_apart(const struct object *o) {
    Elf64_Shdr header = {.sh_size = sizeof(Elf64_Ehdr)};
    Elf64_Shdr table = {.sh_offset = (uint64_t)((const unsigned char *)o->section - o->bytes),
                        .sh_size = o->sections * sizeof *o->section};
    for (uint32_t i = 0; i < o->sections; i++) {
        const Elf64_Shdr *loaded = &o->section[i];
        if (!(loaded->sh_flags & SHF_ALLOC) || loaded->sh_size == 0)
            continue;
        if (meet(loaded, &header) || meet(loaded, &table))
            return false;
        for (uint32_t k = 0; k < o->sections; k++) {
            const Elf64_Shdr *other = &o->section[k];
            if (!(other->sh_flags & SHF_ALLOC) && other->sh_type != SHT_NOBITS && meet(loaded, other))
                return false;
        }
    }
    return true;
}

static bool check_object(struct object *o) {
    if (!check_header(o))
        return false;
    for (uint32_t i = 0; i < o->sections; i++) {
        const Elf64_Shdr *section = &o->section[i];
        bool loaded = section->sh_flags & SHF_ALLOC, empty = section->sh_type == SHT_NOBITS;
        uint64_t align = loaded && section->sh_addralign ? section->sh_addralign : 1;
        if ((loaded && empty && section->sh_size) || align > OBJECT_ALIGN ||
            ((loaded || !empty) && !inside(o, section->sh_offset, section->sh_size, align)) ||
            (section->sh_type == SHT_SYMTAB && !check_symbols(o, section)))
            return false;
    }
    return o->symbol != NULL && check_apart(o);
}

/* ---- references ---- */

static const char *name_of(const struct object *o, const Elf64_Sym *symbol) { return o->names + symbol->st_name; }

/* Where a symbol of this object is; NULL: not here. */
static unsigned char *here(const struct object *o, const Elf64_Sym *symbol) {
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= o->sections)
        return NULL;
    const Elf64_Shdr *section = &o->section[symbol->st_shndx];
    if (!(section->sh_flags & SHF_ALLOC) || symbol->st_value > section->sh_size)
        return NULL;
    return o->bytes + section->sh_offset + symbol->st_value;
}

/* Where the first object that shows a symbol of this name has it. */
static unsigned char *somewhere(const struct codegen_code *code, const char *name, bool hidden_too) {
    for (size_t i = 0; i < code->objects; i++)
        for (size_t s = 0; s < code->object[i].symbols; s++) {
            const Elf64_Sym *symbol = &code->object[i].symbol[s];
            unsigned char *at = NULL;
            if (ELF64_ST_BIND(symbol->st_info) == STB_GLOBAL &&
                (hidden_too || ELF64_ST_VISIBILITY(symbol->st_other) == STV_DEFAULT) &&
                strcmp(name_of(&code->object[i], symbol), name) == 0)
                at = here(&code->object[i], symbol);
            if (at)
                return at;
        }
    return NULL;
}

/* False: *why is a message, NULL when out of memory, as in all that follows. */
static bool relocate_section(const struct codegen_code *code, const struct object *o, const Elf64_Shdr *list,
                             char **why) {
    const Elf64_Rela *reference = (const Elf64_Rela *)(o->bytes + list->sh_offset);
    bool broken = list->sh_info >= o->sections || list->sh_offset % _Alignof(Elf64_Rela);
    const Elf64_Shdr *target = broken ? NULL : &o->section[list->sh_info];
    for (size_t i = 0; !broken && i < list->sh_size / sizeof *reference && target->sh_flags & SHF_ALLOC; i++) {
        uint64_t number = ELF64_R_SYM(reference[i].r_info), offset = reference[i].r_offset;
        broken = number >= o->symbols || offset > target->sh_size;
        if (broken)
            break;
        const Elf64_Sym *symbol = &o->symbol[number];
        unsigned char *to = symbol->st_shndx == SHN_UNDEF ? somewhere(code, name_of(o, symbol), true) : here(o, symbol);
        uint32_t kind = (uint32_t)ELF64_R_TYPE(reference[i].r_info);
        if (!to) {
            *why = codegen_message("it refers to `%s`, which is nowhere", name_of(o, symbol));
            return false;
        }
        if (!relocate(kind, o->bytes + target->sh_offset + offset, target->sh_size - offset,
                      (uint64_t)(uintptr_t)to + (uint64_t)reference[i].r_addend)) {
            *why = codegen_message("a reference of kind %u to `%s` cannot be written", (unsigned)kind,
                                   name_of(o, symbol));
            return false;
        }
    }
    if (broken)
        *why = codegen_message("its references are broken");
    return !broken;
}

static bool relocate_all(const struct codegen_code *code, char **why) {
    for (size_t i = 0; i < code->objects; i++) {
        const struct object *o = &code->object[i];
        for (uint32_t s = 0; s < o->sections; s++) {
            if (o->section[s].sh_type == SHT_RELA && !relocate_section(code, o, &o->section[s], why))
                return false;
            if (o->section[s].sh_type == SHT_REL) {
                *why = codegen_message("its references are of another kind");
                return false;
            }
        }
    }
    return true;
}

/* ---- memory ---- */

/* The objects of `bytes`, each behind its size, or one alone; how many, 0: neither. `out` NULL: only counted. */
static size_t split(const unsigned char *bytes, size_t size, struct object *out) {
    size_t count = 0;
    uint64_t next = size;
    bool alone = size >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0;
    for (; size > 0; bytes += next, size -= (size_t)next, count++) {
        if (!alone) {
            if (size < sizeof next)
                return 0;
            memcpy(&next, bytes, sizeof next);
            bytes += sizeof next;
            size -= sizeof next;
        }
        if (next == 0 || next > size)
            return 0;
        if (out)
            out[count] = (struct object){.bytes = (unsigned char *)bytes, .size = (size_t)next};
    }
    return count;
}

/* Into pages of their own, from where they are. */
static bool place(struct codegen_code *code) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), total = 0;
    for (size_t i = 0; i < code->objects; i++)
        total += (code->object[i].size + OBJECT_ALIGN - 1) / OBJECT_ALIGN * OBJECT_ALIGN;
    code->mapped = (total + page - 1) / page * page;
    void *memory = mmap(NULL, code->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    unsigned char *at = code->memory = memory;
    for (size_t i = 0; i < code->objects; i++) {
        struct object *o = &code->object[i];
        o->bytes = memcpy(at, o->bytes, o->size);
        at += (o->size + OBJECT_ALIGN - 1) / OBJECT_ALIGN * OBJECT_ALIGN;
    }
    return true;
}

static bool check_all(const struct codegen_code *code) {
    for (size_t i = 0; i < code->objects; i++)
        if (!check_object(&code->object[i]))
            return false;
    return true;
}

static bool load(struct codegen_code *code, const unsigned char *bytes, size_t size, char **why) {
    code->objects = split(bytes, size, NULL);
    if (!code->objects) {
        *why = codegen_message("it is incomplete");
        return false;
    }
    code->object = calloc(code->objects, sizeof *code->object);
    if (!code->object)
        return false;
    split(bytes, size, code->object);
    if (!place(code))
        return false;
    if (!check_all(code)) {
        *why = codegen_message("it is not one for this machine, or it is broken");
        return false;
    }
    if (!relocate_all(code, why))
        return false;
    __builtin___clear_cache((char *)code->memory, (char *)code->memory + code->mapped);
    if (mprotect(code->memory, code->mapped, PROT_READ | PROT_EXEC) != 0) {
        *why = codegen_message("its pages cannot be made executable");
        return false;
    }
    return true;
}

/* ---- entry ---- */

struct codegen_code *codegen_load(const struct codegen_target *target, const unsigned char *object, size_t size,
                                  char **out_message) {
    *out_message = NULL;
    if (!target->runs_here) {
        *out_message = codegen_message("this machine cannot run code for %s", target->description);
        return NULL;
    }
    struct codegen_code *code = calloc(1, sizeof *code);
    char *why = NULL;
    if (code && load(code, object, size, &why))
        return code;
    if (why)
        *out_message = codegen_message("the object cannot be loaded: %s", why);
    free(why);
    codegen_unload(code);
    return NULL;
}

void codegen_unload(struct codegen_code *code) {
    if (!code)
        return;
    if (code->memory)
        munmap(code->memory, code->mapped);
    free(code->object);
    free(code);
}

codegen_entry codegen_find(const struct codegen_code *code, const char *program_name) {
    return (codegen_entry)(uintptr_t)somewhere(code, program_name, false);
}
