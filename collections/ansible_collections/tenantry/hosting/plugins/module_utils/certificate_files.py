# SPDX-License-Identifier: Apache-2.0
"""Where pairs of key and certificate lie: each in a folder of its own that is never changed, and a link to the one in use.

    FOLDER/SERIAL-DIGEST/fullchain.pem, key.pem
    FOLDER/current -> SERIAL-DIGEST

So a key and a chain can never be of two certificates, whenever a step is killed: what it leaves is a folder that no
link leads to, which the next step completes or removes.
"""

from __future__ import annotations

import os
import shutil

from ansible_collections.tenantry.hosting.plugins.module_utils import files
from ansible_collections.tenantry.hosting.plugins.module_utils.certificate_pair import Pair
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step

CHAIN, KEY, LINK = "fullchain.pem", "key.pem", "current"


def write(step: Step, folder: str, pair: Pair) -> str:
    """Ensure that the pair lies in its own folder, which only root reads; return the folder's name."""
    home = f"{folder}/{pair.version}"
    step.directory(home, 0o700)
    step.file(f"{home}/{KEY}", pair.key, 0o600, secret=True)
    step.file(f"{home}/{CHAIN}", pair.chain, 0o600, secret=True)
    return pair.version


def tidy(step: Step, folder: str, keep: str = "") -> None:
    """Remove the pairs that are not in use any more, and what killed runs left; without ``keep`` no key stays on the node."""
    if files.directory_state(folder) is None:
        return
    for name in sorted(os.listdir(folder)):
        path = f"{folder}/{name}"
        is_folder = os.path.isdir(path) and not os.path.islink(path)
        if name != keep and (is_folder or name.startswith(".")):
            _remove(step, path, is_folder)
    if keep and not step.check_mode:
        for name in set(os.listdir(f"{folder}/{keep}")) - {CHAIN, KEY}:
            _remove(step, f"{folder}/{keep}/{name}", False)


def sweep(step: Step, path: str) -> None:
    """Remove what runs that were killed while they wrote ``path`` left beside it; the caller is the only one who writes it."""
    folder, name = os.path.split(path)
    if files.directory_state(folder) is None:
        return
    for found in sorted(os.listdir(folder)):
        if found.startswith(f".{name}."):
            _remove(step, f"{folder}/{found}", False)


def _remove(step: Step, path: str, is_folder: bool) -> None:
    step.note(path, "(secret)\n", "")
    if not step.check_mode:
        (shutil.rmtree if is_folder else os.unlink)(path)


def discard(step: Step, folder: str, version: str, in_use: str) -> None:
    """Remove a pair that was refused, unless it is the one in use; a folder that was made for it goes too."""
    if version == in_use or step.check_mode or files.directory_state(folder) is None:
        return
    if files.directory_state(f"{folder}/{version}") is not None:
        shutil.rmtree(f"{folder}/{version}")
    if not os.listdir(folder):
        os.rmdir(folder)
