/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "forbidden.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* No descriptor of any plan. */
#define STRANGER 9
/* One of every plan; also under the number of a standard one. */
#define OWN 3

#define TEXT(text) ((long)(intptr_t)(text))
#define NOTHING TEXT("/nonexistent-virt-backup/file")

static char data[64];
#define DATA TEXT(data)

const struct forbidden forbidden_calls[] = {
    /* files */
    {"open a file for reading", __NR_openat, {AT_FDCWD, TEXT("/etc/passwd"), O_RDONLY}},
    {"open a device", __NR_openat, {AT_FDCWD, TEXT("/dev/null"), O_RDWR}},
    {"make a file", __NR_openat, {AT_FDCWD, NOTHING, O_CREAT | O_WRONLY, 0600}},
    {"open its own memory", __NR_openat, {AT_FDCWD, TEXT("/proc/self/mem"), O_RDWR}},
    {"openat2", __NR_openat2, {AT_FDCWD, NOTHING, 0, 0}},
    {"open_by_handle_at", __NR_open_by_handle_at, {AT_FDCWD, 0, O_RDONLY}},
    {"look at a file", __NR_statx, {AT_FDCWD, TEXT("/etc/passwd"), 0, 0x7ff, 0}},
    {"ask for access", __NR_faccessat, {AT_FDCWD, TEXT("/etc/passwd"), R_OK}},
    {"read a link", __NR_readlinkat, {AT_FDCWD, TEXT("/proc/self/exe"), DATA, sizeof(data)}},
    {"list a folder", __NR_getdents64, {STRANGER, DATA, sizeof(data)}},
    {"make a folder", __NR_mkdirat, {AT_FDCWD, NOTHING, 0700}},
    {"make a device", __NR_mknodat, {AT_FDCWD, NOTHING, 0020600, 0x103}},
    {"remove a file", __NR_unlinkat, {AT_FDCWD, NOTHING, 0}},
    {"rename a file", __NR_renameat2, {AT_FDCWD, NOTHING, AT_FDCWD, NOTHING, 0}},
    {"make a hard link", __NR_linkat, {AT_FDCWD, NOTHING, AT_FDCWD, NOTHING, 0}},
    {"make a symbolic link", __NR_symlinkat, {NOTHING, AT_FDCWD, NOTHING}},
    {"change a mode", __NR_fchmodat, {AT_FDCWD, NOTHING, 0777}},
    {"change an owner", __NR_fchownat, {AT_FDCWD, NOTHING, 0, 0, 0}},
    {"set an attribute", __NR_setxattr, {NOTHING, TEXT("user.x"), DATA, 1, 0}},
    {"truncate a file", __NR_truncate, {NOTHING, 0}},
    {"change the folder", __NR_chdir, {NOTHING}},
    {"change the root", __NR_chroot, {NOTHING}},
    {"mount", __NR_mount, {NOTHING, NOTHING, TEXT("tmpfs"), 0, 0}},
    {"unmount", __NR_umount2, {NOTHING, 0}},
    {"watch files", __NR_inotify_init1, {0}},
    /* descriptors */
    {"read from a stranger's descriptor", __NR_read, {STRANGER, DATA, 1}},
    {"write to a stranger's descriptor", __NR_write, {STRANGER, DATA, 1}},
    {"pread from its socket", __NR_pread64, {OWN, DATA, 1, 0}},
    {"pwrite", __NR_pwrite64, {OWN, DATA, 1, 0}},
    {"readv", __NR_readv, {OWN, 0, 0}},
    {"writev", __NR_writev, {OWN, 0, 0}},
    {"send a file", __NR_sendfile, {OWN, STRANGER, 0, 1}},
    {"splice", __NR_splice, {STRANGER, 0, STRANGER, 0, 1, 0}},
    {"duplicate a descriptor", __NR_dup, {STRANGER}},
    {"fcntl", __NR_fcntl, {OWN, F_GETFL}},
    {"ioctl", __NR_ioctl, {OWN, FIONREAD, DATA}},
    {"take another process's descriptor", __NR_pidfd_getfd, {STRANGER, 0, 0}},
    {"make a pipe", __NR_pipe2, {0, 0}},
    {"make a file in memory", __NR_memfd_create, {TEXT("x"), 0}},
    {"make an event", __NR_eventfd2, {0, 0}},
    {"poll", __NR_ppoll, {0, 0, DATA, 0}},
    /* network */
    {"make a TCP socket", __NR_socket, {AF_INET, SOCK_STREAM, 0}},
    {"make a Unix socket", __NR_socket, {AF_UNIX, SOCK_STREAM, 0}},
    {"make a netlink socket", __NR_socket, {AF_NETLINK, SOCK_RAW, 0}},
    {"make a pair of sockets", __NR_socketpair, {AF_UNIX, SOCK_STREAM, 0, 0}},
    {"connect", __NR_connect, {OWN, DATA, 16}},
    {"bind", __NR_bind, {OWN, DATA, 16}},
    {"listen", __NR_listen, {STRANGER, 1}},
    {"accept", __NR_accept4, {STRANGER, 0, 0, 0}},
    {"send a descriptor", __NR_sendmsg, {OWN, 0, 0}},
    {"receive a descriptor", __NR_recvmsg, {OWN, 0, 0}},
    {"set a socket option", __NR_setsockopt, {STRANGER, 0, 0, 0, 0}},
    /* processes */
    {"clone", __NR_clone, {CLONE_SIGHAND, 0, 0, 0, 0}},
    {"clone3", __NR_clone3, {0, 0}},
    {"run a program", __NR_execve, {NOTHING, 0, 0}},
    {"execveat", __NR_execveat, {AT_FDCWD, NOTHING, 0, 0, 0}},
    {"send a signal", __NR_kill, {1, 0}},
    {"send a signal to a thread", __NR_tgkill, {1, 1, 0}},
    {"trace", __NR_ptrace, {PTRACE_TRACEME, 0, 0, 0}},
    {"read another process's memory", __NR_process_vm_readv, {1, 0, 0, 0, 0, 0}},
    {"write another process's memory", __NR_process_vm_writev, {1, 0, 0, 0, 0, 0}},
    {"find the parent", __NR_getppid, {0}},
    {"handle a signal", __NR_rt_sigaction, {SIGUSR1, 0, 0, 8}},
    {"new namespaces", __NR_unshare, {0}},
    {"enter a namespace", __NR_setns, {STRANGER, 0}},
    {"a new session", __NR_setsid, {0}},
    {"wait", __NR_wait4, {-1, 0, 1, 0}},
    /* rights */
    {"become root", __NR_setresuid, {0, 0, 0}},
    {"change groups", __NR_setgroups, {0, 0}},
    {"take capabilities", __NR_capset, {0, 0}},
    {"prctl", __NR_prctl, {PR_SET_DUMPABLE, 1, 0, 0, 0}},
    {"raise a limit", __NR_prlimit64, {0, RLIMIT_NOFILE, 0, 0}},
    {"change the filter", __NR_seccomp, {99, 0, 0}},
    {"change the personality", __NR_personality, {0xffffffff}},
    {"restart the machine", __NR_reboot, {0, 0, 0, 0}},
    {"set the host's name", __NR_sethostname, {0, 1000}},
    /* memory */
    {"map executable memory",
     __NR_mmap,
     {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    {"map a file", __NR_mmap, {0, 4096, PROT_READ, MAP_SHARED, OWN, 0}},
    {"make memory executable", __NR_mprotect, {0, 4096, PROT_READ | PROT_EXEC}},
    {"merge its memory with others'", __NR_madvise, {0, 0, MADV_MERGEABLE}},
    {"lock memory", __NR_mlockall, {0}},
    {"attach shared memory", __NR_shmat, {-1, 0, 0}},
#if defined(__x86_64__)
    {"the older open", __NR_open, {NOTHING, O_RDONLY}},
    {"set a segment", __NR_arch_prctl, {0, 0}},
    {"an x32 call", FORBIDDEN_X32 + __NR_getpid, {0}},
#endif
};

const size_t forbidden_count = sizeof(forbidden_calls) / sizeof(*forbidden_calls);
