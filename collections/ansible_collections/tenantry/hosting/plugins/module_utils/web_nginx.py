# SPDX-License-Identifier: Apache-2.0
"""Files of nginx: compared, tested as a whole tree with the candidates in it, swapped, loaded, asked for; or put back.

A candidate never enters the live tree before ``nginx -t`` passed on a copy of that tree. Steps that write at the same time
share a reload (see ``reloads``). Whether the running nginx knows the files is asked of nginx itself (see ``web_render``), so
a step that died between the swap and the reload heals on its next run, and so does a file that was put back by hand.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable

from ansible_collections.tenantry.hosting.plugins.module_utils import (
    daemon,
    files,
    reloads,
    web_links,
    web_probe,
    web_swap,
    web_workers,
)
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail
from ansible_collections.tenantry.hosting.plugins.module_utils.web_swap import Link, Swap, Wanted

ROOT = "/etc/nginx"
TREE = f"{ROOT}/tenantry"
SITES = f"{TREE}/sites"
UNIT = "nginx.service"
_LOCK = "nginx"
_STAGE = "/run/tenantry/stage/nginx"
_TEST_SECONDS = 60.0
_LOAD_SECONDS = 10.0


def apply(
    step: Step,
    wanted: Wanted,
    loaded: Callable[[], bool],
    works: Callable[[], None] | None = None,
    link: Link | None = None,
    is_read: Callable[[], bool] = lambda: True,
) -> None:
    """Bring the files, and a link, into the running nginx; the caller's ``loaded`` tells whether it knows them.

    ``works`` is asked after a change and raises StepFailed when the new files do not do what they are for. ``is_read`` tells
    whether any file of nginx includes these; where none does they lie ready for the one that will, and nothing is loaded.

    Raises StepFailed: ``config_broken`` when the live tree was broken before, ``rejected`` when the candidates are,
    ``probe`` when nginx does not take them up (they are put back), ``missing_software`` on a node that is not prepared.
    """
    if step.check_mode:
        _compare_only(step, wanted, link)
        return
    require_prepared()
    with reloads.coming(_LOCK), daemon.serialised(_LOCK):
        swap = Swap(wanted, link)
        if not is_read():
            swap.make(step)
            return
        require_valid(step, swap.candidates)
        if not swap.is_needed:
            if loaded():
                return
            step.note("nginx", "", "loads its files again\n")
        swap.make(step)
        written = time.monotonic()
    try:
        _load(step, written, loaded)
        if works is not None:
            works()
    except (StepFailed, OSError):
        with contextlib.suppress(StepFailed), daemon.serialised(_LOCK):  # what went wrong first is told
            swap.undo()
            _reload()
        raise


def require_prepared() -> None:
    """Refuse a node without our tree, or one whose nginx is down."""
    if files.directory_state(TREE) is None:
        raise StepFailed("missing_software", "nginx is not set up on this node; run server.prepare with the web role")
    if not web_workers.master(UNIT):
        raise StepFailed("config_broken", "nginx does not run on this node; see `systemctl status nginx` and start it")


def _compare_only(step: Step, wanted: Wanted, link: Link | None) -> None:
    for path, content in wanted.items():
        web_swap.ensure(step, path, content)
    if link is not None:
        web_links.point(step, link.path, link.target)
    if web_workers.master(UNIT) and files.directory_state(TREE) is not None and not step.changed:
        require_valid(step, {})


def require_valid(step: Step, candidates: Wanted) -> None:
    """Test the tree with the candidates in it; when that fails, find out whose fault it is.

    A file of ours that was broken by hand is among the candidates and so does not count.
    """
    code, output = test_staged(candidates) if candidates else test_live(step)
    if code == 0:
        return
    if candidates:
        live_code, live_output = test_live(step)
        if live_code == 0:
            raise StepFailed("rejected", f"nginx refuses the new configuration: {tail(output)}")
        output = live_output
    raise StepFailed(
        "config_broken",
        f"the node's nginx configuration was broken before this step; nothing of it went live. Repair it: {tail(output)}",
    )


def test_live(step: Step) -> tuple[int, str]:
    """Return (exit code, output) of nginx's test of what lies on the disk now."""
    return step.probe(["nginx", "-t", "-q"], timeout=_TEST_SECONDS)


def test_staged(candidates: Wanted) -> tuple[int, str]:
    """Return (exit code, output) of nginx's test of the live tree with the candidates in it."""
    shutil.rmtree(_STAGE, ignore_errors=True)  # we hold the lock: what lies there was left by a killed run
    os.makedirs(_STAGE, mode=0o700)
    top = tempfile.mkdtemp(dir=_STAGE)
    try:
        _mirror(ROOT, top, {os.path.relpath(path, ROOT): content for path, content in candidates.items()})
        return Step.probe(["nginx", "-t", "-q", "-c", f"{top}/nginx.conf"], timeout=_TEST_SECONDS)
    finally:
        shutil.rmtree(_STAGE, ignore_errors=True)


def _mirror(source: str, target: str, candidates: Wanted) -> None:
    """Fill ``target`` with links to what lies in ``source``; only the candidates and the way to them are real.

    nginx resolves our relative includes from the folder of the main file, that is from the copy.
    """
    inner: dict[str, dict[str, str | None]] = {}
    for path, content in candidates.items():
        first, _, rest = path.partition("/")
        inner.setdefault(first, {})[rest] = content
    there = os.listdir(source) if os.path.isdir(source) else []
    for name in {*there, *inner}:
        if name not in inner:
            os.symlink(f"{source}/{name}", f"{target}/{name}")
        elif "" in inner[name]:
            content = inner[name][""]
            if content is not None:
                files.replace_file(f"{target}/{name}", content.encode(), web_swap.MODE)
        else:
            os.mkdir(f"{target}/{name}", 0o700)
            _mirror(f"{source}/{name}", f"{target}/{name}", inner[name])


def _load(step: Step, written: float, loaded: Callable[[], bool]) -> None:
    """Let nginx load its files; StepFailed when it does not answer with them, from every worker, within its time."""
    reloads.joined(_LOCK, written, step.params["reload_seconds"], _reload)
    if not web_probe.eventually(loaded, _LOAD_SECONDS):
        raise StepFailed("probe", "nginx was told to load the new files but does not answer with them")


def _reload() -> None:
    """Tell nginx to load its files and wait until those workers have left that answered with the old ones."""
    master = web_workers.master(UNIT)
    workers = web_workers.current(master)
    try:
        web_workers.hang_up(master)
    except ProcessLookupError:
        raise StepFailed("probe", "nginx ended before it could load its files; see `systemctl status nginx`") from None
    if not web_probe.eventually(lambda: all(map(web_workers.has_left, workers)), _LOAD_SECONDS):
        raise StepFailed("probe", "nginx was told to load its files, but its workers did not change")
