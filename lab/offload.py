"""Switch an interface's checksum and segmentation offload off, so that a packet socket sees whole frames.

Run as `python3 offload.py INTERFACE` inside the interface's namespace.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
import sys

_SIOCETHTOOL = 0x8946
_SWITCHES = (0x17, 0x1F, 0x24)  # transmit checksum, TCP segmentation, generic segmentation: from linux/ethtool.h


def switch_off(interface: str) -> None:
    """Let the kernel finish every packet of this interface in software."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for command in _SWITCHES:
            value = array.array("I", [command, 0])
            request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
            fcntl.ioctl(control, _SIOCETHTOOL, request)


if __name__ == "__main__":
    switch_off(sys.argv[1])
