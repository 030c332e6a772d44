/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded into virt-backup by tests/fault/calls: lets the n-th call of one kind fail in
 * one of its processes, once or from then on. Only calls that the program makes count, and
 * memory that liblzma, libzstd and jansson ask for on its behalf. A process is known by the
 * name that it takes. No system call is added: a child's sandbox allows few.
 *
 * VB_CALLS_STATE=FILE  shared with the harness: struct state, below
 * VB_CALLS_ROLE=ROLE   control, guardian, spawner or child
 * VB_CALLS_KIND=KIND   memory, file, process, libvirt or nbd
 * VB_CALLS_AT=N        from 1; 0: none fails
 * VB_CALLS_ON=yes      all later ones fail, too
 * VB_CALLS_LIE=yes     instead: the n-th pwrite does nothing and says that it did, as if an
 *                      error were passed over; the harness must find that
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shim.h"

enum role { NO_ROLE, CONTROL, GUARDIAN, SPAWNER, CHILD, ROLES };
enum kind { MEMORY, FILES, PROCESS, LIBVIRT, NBD, KINDS };

static const char *const role_names[] = {"", "control", "guardian", "spawner", "child"};
static const char *const kind_names[] = {"memory", "file", "process", "libvirt", "nbd"};

/* Read by tests/fault/calls.py. Written by every process of the run. */
struct state {
    uint32_t most[ROLES][KINDS]; /* calls that one process of this role has made */
    uint32_t hits;
    char label[LABEL_SIZE]; /* of the first call that failed */
};

static struct state no_state;
static struct state *state = &no_state;
static struct {
    enum role role;
    enum kind kind;
    uint32_t at;
    bool on;
    bool lie;
} plan;

#define MAX_PARTS 8
static struct {
    uintptr_t start, end;
} parts[MAX_PARTS]; /* whose calls count: the program's code first */
static size_t part_count;

static enum role role;
static uint32_t calls[KINDS];
static uint32_t pwrites;
const bool shim_counts_all = true;
__thread bool shim_libvirt_failed;
__thread bool shim_libnbd_failed;

/* ---- plan ------------------------------------------------------------------------------ */

static int note_code(struct dl_phdr_info *info, size_t size, void *opaque)
{
    static const char *const libraries[] = {"liblzma", "libzstd", "libjansson"};
    bool *first = opaque;
    bool counts = *first;

    (void)size;
    *first = false;
    for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++)
        counts = counts || strstr(info->dlpi_name, libraries[i]);
    for (int i = 0; counts && i < info->dlpi_phnum && part_count < MAX_PARTS; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X))
            continue;
        parts[part_count].start = info->dlpi_addr + part->p_vaddr;
        parts[part_count].end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
        part_count++;
    }
    return 0;
}

static size_t index_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; name && i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return 0;
}

static void map_state(const char *path)
{
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (mapped == MAP_FAILED) {
        fprintf(stderr, "calls shim: VB_CALLS_STATE\n");
        _exit(125);
    }
    close(fd);
    state = mapped;
}

static void __attribute__((constructor)) begin(void)
{
    static const char *const variables[] = {"LD_PRELOAD",    "VB_CALLS_STATE", "VB_CALLS_ROLE",
                                            "VB_CALLS_KIND", "VB_CALLS_AT",    "VB_CALLS_ON",
                                            "VB_CALLS_LIE"};
    bool first = true;
    const char *at = getenv("VB_CALLS_AT");

    plan.role = (enum role)index_of(getenv("VB_CALLS_ROLE"), role_names, ROLES);
    plan.kind = (enum kind)index_of(getenv("VB_CALLS_KIND"), kind_names, KINDS);
    plan.at = at ? (uint32_t)strtoul(at, NULL, 10) : 0;
    plan.on = getenv("VB_CALLS_ON") != NULL;
    plan.lie = getenv("VB_CALLS_LIE") != NULL;
    map_state(getenv("VB_CALLS_STATE"));
    /* Programs that this one runs are to be themselves. */
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
        unsetenv(variables[i]);
    dl_iterate_phdr(note_code, &first);
    role = CONTROL;
}

void *shim_next(const char *name)
{
    void *next = dlsym(RTLD_NEXT, name);

    if (!next) {
        fprintf(stderr, "calls shim: no %s\n", name);
        _exit(125);
    }
    return next;
}

/* ---- counting ---------------------------------------------------------------------------- */

static enum kind kind_of(const char *name)
{
    static const char *const memory[] = {"malloc", "calloc",  "realloc",  "reallocarray",
                                         "strdup", "strndup", "vasprintf"};
    static const char *const process[] = {"send",    "recv", "fork",        "pthread_create",
                                          "connect", "bind", "kill",        "socket",
                                          "pipe2",   "mmap", "memfd_create"};

    if (strncmp(name, "vir", 3) == 0)
        return LIBVIRT;
    if (strncmp(name, "nbd_", 4) == 0)
        return NBD;
    for (size_t i = 0; i < sizeof(memory) / sizeof(*memory); i++)
        if (strcmp(name, memory[i]) == 0)
            return MEMORY;
    for (size_t i = 0; i < sizeof(process) / sizeof(*process); i++)
        if (strncmp(name, process[i], strlen(process[i])) == 0)
            return PROCESS;
    return FILES;
}

static bool is_ours(const void *caller)
{
    for (size_t i = 0; i < part_count; i++)
        if ((uintptr_t)caller >= parts[i].start && (uintptr_t)caller < parts[i].end)
            return true;
    return false;
}

static void note_hit(const char *name)
{
    if (__atomic_fetch_add(&state->hits, 1, __ATOMIC_SEQ_CST) == 0)
        snprintf(state->label, LABEL_SIZE, "%s", name);
}

enum deed shim_meet(const char *name, const char *detail, bool many, const void *caller)
{
    (void)detail;
    (void)many;
    /* A process can always end its own children. */
    if (role == NO_ROLE || !is_ours(caller) || strcmp(name, "kill") == 0)
        return NOTHING;
    enum kind kind = kind_of(name);
    uint32_t number = __atomic_add_fetch(&calls[kind], 1, __ATOMIC_SEQ_CST);
    if (number > state->most[role][kind])
        state->most[role][kind] = number;
    if (kind == LIBVIRT)
        shim_libvirt_failed = false;
    if (kind == NBD)
        shim_libnbd_failed = false;
    if (plan.lie) {
        if (role != CONTROL || strcmp(name, "pwrite") != 0 || ++pwrites != plan.at)
            return NOTHING;
        note_hit(name);
        return LIE;
    }
    if (role != plan.role || kind != plan.kind || plan.at == 0 || number < plan.at ||
        (!plan.on && (number > plan.at || state->hits > 0)))
        return NOTHING;
    note_hit(name);
    return FAIL;
}

void shim_settle(enum deed deed)
{
    (void)deed;
}

int shim_error(int usual)
{
    return usual;
}

/* ---- who we are ---------------------------------------------------------------------------- */

/* What has been forked counts from when it takes its name. */
bool shim_may_ask(void)
{
    return false;
}

void shim_forked(void)
{
    role = NO_ROLE;
    memset(calls, 0, sizeof(calls));
}

int prctl(int option, ...)
{
    static const char *const names[] = {"", "", "vb-guardian", "vb-spawner", "vb-child"};
    static int (*next)(int, ...);
    unsigned long a[4];
    va_list args;

    va_start(args, option);
    for (size_t i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    for (size_t i = GUARDIAN; option == PR_SET_NAME && i < ROLES; i++)
        if (strcmp((const char *)(uintptr_t)a[0], names[i]) == 0)
            role = (enum role)i;
    if (!next)
        *(void **)&next = shim_next("prctl");
    return next(option, a[0], a[1], a[2], a[3]);
}
