"""What a server says of itself, checked and bounded."""

from __future__ import annotations

import math
import re
from typing import Any

from orchestrator.core.errors import InvalidInput
from orchestrator.core.records import Json

_BYTES = 2**60
_NAMES = 64  # disks, packages
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~_-]{0,99}")
_MEMORY = ("total", "available", "swap_total", "swap_free")
_DISK = ("total", "free", "inodes", "inodes_free")
_LOAD = ("load1", "load5", "load15", "processors")
_REMEDY = "check the server"


def read(said: Any) -> Json:
    """Return the status of a server; InvalidInput names the first part that is not believed."""
    found = _object(said, "server")
    busy = found.get("busy")
    return {
        "load": {name: _number(_object(found.get("load"), "load").get(name), name, 10**6) for name in _LOAD},
        "busy": None if busy is None else _number(busy, "busy", 1),
        "memory": {name: _whole(_object(found.get("memory"), "memory").get(name), name) for name in _MEMORY},
        "disks": {
            _word(name, "disks"): {key: _whole(_object(disk, "disks").get(key), key) for key in _DISK}
            for name, disk in _few(found.get("disks"), "disks").items()
        },
        "packages": {
            _word(name, "packages"): _word(version, "packages")
            for name, version in _few(found.get("packages"), "packages").items()
        },
        "reboot_needed": _flag(found.get("reboot_needed")),
        "uptime": _whole(found.get("uptime"), "uptime"),
        "kernel": _word(found.get("kernel"), "kernel"),
    }


def _object(value: Any, field: str) -> Json:
    if not isinstance(value, dict):
        raise InvalidInput(f"usage.{field}", "is no object", _REMEDY)
    return value


def _few(value: Any, field: str) -> Json:
    found = _object(value, field)
    if len(found) > _NAMES:
        raise InvalidInput(f"usage.{field}", f"has more than {_NAMES} entries", _REMEDY)
    return found


def _number(value: Any, field: str, maximum: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"usage.{field}", "is no number", _REMEDY)
    if not 0 <= value <= maximum:
        raise InvalidInput(f"usage.{field}", "is out of range", _REMEDY)
    return value


def _whole(value: Any, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _BYTES:
        raise InvalidInput(f"usage.{field}", "is no whole number in range", _REMEDY)
    return value


def _word(value: Any, field: str) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise InvalidInput(f"usage.{field}", "has a word that cannot be read", _REMEDY)
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("usage.reboot_needed", "is neither true nor false", _REMEDY)
    return value
