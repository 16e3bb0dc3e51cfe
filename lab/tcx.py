# SPDX-License-Identifier: Apache-2.0
"""Takes the programs off a device's ingress: tcx ones go with a device into another network namespace.

    python3 lab/tcx.py DEVICE

A VM gets a new device on a new host; in a lab it keeps its cable, which must arrive as bare as a new one."""

import ctypes
import os
import platform
import socket
import struct
import sys

BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
PROG_DETACH = 9
TCX_INGRESS = 46
F_BEFORE = 1 << 3 # without a program: the first one there


def strip(device):
    """Detaches one after the other until none is left."""
    libc = ctypes.CDLL(None, use_errno=True)
    attr = ctypes.create_string_buffer(struct.pack("=IIII", socket.if_nametoindex(device), 0, TCX_INGRESS, F_BEFORE), 128)
    while libc.syscall(BPF, PROG_DETACH, attr, len(attr)) == 0:
        pass
    return ctypes.get_errno()


if __name__ == "__main__":
    errno = strip(sys.argv[1])
    if errno not in (2, 22): # ENOENT: none is left; EINVAL: a kernel without tcx
        sys.exit(f"{sys.argv[1]}: {os.strerror(errno)}")
