# SPDX-License-Identifier: LGPL-2.1-or-later
"""What of a file is in the host's page cache."""

import ctypes
import mmap
import os

from vbtest.command import expect

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)


def pages(path):
    """The numbers of the file's pages that are cached."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return set()
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
            place = (ctypes.c_char * size).from_buffer(mapped)
            found = (ctypes.c_ubyte * (-(-size // PAGE)))()
            failed = _libc.mincore(ctypes.c_void_p(ctypes.addressof(place)), ctypes.c_size_t(size), found)
            del place
    if failed:
        raise OSError(ctypes.get_errno(), "mincore")
    return {number for number, cached in enumerate(found) if cached & 1}


def cool(path):
    """Nothing of the file is cached."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    expect(not pages(path), f"{path}: {len(pages(path))} pages cannot be dropped")


def warm(path, *ranges):
    """These ranges of bytes are cached, and nothing else."""
    cool(path)
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for start, length in ranges:
            for offset in range(start, start + length, PAGE):
                os.pread(file.fileno(), PAGE, offset)
    return pages(path)
