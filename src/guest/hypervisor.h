/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A connection to libvirt, and what it knows besides guests: volumes, networks, secrets. Outside
 * this folder nothing sees libvirt itself. libvirt's own error printing is off; its messages are
 * returned in struct err.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct hypervisor;
struct guest;

/* uri NULL: libvirt's default. Refused (unsupported) if the URI refers to another host: the images
 * are there, not here. If libvirt does not answer, a signal ends the wait, and so do five minutes.
 * Starts threads (libvirt's event loop), so fork children first. */
int hypervisor_open(const char *uri, struct hypervisor **ret, struct err *err);
/* Call this after its guests have been freed. Accepts NULL. */
void hypervisor_close(struct hypervisor *hypervisor);
DEFINE_CLEANUP(struct hypervisor *, hypervisor_closep, hypervisor_close)

const char *hypervisor_uri(const struct hypervisor *hypervisor);  /* borrowed */
const char *hypervisor_host(const struct hypervisor *hypervisor); /* borrowed; its host name */
/* From libvirt's capabilities; NULL if they do not say. Borrowed. */
const char *hypervisor_host_uuid(const struct hypervisor *hypervisor);
/* libvirtd's version: 9.0.0 is 9000000. */
unsigned long hypervisor_version(const struct hypervisor *hypervisor);

/* The version of the hypervisor that is installed, in the same form; 0: not known. */
unsigned long hypervisor_emulator_version(struct hypervisor *hypervisor);
bool hypervisor_is_qemu(struct hypervisor *hypervisor);
/* From here on nothing is asked of QEMU's monitor, which libvirt would note as a taint of the guest. What
 * only the monitor tells counts as not known. */
void hypervisor_spare_monitors(struct hypervisor *hypervisor);

/* False once the connection is known to be dead. Does not block. */
bool hypervisor_alive(struct hypervisor *hypervisor);
/* Reconnects, whether the old connection is dead or not, with back-off for at most timeout_ms.
 * Guests made from this hypervisor stay valid (each looks up its domain again by UUID at its next
 * use), and watches continue. May be called from any thread; what others are doing with the old
 * connection ends or fails as it would have anyway. If another thread has just reconnected, nothing
 * more is done. A second signal ends it (cancelled). */
int hypervisor_reconnect(struct hypervisor *hypervisor, uint64_t timeout_ms, struct err *err);

/* For the next guest: reconnects if the connection is dead, within some seconds. If that fails, the
 * guest's own first call says so. */
void hypervisor_revive(struct hypervisor *hypervisor);

/* All guests, active or not, sorted by name. Free with guest_list_free. */
int hypervisor_list(struct hypervisor *hypervisor, struct guest ***ret, size_t *ret_count,
                    struct err *err);
void guest_list_free(struct guest **guests, size_t count);

struct hypervisor_volume { /* all text owned */
    char *path;            /* where its bytes are on this host */
    char *format;          /* "raw" if libvirt does not say */
    char *type;            /* file, block, dir, network, ... */
};

/* The pool must be active. The caller clears *ret. */
int hypervisor_volume(struct hypervisor *hypervisor, const char *pool, const char *volume,
                      struct hypervisor_volume *ret, struct err *err);
void hypervisor_volume_clear(struct hypervisor_volume *volume);
#define CLEANUP_HYPERVISOR_VOLUME CLEANUP(hypervisor_volume_clear)

/* Whether libvirt itself can open the file at path (an existing file, which need not be a save
 * image): false for a place that its process cannot see or enter. True if the driver gives no clear
 * answer (all except QEMU's). */
int hypervisor_can_open(struct hypervisor *hypervisor, const char *path, bool *ret_can,
                        struct err *err);

/* Whether this host has what a guest refers to by name. */
enum host_thing {
    HOST_NETWORK,
    HOST_POOL,
    HOST_SECRET_UUID,
    HOST_SECRET_USAGE,
    HOST_NWFILTER,
    HOST_INTERFACE, /* a bridge or network interface */
};
enum host_answer {
    HOST_HAS, /* or libvirt cannot tell */
    HOST_LACKS,
    HOST_INACTIVE, /* a network or pool that is defined but not active */
};
enum host_answer hypervisor_has(struct hypervisor *hypervisor, enum host_thing thing,
                                const char *name);
/* The same for a volume of an active pool. Refreshes the pool if it does not know the volume. */
enum host_answer hypervisor_has_volume(struct hypervisor *hypervisor, const char *pool,
                                       const char *volume);

/* The folder where libvirt keeps the states of emulated TPMs, in a subfolder per guest UUID. The
 * caller frees. */
char *hypervisor_tpm_folder(const struct hypervisor *hypervisor);
/* A folder of ours beside that of libvirt's driver, which QEMU's user may own:
 * /var/lib/libvirt/virt-backup, or the equivalent in a session. It may not exist. The caller
 * frees. */
char *hypervisor_staging_folder(const struct hypervisor *hypervisor);
/* Asks libvirt for QEMU's command line for this domain, which defines nothing. -1 with
 * "unsupported" if libvirt refuses the domain as such: a machine type that is unknown here,
 * something this QEMU cannot do. If something is only missing for a start (a network, a pool), or
 * the hypervisor cannot tell, that is not a refusal. */
int hypervisor_check_domain(struct hypervisor *hypervisor, const char *xml, struct err *err);
/* Whether libvirt has a program on this host that emulates a TPM of this version ("1.2", "2.0") for
 * such a guest: without it libvirt refuses the definition. True if libvirt cannot tell.
 * domain_type: kvm, qemu. */
bool hypervisor_emulates_tpm(struct hypervisor *hypervisor, const char *domain_type,
                             const char *version);
