/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The wrappers of libvirt and libnbd.
 */
#include <libnbd.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>

#include "shim.h"

static __thread char libvirt_text[LABEL_SIZE + 32];

#define FAIL_LIBVIRT(NAME, VALUE)                                                                  \
    snprintf(libvirt_text, sizeof(libvirt_text), "injected failure of %s", NAME);                  \
    shim_libvirt_failed = true;                                                                    \
    return (VALUE)
#define FAIL_LIBNBD(VALUE)                                                                         \
    shim_libnbd_failed = true;                                                                     \
    return (VALUE)
#define VIR(TYPE, NAME, PARAMETERS, ARGUMENTS, FAILURE)                                            \
    WRAP(TYPE, NAME, PARAMETERS, ARGUMENTS, NULL, false, FAIL_LIBVIRT(#NAME, FAILURE))
/* Asked for again and again, until something has come about. */
#define VIR_POLLED(TYPE, NAME, PARAMETERS, ARGUMENTS, FAILURE)                                     \
    WRAP(TYPE, NAME, PARAMETERS, ARGUMENTS, NULL, true, FAIL_LIBVIRT(#NAME, FAILURE))
#define NBD(TYPE, NAME, PARAMETERS, ARGUMENTS, MANY, FAILURE)                                      \
    WRAP(TYPE, NAME, PARAMETERS, ARGUMENTS, NULL, MANY, FAIL_LIBNBD(FAILURE))

/* ---- libvirt: connection ------------------------------------------------------------------------ */

VIR(virConnectPtr, virConnectOpen, (const char *name), (name), NULL)
VIR(char *, virConnectGetHostname, (virConnectPtr c), (c), NULL)
VIR(int, virConnectGetLibVersion, (virConnectPtr c, unsigned long *v), (c, v), -1)
VIR(int, virConnectGetVersion, (virConnectPtr c, unsigned long *v), (c, v), -1)
VIR(char *, virConnectGetDomainCapabilities,
    (virConnectPtr c, const char *e, const char *a, const char *m, const char *v, unsigned int f),
    (c, e, a, m, v, f), NULL)
VIR(char *, virConnectDomainXMLToNative,
    (virConnectPtr c, const char *n, const char *x, unsigned int f), (c, n, x, f), NULL)
VIR(char *, virConnectGetCapabilities, (virConnectPtr c), (c), NULL)
VIR(int, virConnectListAllStoragePools, (virConnectPtr c, virStoragePoolPtr **p, unsigned int f),
    (c, p, f), -1)
VIR(char *, virStoragePoolGetXMLDesc, (virStoragePoolPtr p, unsigned int f), (p, f), NULL)
VIR(int, virConnectListAllDomains, (virConnectPtr c, virDomainPtr **d, unsigned int f), (c, d, f),
    -1)
VIR(int, virConnectSetKeepAlive, (virConnectPtr c, int i, unsigned int n), (c, i, n), -1)
VIR_POLLED(int, virConnectIsAlive, (virConnectPtr c), (c), -1)
VIR(int, virConnectRegisterCloseCallback,
    (virConnectPtr c, virConnectCloseFunc f, void *o, virFreeCallback r), (c, f, o, r), -1)
VIR(int, virConnectUnregisterCloseCallback, (virConnectPtr c, virConnectCloseFunc f), (c, f), -1)
VIR(int, virConnectDomainEventRegisterAny,
    (virConnectPtr c, virDomainPtr d, int e, virConnectDomainEventGenericCallback f, void *o,
     virFreeCallback r),
    (c, d, e, f, o, r), -1)
VIR(int, virConnectDomainEventDeregisterAny, (virConnectPtr c, int i), (c, i), -1)
VIR(int, virConnectDomainQemuMonitorEventRegister,
    (virConnectPtr c, virDomainPtr d, const char *e, virConnectDomainQemuMonitorEventCallback f,
     void *o, virFreeCallback r, unsigned int g),
    (c, d, e, f, o, r, g), -1)
VIR(int, virConnectDomainQemuMonitorEventDeregister, (virConnectPtr c, int i), (c, i), -1)

/* ---- libvirt: guests ------------------------------------------------------------------------------- */

VIR(virDomainPtr, virDomainLookupByName, (virConnectPtr c, const char *n), (c, n), NULL)
VIR(virDomainPtr, virDomainLookupByUUIDString, (virConnectPtr c, const char *u), (c, u), NULL)
VIR_POLLED(int, virDomainGetState, (virDomainPtr d, int *s, int *r, unsigned int f), (d, s, r, f),
           -1)
VIR(int, virDomainIsActive, (virDomainPtr d), (d), -1)
VIR(int, virDomainIsPersistent, (virDomainPtr d), (d), -1)
VIR(int, virDomainHasManagedSaveImage, (virDomainPtr d, unsigned int f), (d, f), -1)
VIR(char *, virDomainManagedSaveGetXMLDesc, (virDomainPtr d, unsigned int f), (d, f), NULL)
VIR(int, virDomainManagedSaveRemove, (virDomainPtr d, unsigned int f), (d, f), -1)
VIR(int, virDomainGetAutostart, (virDomainPtr d, int *a), (d, a), -1)
VIR(int, virDomainSetAutostart, (virDomainPtr d, int a), (d, a), -1)
VIR(char *, virDomainGetXMLDesc, (virDomainPtr d, unsigned int f), (d, f), NULL)
VIR(int, virDomainGetTime, (virDomainPtr d, long long *s, unsigned int *n, unsigned int f),
    (d, s, n, f), -1)
VIR(virDomainPtr, virDomainDefineXMLFlags, (virConnectPtr c, const char *x, unsigned int f),
    (c, x, f), NULL)
VIR(int, virDomainUndefineFlags, (virDomainPtr d, unsigned int f), (d, f), -1)
VIR(virDomainPtr, virDomainCreateXML, (virConnectPtr c, const char *x, unsigned int f), (c, x, f),
    NULL)
VIR(int, virDomainCreateWithFlags, (virDomainPtr d, unsigned int f), (d, f), -1)
VIR(int, virDomainDestroy, (virDomainPtr d), (d), -1)
VIR(int, virDomainDestroyFlags, (virDomainPtr d, unsigned int f), (d, f), -1)
VIR(int, virDomainSuspend, (virDomainPtr d), (d), -1)
VIR(int, virDomainResume, (virDomainPtr d), (d), -1)
VIR(int, virDomainSaveFlags, (virDomainPtr d, const char *t, const char *x, unsigned int f),
    (d, t, x, f), -1)
VIR(char *, virDomainSaveImageGetXMLDesc, (virConnectPtr c, const char *p, unsigned int f),
    (c, p, f), NULL)
VIR(int, virDomainRestoreFlags, (virConnectPtr c, const char *p, const char *x, unsigned int f),
    (c, p, x, f), -1)
VIR(virDomainSnapshotPtr, virDomainSnapshotCreateXML,
    (virDomainPtr d, const char *x, unsigned int f), (d, x, f), NULL)
VIR(virDomainSnapshotPtr, virDomainSnapshotLookupByName,
    (virDomainPtr d, const char *n, unsigned int f), (d, n, f), NULL)
VIR(int, virDomainListAllSnapshots, (virDomainPtr d, virDomainSnapshotPtr **s, unsigned int f),
    (d, s, f), -1)
VIR(char *, virDomainSnapshotGetXMLDesc, (virDomainSnapshotPtr s, unsigned int f), (s, f), NULL)
VIR(int, virDomainSnapshotIsCurrent, (virDomainSnapshotPtr s, unsigned int f), (s, f), -1)
VIR(int, virDomainSnapshotDelete, (virDomainSnapshotPtr s, unsigned int f), (s, f), -1)
VIR(virDomainCheckpointPtr, virDomainCheckpointCreateXML,
    (virDomainPtr d, const char *x, unsigned int f), (d, x, f), NULL)
VIR(virDomainCheckpointPtr, virDomainCheckpointLookupByName,
    (virDomainPtr d, const char *n, unsigned int f), (d, n, f), NULL)
VIR(int, virDomainListAllCheckpoints, (virDomainPtr d, virDomainCheckpointPtr **s, unsigned int f),
    (d, s, f), -1)
VIR(char *, virDomainCheckpointGetXMLDesc, (virDomainCheckpointPtr s, unsigned int f), (s, f), NULL)
VIR(int, virDomainCheckpointDelete, (virDomainCheckpointPtr s, unsigned int f), (s, f), -1)
VIR(int, virDomainBackupBegin, (virDomainPtr d, const char *x, const char *p, unsigned int f),
    (d, x, p, f), -1)
VIR(char *, virDomainBackupGetXMLDesc, (virDomainPtr d, unsigned int f), (d, f), NULL)
VIR_POLLED(int, virDomainGetJobStats,
           (virDomainPtr d, int *t, virTypedParameterPtr *p, int *n, unsigned int f),
           (d, t, p, n, f), -1)
VIR_POLLED(int, virDomainGetJobInfo, (virDomainPtr d, virDomainJobInfoPtr i), (d, i), -1)
VIR(int, virDomainAbortJob, (virDomainPtr d), (d), -1)
VIR(int, virDomainAgentSetResponseTimeout, (virDomainPtr d, int t, unsigned int f), (d, t, f), -1)
VIR(int, virDomainFSFreeze, (virDomainPtr d, const char **m, unsigned int n, unsigned int f),
    (d, m, n, f), -1)
VIR(int, virDomainFSThaw, (virDomainPtr d, const char **m, unsigned int n, unsigned int f),
    (d, m, n, f), -1)
VIR(int, virDomainQemuMonitorCommand, (virDomainPtr d, const char *k, char **r, unsigned int f),
    (d, k, r, f), -1)

/* ---- libvirt: what a guest refers to ------------------------------------------------------------------ */

VIR(virNetworkPtr, virNetworkLookupByName, (virConnectPtr c, const char *n), (c, n), NULL)
VIR(int, virNetworkIsActive, (virNetworkPtr n), (n), -1)
VIR(virNWFilterPtr, virNWFilterLookupByName, (virConnectPtr c, const char *n), (c, n), NULL)
VIR(virSecretPtr, virSecretLookupByUUIDString, (virConnectPtr c, const char *u), (c, u), NULL)
VIR(virSecretPtr, virSecretLookupByUsage, (virConnectPtr c, int t, const char *u), (c, t, u), NULL)
VIR(virStoragePoolPtr, virStoragePoolLookupByName, (virConnectPtr c, const char *n), (c, n), NULL)
VIR(int, virStoragePoolIsActive, (virStoragePoolPtr p), (p), -1)
VIR(int, virStoragePoolRefresh, (virStoragePoolPtr p, unsigned int f), (p, f), -1)
VIR(virStorageVolPtr, virStorageVolLookupByName, (virStoragePoolPtr p, const char *n), (p, n), NULL)
VIR(int, virStorageVolGetInfo, (virStorageVolPtr v, virStorageVolInfoPtr i), (v, i), -1)
VIR(char *, virStorageVolGetPath, (virStorageVolPtr v), (v), NULL)
VIR(char *, virStorageVolGetXMLDesc, (virStorageVolPtr v, unsigned int f), (v, f), NULL)

/* ---- libvirt: the error of a call that we let fail ------------------------------------------------------- */

virErrorPtr virGetLastError(void)
{
    static virErrorPtr (*next)(void);
    static __thread virError injected;

    if (shim_libvirt_failed) {
        injected = (virError){
            .code = VIR_ERR_OPERATION_FAILED,
            .domain = VIR_FROM_QEMU,
            .message = libvirt_text,
            .level = VIR_ERR_ERROR,
        };
        return &injected;
    }
    if (!next)
        *(void **)&next = shim_next("virGetLastError");
    return next();
}

const char *virGetLastErrorMessage(void)
{
    static const char *(*next)(void);

    if (shim_libvirt_failed)
        return libvirt_text;
    if (!next)
        *(void **)&next = shim_next("virGetLastErrorMessage");
    return next();
}

/* ---- libnbd ------------------------------------------------------------------------------------------------ */

NBD(struct nbd_handle *, nbd_create, (void), (), false, NULL)
NBD(int, nbd_add_meta_context, (struct nbd_handle * h, const char *n), (h, n), false, -1)
NBD(int, nbd_set_export_name, (struct nbd_handle * h, const char *n), (h, n), false, -1)
NBD(int, nbd_aio_connect_socket, (struct nbd_handle * h, int s), (h, s), false, -1)
NBD(int, nbd_aio_notify_read, (struct nbd_handle * h), (h), true, -1)
NBD(int, nbd_aio_notify_write, (struct nbd_handle * h), (h), true, -1)
NBD(int64_t, nbd_aio_pread,
    (struct nbd_handle * h, void *b, size_t n, uint64_t o, nbd_completion_callback c, uint32_t f),
    (h, b, n, o, c, f), true, -1)
NBD(int64_t, nbd_aio_pwrite,
    (struct nbd_handle * h, const void *b, size_t n, uint64_t o, nbd_completion_callback c,
     uint32_t f),
    (h, b, n, o, c, f), true, -1)
NBD(int64_t, nbd_aio_block_status,
    (struct nbd_handle * h, uint64_t n, uint64_t o, nbd_extent_callback e,
     nbd_completion_callback c, uint32_t f),
    (h, n, o, e, c, f), true, -1)
NBD(int64_t, nbd_aio_flush, (struct nbd_handle * h, nbd_completion_callback c, uint32_t f),
    (h, c, f), false, -1)
NBD(int, nbd_aio_disconnect, (struct nbd_handle * h, uint32_t f), (h, f), false, -1)

void nbd_close(struct nbd_handle *h)
{
    static void (*next)(struct nbd_handle *);
    enum deed deed = h ? shim_meet("nbd_close", NULL, false, CALLER) : NOTHING;

    if (!next)
        *(void **)&next = shim_next("nbd_close");
    next(h);
    shim_settle(deed);
}

const char *nbd_get_error(void)
{
    static const char *(*next)(void);

    if (shim_libnbd_failed)
        return "injected failure";
    if (!next)
        *(void **)&next = shim_next("nbd_get_error");
    return next();
}
