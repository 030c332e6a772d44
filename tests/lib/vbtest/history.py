# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots and checkpoints of a guest, as libvirt knows them."""


def history(guest):
    """All that libvirt knows of them, parents and the current one among it."""
    current = guest.call("snapshot-current", "--name", status=None)
    names = {kind: sorted(guest.call(f"{kind}-list", "--name").out.split()) for kind in ("snapshot", "checkpoint")}
    xml = {(kind, name): guest.call(f"{kind}-dumpxml", f"--{kind}name", name).out for kind in names for name in names[kind]}
    return {**names, "current": current.out.strip() if current.status == 0 else None, "xml": xml}
