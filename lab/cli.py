"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from lab import access, config, image, nodes
from lab.config import Lab
from lab.errors import LabError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0 done, 1 failed, 2 bad usage, 3 something needed is missing."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(config.load(), arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_code
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser("image", help="build the base image unless it is there")
    build.add_argument("--prune", action="store_true", help="remove images no node uses")
    build.set_defaults(run=_image)
    up = commands.add_parser("up", help="bring nodes up (web1 mail1 dns1 dns2 acme)")
    up.add_argument("node", nargs="*")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="remove nodes, by default the whole lab")
    down.add_argument("node", nargs="*")
    down.set_defaults(run=_down)
    status = commands.add_parser("status", help="show every node")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=_status)
    ssh = commands.add_parser("ssh", help="log in to a node or run a command on it")
    ssh.add_argument("node")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    ssh.set_defaults(run=_ssh)
    return parser


def _image(lab: Lab, arguments: argparse.Namespace) -> int:
    folder, seconds = image.ensure(lab)
    print(f"{folder} ({f'built in {seconds:.0f} s' if seconds else 'present'})")
    if arguments.prune:
        for stale in image.prune(lab):
            print(f"removed {stale}")
    return 0


def _up(lab: Lab, arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    names = nodes.up(lab, arguments.node)
    print(f"started {' '.join(names) or 'nothing, all nodes were up'} ({time.monotonic() - started:.1f} s)")
    return 0


def _down(lab: Lab, arguments: argparse.Namespace) -> int:
    print(f"removed {' '.join(nodes.down(lab, arguments.node)) or 'no node, there was none'}")
    return 0


def _status(lab: Lab, arguments: argparse.Namespace) -> int:
    rows = nodes.status(lab)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return 0
    for row in rows:
        reach = "ssh" if row.ssh else "-"
        link = "link" if row.link else "no-link"
        print(f"{row.name:8} {row.state:8} {row.ipv4:13} {row.ipv6:26} {link:8} {reach:4} {row.memory_mib} MiB")
    return 0


def _ssh(lab: Lab, arguments: argparse.Namespace) -> int:
    argv = access.command(lab, arguments.node, " ".join(arguments.command))
    os.execvp(argv[0], argv)
