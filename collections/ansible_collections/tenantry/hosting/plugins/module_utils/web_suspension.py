# SPDX-License-Identifier: Apache-2.0
"""Suspension of a web account: an overlay that every step of the account asks for.

A root-only marker says that the account is suspended and keeps what cannot be had back otherwise. It may be there before
the account is: then the account is set up asleep. systemd asks for the same file before it starts the account's units.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import files, web_account
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

MARKERS = "/etc/tenantry/web/suspended"
PAGES = "/var/lib/tenantry/web/suspended"
STATUS = 503  # RFC 9110 section 15.6.4: for a while, and come back later


def marker_path(username: str) -> str:
    """Return where the account's marker lies."""
    return f"{MARKERS}/{username}.json"


def page_path(username: str) -> str:
    """Return where the page lies that the suspended account's sites show."""
    return f"{PAGES}/{username}.html"


def is_suspended(username: str) -> bool:
    """Whether the account is suspended on this node; a marker that cannot be read counts."""
    return os.path.lexists(marker_path(username))


def read(username: str) -> dict[str, Any] | None:
    """Return the account's marker, None when it is not suspended."""
    content = files.read_state(marker_path(username)).content
    if content is None:
        return None
    try:
        marker = json.loads(content)
        return {"owner": str(marker["owner"]), "saved": dict(marker["saved"])}
    except (ValueError, KeyError, TypeError):
        path = marker_path(username)
        raise StepFailed(
            "config_broken", f"{path} cannot be read, and with it what was locked before; repair or remove it"
        ) from None


def write(step: Step, username: str, owner: str, saved: dict[str, Any]) -> None:
    """Ensure the marker: from now on nothing of the account starts."""
    step.directory(MARKERS, 0o700)
    text = web_account.dump({"username": username, "owner": owner, "saved": saved})
    step.file(marker_path(username), text, 0o600)
