"""Real Debian nodes on one machine."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from lab import access, addresses, check, checkpoints, config, faults, image, nodes, resolver, snapshot, zones
from lab.config import Lab
from lab.errors import LabError, MissingError

_SIMPLE_FAULTS = {
    "link-down": faults.link_down,
    "link-up": faults.link_up,
    "power-cut": faults.power_cut,
    "boot": faults.boot,
    "unslow": faults.unslow,
    "fill-disk": faults.fill_disk,
    "free-disk": faults.free_disk,
}
_Commands = argparse._SubParsersAction  # argparse has no public name for it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 done, 1 failed, 2 bad usage, 3 something needed is missing."""
    arguments = _parser().parse_args(argv)
    try:
        if os.geteuid() != 0 and arguments.run is not _check:
            raise MissingError("the lab", "it mounts file systems and makes interfaces", "run it as root")
        arguments.run(config.load(), arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("lab: interrupted: run the command again, it goes on where it stopped", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, for example `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"lab: {error.filename}: {error.strerror} — see docs/lab.md, section Troubles", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "check", _check, "say what this machine lacks")
    build = _add(commands, "image", _image, "build the base image unless it is there")
    build.add_argument("--prune", action="store_true", help="remove images no node uses")
    up = _add(commands, "up", _up, f"bring nodes up, by default {' '.join(config.DEFAULT_NODES)}")
    up.add_argument("node", nargs="*")
    up.add_argument("--disk-mib", type=int, metavar="N", help="limit the disk of new nodes, so that it can be filled")
    _add(commands, "down", _down, "remove nodes, by default the whole lab").add_argument("node", nargs="*")
    _add(commands, "reset", _reset, "make a node factory-new").add_argument("node")
    _add(commands, "save", _save, "keep the disks of nodes as they are now").add_argument("node", nargs="+")
    _add(commands, "restore", _restore, "go back to the disks that were saved").add_argument("node", nargs="+")
    status = _add(commands, "status", _status, "show every node")
    status.add_argument("--json", action="store_true")
    ssh = _add(commands, "ssh", _ssh, "log in to a node or run a command on it")
    ssh.add_argument("node")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    tree = _add(commands, "tree", _tree, "list what a node holds")
    tree.add_argument("node")
    tree.add_argument("--exclude", action="append", default=[], metavar="PATTERN")
    tree.add_argument("--json", action="store_true")
    _add_faults(commands)
    _add_stubs(commands)
    return parser


def _add(commands: _Commands[argparse.ArgumentParser], name: str, run: object, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(run=run)
    return parser


def _add_faults(commands: _Commands[argparse.ArgumentParser]) -> None:
    kinds = commands.add_parser("fault", help="break a node or mend it").add_subparsers(required=True, metavar="FAULT")
    for name, function in _SIMPLE_FAULTS.items():
        _add(kinds, name, _fault, (function.__doc__ or name).splitlines()[0]).add_argument("node")
        kinds.choices[name].set_defaults(fault=function)
    slow = _add(kinds, "slow", _slow, "Make the cable slow and lossy in both directions.")
    slow.add_argument("node")
    slow.add_argument("delay_ms", type=float)
    slow.add_argument("loss_percent", type=float, nargs="?", default=0.0)


def _add_stubs(commands: _Commands[argparse.ArgumentParser]) -> None:
    stub = commands.add_parser("stub", help="which zones the resolver asks the lab's nodes for")
    kinds = stub.add_subparsers(required=True, metavar="ACTION")
    _add(kinds, "list", _stub_list, "show the stub zones")
    _add(kinds, "flush", _stub_flush, "forget every cached answer")
    add = _add(kinds, "add", _stub_add, "ask these servers for a zone")
    add.add_argument("zone")
    add.add_argument("server", nargs="+", help="node name, address or address@port")
    add.add_argument("--anchor", metavar="RECORD", help="DS or DNSKEY record: demand valid signatures")
    _add(kinds, "remove", _stub_remove, "ask nobody for a zone any more").add_argument("zone")


def _check(lab: Lab, _: argparse.Namespace) -> None:
    found = check.findings(lab)
    for finding in found:
        print(f"ok       {finding.what}" if finding.remedy is None else f"missing  {finding.what}: {finding.remedy}")
    lacking = [finding.what for finding in found if finding.remedy is not None]
    if lacking:
        raise MissingError("this machine", f"lacks {', '.join(lacking)}", "follow the remedies above")


def _image(lab: Lab, arguments: argparse.Namespace) -> None:
    _announce_build(lab)
    folder, seconds = image.ensure(lab)
    print(f"{folder} ({f'built in {seconds:.0f} s' if seconds else 'present'})")
    if arguments.prune:
        for stale in image.prune(lab):
            print(f"removed {stale}")


def _announce_build(lab: Lab) -> None:
    if not image.path(lab).is_dir():
        print(f"building the base image, which takes a minute or two; see {lab.cache}/build.log", file=sys.stderr)


def _up(lab: Lab, arguments: argparse.Namespace) -> None:
    _announce_build(lab)
    started = time.monotonic()
    names = nodes.up(lab, arguments.node, disk_mib=arguments.disk_mib)
    print(f"started {' '.join(names) or 'nothing, all nodes were up'} ({time.monotonic() - started:.1f} s)")


def _down(lab: Lab, arguments: argparse.Namespace) -> None:
    print(f"removed {' '.join(nodes.down(lab, arguments.node)) or 'no node, there was none'}")


def _reset(lab: Lab, arguments: argparse.Namespace) -> None:
    nodes.reset(lab, arguments.node)
    print(f"{arguments.node} is factory-new")


def _save(lab: Lab, arguments: argparse.Namespace) -> None:
    checkpoints.save(lab, arguments.node)


def _restore(lab: Lab, arguments: argparse.Namespace) -> None:
    checkpoints.restore(lab, arguments.node)


def _status(lab: Lab, arguments: argparse.Namespace) -> None:
    rows = nodes.status(lab)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    form = "{:8} {:8} {:13} {:26} {:5} {:4} {}"
    print(form.format("NODE", "STATE", "IPV4", "IPV6", "CABLE", "SSH", "MIB"))
    for row in rows:
        cable = "slow" if row.slow else "up" if row.link else "down"
        ssh = "yes" if row.ssh else "no"
        print(form.format(row.name, row.state, row.ipv4, row.ipv6, cable, ssh, row.memory_mib))


def _ssh(lab: Lab, arguments: argparse.Namespace) -> None:
    addresses.of(lab, arguments.node)
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    argv = access.command(lab, arguments.node, " ".join(command))
    os.execvp(argv[0], argv)


def _tree(lab: Lab, arguments: argparse.Namespace) -> None:
    found = snapshot.tree(lab, arguments.node, exclude=arguments.exclude)
    print(json.dumps(found, indent=1, sort_keys=True) if arguments.json else "\n".join(snapshot.listing(found)))


def _fault(lab: Lab, arguments: argparse.Namespace) -> None:
    arguments.fault(lab, arguments.node)


def _slow(lab: Lab, arguments: argparse.Namespace) -> None:
    faults.slow(lab, arguments.node, delay_ms=arguments.delay_ms, loss_percent=arguments.loss_percent)


def _stub_list(lab: Lab, _: argparse.Namespace) -> None:
    for stub in resolver.stubs(lab):
        print(f"{stub.zone} {' '.join(stub.servers)} {'validated' if stub.anchor else 'not validated'}")


def _stub_flush(lab: Lab, _: argparse.Namespace) -> None:
    resolver.flush(lab)


def _stub_add(lab: Lab, arguments: argparse.Namespace) -> None:
    servers = [addresses.of(lab, name).ipv4 if addresses.valid(name) else name for name in arguments.server]
    resolver.add_stub(lab, zones.stub(arguments.zone, servers, arguments.anchor))


def _stub_remove(lab: Lab, arguments: argparse.Namespace) -> None:
    resolver.remove_stub(lab, arguments.zone)
