"""What can happen to a node. Each fault has its opposite, and none touches another node."""

from __future__ import annotations

from lab import access, addresses, network, nodes, slowness
from lab.config import Lab
from lab.errors import LabError

_FILLER = "/var/tmp/filler"
# Once in large pieces and once more in small ones: the last blocks are only given out after a sync.
_FILL = f"for size in 1M 1k; do dd if=/dev/zero bs=$size of={_FILLER}.$size 2>/dev/null; sync; done"


def link_down(lab: Lab, name: str) -> None:
    """Pull the cable: the node runs on, nobody reaches it."""
    access.leave(lab, name)
    network.set_link(addresses.of(lab, name), up=False)


def link_up(lab: Lab, name: str) -> None:
    """Plug the cable in again."""
    network.set_link(addresses.of(lab, name), up=True)


def power_cut(lab: Lab, name: str) -> None:
    """End the node without notice; its disk stays."""
    nodes.power_cut(lab, name)


def boot(lab: Lab, name: str) -> None:
    """Start the node again with the disk it had."""
    nodes.boot(lab, name)


def slow(lab: Lab, name: str, *, delay_ms: float = 0.0, loss_percent: float = 0.0) -> None:
    """Make the cable slow and lossy in both directions."""
    slowness.slow(lab, name, delay_ms=delay_ms, loss_percent=loss_percent)


def unslow(lab: Lab, name: str) -> None:
    """Make the cable good again."""
    slowness.unslow(lab, name)


def fill_disk(lab: Lab, name: str) -> None:
    """Use up the last block of a node that was made with a disk of limited size."""
    if not nodes.has_limited_disk(lab, name):
        raise LabError(
            f"node '{name}'",
            "its disk is the machine's own and is not filled",
            f"make it with `python3 -m lab up {name} --disk-mib 64`",
        )
    access.on(lab, name, "sh", "-c", _FILL, timeout=120, check=False)


def free_disk(lab: Lab, name: str) -> None:
    """Give back what `fill_disk` took."""
    access.on(lab, name, "rm", "-f", f"{_FILLER}.1M", f"{_FILLER}.1k")
