# SPDX-License-Identifier: Apache-2.0
"""An account on a web node: where its parts lie, and to whom it belongs.

``web.package_present`` writes the record; every later step asks it first. A user name belongs to one service for ever.
"""

from __future__ import annotations

import json
import pwd
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import files
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed

PACKAGES = "/etc/tenantry/web/packages"
POOLS = "/etc/tenantry/web/php"
CERTIFICATES = "/etc/tenantry/tls/web"
LOGS = "/var/log/tenantry/web"
SOCKETS = "/run/tenantry/php"
HOMES = "/home"
WEB_GROUP = "www-data"
COMMENT = "tenantry account"  # of the account's UNIX user: one without it is not ours


def record_path(username: str) -> str:
    """Return where the account's record lies."""
    return f"{PACKAGES}/{username}.json"


def home(username: str) -> str:
    """Return the account's home."""
    return f"{HOMES}/{username}"


def read(username: str) -> dict[str, Any] | None:
    """Return the account's record, None when there is none."""
    content = files.read_state(record_path(username)).content
    if content is None:
        return None
    try:
        record = json.loads(content)
        return {"owner": str(record["owner"]), "uid": int(record["uid"]), "limits": dict(record["limits"])}
    except (ValueError, KeyError, TypeError):
        path = record_path(username)
        raise StepFailed("config_broken", f"{path} cannot be read; remove it and run web.package_present") from None


def require_owner(what: str, recorded: str, owner: str) -> str:
    """Return whose object it is from now on; a run by hand (no owner) keeps the recorded one."""
    if recorded and owner and recorded != owner:
        raise StepFailed("conflict", f"{what} belongs to {recorded}, not to {owner}; nothing was changed")
    return recorded or owner


def require(step: Step, username: str, owner: str) -> dict[str, Any]:
    """Return the account's record after its owner was checked.

    In check mode on a node where the earlier steps have not run, an empty record stands in for it.
    """
    record = read(username)
    if record is None:
        if step.check_mode:
            return {"owner": owner, "uid": -1, "limits": {}}
        raise StepFailed(
            "missing_software", f"this node has no account {username}; run web.package_present and web.user_present"
        )
    record["owner"] = require_owner(f"the account {username}", record["owner"], owner)
    return record


def is_foreign(recorded: str, owner: str) -> bool:
    """Whether an object is recorded as another service's; in a run by hand (no owner) nothing is."""
    return bool(recorded and owner and recorded != owner)


def user_of(username: str) -> pwd.struct_passwd | None:
    """Return the account's UNIX user, None when there is none or when it is not ours."""
    try:
        user = pwd.getpwnam(username)
    except KeyError:
        return None
    return user if user.pw_gecos == COMMENT else None


def dump(value: dict[str, Any]) -> str:
    """Return a record as it is written."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
