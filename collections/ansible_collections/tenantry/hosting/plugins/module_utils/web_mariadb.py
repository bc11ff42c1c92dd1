# SPDX-License-Identifier: Apache-2.0
"""Databases of accounts. Each has one user of the same name with every right on it and none on anything else.

The user exists twice, for the socket (localhost) and for TCP on the node itself (127.0.0.1). SQL goes to the client by its
standard input, so that no hash is ever in a list of processes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon, web_probe, web_register
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

HOSTS = ("127.0.0.1", "localhost")
KIND = web_register.DATABASE
_CLIENT = ["mariadb", "--no-defaults", "--protocol=socket", "--user=root", "--batch", "--skip-column-names", "--raw"]
_SOCKET = "/run/mysqld/mysqld.sock"
_SECRET = re.compile(r"IDENTIFIED (?:BY PASSWORD|VIA \S+ USING) '[^']*'")
_HASH = re.compile(r"\*[0-9A-Fa-f]{40}")
_END_SECONDS = 15.0
_PLAIN = (
    "REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0"
)


class Found:
    """What MariaDB has under a name: whether the database, and of each user (by host) how it is made and its grants."""

    def __init__(self) -> None:
        self.database = False
        self.users: dict[str, list[str]] = {}

    @property
    def is_there(self) -> bool:
        """Whether anything at all has the name."""
        return self.database or bool(self.users)


def query(step: Step, *statements: str, timeout: float = 60.0) -> list[list[str]]:
    """Run statements as MariaDB's root and return the rows; a message of a failure shows no hash."""
    sql = "SET SESSION lock_wait_timeout = 30;\n" + "".join(f"{statement};\n" for statement in statements)
    code, output = step.probe(_CLIENT, sql, timeout)
    if code != 0:
        errors = "\n".join(line for line in output.splitlines() if line.startswith("ERROR")) or "no answer"
        reason = "missing_software" if code == 127 else "command"
        raise StepFailed(reason, f"MariaDB refused (exit {code}): {_HASH.sub('(hash)', tail(errors))}")
    return [line.split("\t") for line in output.splitlines()]


def quoted(text: str) -> str:
    """Return a text as SQL's literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def account(name: str, host: str) -> str:
    """Return a user as SQL names it."""
    return f"{quoted(name)}@{quoted(host)}"


def pattern(name: str) -> str:
    """Return a database's name where GRANT expects a pattern: an underscore would stand for any character."""
    return name.replace("_", "\\_").replace("%", "\\%")


def read(step: Step, name: str) -> Found:
    """Return what has this name; nothing on a node that is still to be prepared, in check mode."""
    found = Found()
    if step.check_mode and not os.path.exists(_SOCKET):
        return found
    there = query(
        step,
        f"SELECT 'database', SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {quoted(name)}",
        f"SELECT 'user', Host FROM mysql.global_priv WHERE User = {quoted(name)}",
    )
    found.database = ["database", name] in there
    for host in (row[1] for row in there if row[0] == "user"):
        shown = query(step, f"SHOW CREATE USER {account(name, host)}", f"SHOW GRANTS FOR {account(name, host)}")
        found.users[host] = normal([row[0] for row in shown])
    return found


def normal(lines: Sequence[str]) -> list[str]:
    """Return what SHOW tells of a user in a form to compare; the hash is in its first line only."""
    made = [line for line in lines if line.startswith("CREATE USER")]
    return made + sorted(_SECRET.sub("IDENTIFIED", line) for line in lines if not line.startswith("CREATE USER"))


def wanted(name: str, host: str, password_hash: str, is_locked: bool) -> list[str]:
    """Return what SHOW tells of a user that is as it should be."""
    user = f"`{name}`@`{host}`"
    lock = " ACCOUNT LOCK" if is_locked else ""
    return normal(
        [
            f"CREATE USER {user} IDENTIFIED BY PASSWORD '{password_hash}'{lock}",
            f"GRANT USAGE ON *.* TO {user} IDENTIFIED BY PASSWORD '{password_hash}'",
            f"GRANT ALL PRIVILEGES ON `{pattern(name)}`.* TO {user}",
        ]
    )


def shown(lines: Iterable[str]) -> str:
    """Return a user's state for people: every line, without the hash."""
    return "".join(_SECRET.sub("IDENTIFIED (secret)", line) + "\n" for line in lines)


def ensure(step: Step, name: str, password_hash: str, is_locked: bool) -> None:
    """Ensure the database and its two users; no user of this name remains for another host."""
    now = read(step, name)
    statements: list[str] = []
    if not now.database:
        step.note(f"database {name}", "", "with no table\n")
        statements.append(f"CREATE DATABASE `{name}`")
    for host in HOSTS:
        target = wanted(name, host, password_hash, is_locked)
        statements += _user_statements(step, name, host, now.users.get(host), target, password_hash, is_locked)
    for host in sorted(set(now.users) - set(HOSTS)):
        step.note(f"database user {name}@{host}", shown(now.users[host]), "")
        statements.append(f"DROP USER {account(name, host)}")
    if statements and not step.check_mode:
        query(step, *statements)
        _require(step, name, password_hash, is_locked)
    if is_locked:
        end_connections(step, [name])


def _user_statements(
    step: Step, name: str, host: str, now: list[str] | None, target: list[str], password_hash: str, is_locked: bool
) -> list[str]:
    if now == target:
        return []
    before = shown(now or [])
    after = shown(target)
    step.note(f"database user {name}@{host}", before, after if before != after else after.replace("(sec", "(new sec"))
    user, lock = account(name, host), "ACCOUNT LOCK" if is_locked else "ACCOUNT UNLOCK"
    grant = f"GRANT ALL PRIVILEGES ON `{pattern(name)}`.* TO {user}"
    if now is None:
        return [f"CREATE USER {user} IDENTIFIED BY PASSWORD {quoted(password_hash)} {lock}", grant]
    statements = []
    if now[:1] != target[:1]:
        login = f"IDENTIFIED VIA mysql_native_password USING {quoted(password_hash)}"
        statements.append(f"ALTER USER {user} {login} {_PLAIN} {lock} PASSWORD EXPIRE DEFAULT")
    if now[1:] != target[1:]:
        statements += [f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {user}", grant]
    return statements


def _require(step: Step, name: str, password_hash: str, is_locked: bool) -> None:
    now = read(step, name)
    if now.database and now.users == {host: wanted(name, host, password_hash, is_locked) for host in HOSTS}:
        return
    seen = "".join(f"{shown(lines)} " for lines in now.users.values())
    raise StepFailed("probe", f"MariaDB does not show {name} as it was made: {' '.join(seen.split())[:400]}")


def connections(step: Step, names: Sequence[str]) -> list[str]:
    """Return the numbers of the connections of users."""
    users = ", ".join(quoted(name) for name in names)
    rows = query(step, f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER IN ({users})")
    return [row[0] for row in rows]


def end_connections(step: Step, names: Sequence[str]) -> None:
    """End the connections of users; that their users are locked or gone keeps new ones away, not those."""
    if not names or (step.check_mode and not os.path.exists(_SOCKET)):
        return
    found = connections(step, names)
    if not found:
        return
    step.note(f"connections to {', '.join(names)}", "%d\n" % len(found), "0\n")
    if step.check_mode:
        return
    query(step, *(f"KILL HARD CONNECTION USER {quoted(name)}" for name in names))
    if not web_probe.eventually(lambda: not connections(step, names), _END_SECONDS):
        raise StepFailed("probe", f"connections to {', '.join(names)} did not end")


def remove(step: Step, name: str) -> None:
    """Remove a database with its users; connections end first, so that nothing holds a table."""
    now = read(step, name)
    for host, lines in sorted(now.users.items()):
        step.note(f"database user {name}@{host}", shown(lines), "")
    if now.database:
        step.note(f"database {name}", "with its tables\n", "")
    if step.check_mode:
        return
    users = [account(name, host) for host in sorted(now.users)]
    if users:
        query(step, *(f"ALTER USER {user} ACCOUNT LOCK" for user in users))
    end_connections(step, [name])
    query(step, *(f"DROP USER IF EXISTS {user}" for user in users), f"DROP DATABASE IF EXISTS `{name}`", timeout=300)
    if read(step, name).is_there:
        raise StepFailed("probe", f"the database {name} is still there")


def of_account(username: str) -> list[str]:
    """Return the names of the account's databases."""
    return web_register.of_account(KIND, username)


def drop(step: Step, username: str, name: str, owner: str) -> None:
    """Remove one database of an account, unless it belongs to somebody else."""
    with daemon.serialised(f"databases-{username}", step.check_mode):
        recorded = name in of_account(username)
        is_there = not recorded and read(step, name).is_there
        if web_register.may_remove(step, KIND, username, name, owner, is_there):
            remove(step, name)
            web_register.strike(step, KIND, username, name)


def drop_all(step: Step, username: str, owner: str) -> None:
    """Remove every database of an account that is the owner's."""
    for name in of_account(username):
        drop(step, username, name, owner)


def state(step: Step, username: str) -> dict[str, Any]:
    """Return what suspending the account must remember: the database users that are locked already."""
    return {"locked": [user for user, is_locked in _locks(step, of_account(username)) if is_locked]}


def _locks(step: Step, names: Sequence[str]) -> list[tuple[str, bool]]:
    if not names:
        return []
    lock = "COALESCE(JSON_VALUE(Priv, '$.account_locked'), 0)"
    users = ", ".join(quoted(name) for name in names)
    rows = query(step, f"SELECT User, Host, {lock} FROM mysql.global_priv WHERE User IN ({users}) ORDER BY User, Host")
    return [(account(row[0], row[1]), row[2] not in ("0", "false")) for row in rows]


def hold(step: Step, username: str) -> dict[str, Any]:
    """Lock the users of the account's databases and end their connections; return what was there, as ``state`` does.

    A suspend step saves ``state`` in its marker before it calls this: after a crash in between everything looks locked.
    """
    before = state(step, username)
    names = of_account(username)
    _switch(step, [user for user, is_locked in _locks(step, names) if not is_locked], "LOCK")
    end_connections(step, names)
    return before


def release(step: Step, username: str, saved: dict[str, Any]) -> None:
    """Unlock the users of the account's databases, except those that were locked before."""
    before = set(saved.get("locked", []))
    locks = _locks(step, of_account(username))
    _switch(step, [user for user, is_locked in locks if is_locked and user not in before], "UNLOCK")


def _switch(step: Step, users: Sequence[str], lock: str) -> None:
    for user in users:
        step.note(f"database user {user}", "", f"ACCOUNT {lock}\n")
    if users and not step.check_mode:
        query(step, *(f"ALTER USER {user} ACCOUNT {lock}" for user in users))
