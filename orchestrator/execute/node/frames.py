"""Objects on the wire between an attempt and the interpreter on its server: four bytes of length, then JSON.

Both ends use this file: its text goes to the server in front of `program.py`. Nothing but Python's own library, 3.9 or newer.
"""

from __future__ import annotations

import json
import os
import select
import struct
from typing import Any

LARGEST = 32_000_000  # bytes of one object; a module's answer has bounds of its own
_HEAD = struct.Struct(">I")


class Broken(OSError):
    """The other end has gone, says nonsense, or far too much."""


def packed(value: dict[str, Any]) -> bytes:
    """Return an object as it is sent; Broken when it is too large."""
    body = json.dumps(value).encode()
    if len(body) > LARGEST:
        raise Broken(f"an object of {len(body)} bytes is too large to send")
    return _HEAD.pack(len(body)) + body


def send(descriptor: int, value: dict[str, Any]) -> None:
    """Write one object; OSError when nobody reads it."""
    view = memoryview(packed(value))
    while view:
        view = view[os.write(descriptor, view) :]


def receive(descriptor: int, idle_seconds: float | None = None) -> dict[str, Any] | None:
    """Read one object; None when the other end has closed between two, or began none within ``idle_seconds``.

    Broken when what comes is no such object.
    """
    if idle_seconds is not None and not select.select([descriptor], [], [], idle_seconds)[0]:
        return None
    head = _read(descriptor, _HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size or _HEAD.unpack(head)[0] > LARGEST:
        raise Broken("what came has no usable length")
    length = _HEAD.unpack(head)[0]
    body = _read(descriptor, length)
    if len(body) < length:
        raise Broken("the connection ended within an object")
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Broken("what came is no JSON") from None
    if not isinstance(value, dict):
        raise Broken("what came is no object")
    return value


def _read(descriptor: int, length: int) -> bytes:
    """Read so many bytes, fewer at the end."""
    parts = []
    while length:
        part = os.read(descriptor, min(length, 262_144))
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
