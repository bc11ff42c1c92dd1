"""What `tenantry doctor` asks a shared database: version, clock, isolation, durability, TLS, and who else may do what."""

from __future__ import annotations

import re
from collections.abc import Callable

from orchestrator.config import database_url
from orchestrator.core.clock import utc_now
from orchestrator.plan import grants
from orchestrator.store import diagnosis
from orchestrator.store.database import database_now

Answer = tuple[bool | None, str]  # None: not looked at, and why
_OLDEST = (10, 11)
_CLOCK_SECONDS = 5.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CONNECTIONS = 64  # that one orchestrator opens at most


def checks(url: str) -> dict[str, Callable[[], Answer]]:
    """Return the checks of a MariaDB database by name."""
    place = database_url.read(url)
    return {
        "database version": _version,
        "database clock": _clock,
        "isolation": _isolation,
        "durability": _durability,
        "connections": _connections,
        "database TLS": lambda: _tls(place),
        "billing user": lambda: _billing(place.name),
    }


def _version() -> Answer:
    found = diagnosis.server().version
    match = re.match(r"(\d+)\.(\d+)", found)
    if match is None or "mariadb" not in found.lower():
        return False, f"{found} is not MariaDB; use MariaDB 10.11"
    is_new = (int(match[1]), int(match[2])) >= _OLDEST
    return is_new, found if is_new else f"{found} is too old; upgrade it to MariaDB 10.11"


def _clock() -> Answer:
    before = utc_now()
    there = database_now()
    middle = before + (utc_now() - before) / 2
    apart = (there - middle).total_seconds()
    zone = diagnosis.server().time_zone
    if zone != "+00:00":
        return False, f"our sessions have the time zone {zone}; let nothing between here and the server change it"
    if abs(apart) <= _CLOCK_SECONDS:
        return True, f"{apart:+.1f} s from this machine's, in UTC"
    return False, f"{apart:+.0f} s from this machine's; run `timedatectl set-ntp true` on both machines"


def _isolation() -> Answer:
    found = diagnosis.server().isolation
    wanted = "READ-COMMITTED"
    told = f"{found}, not {wanted}; let nothing between here and the server (a proxy, init_connect) change it"
    return found == wanted, found if found == wanted else told


def _durability() -> Answer:
    found = diagnosis.server().flush_at_commit
    if found == 1:
        return True, "a commit is on disk when it is answered"
    told = "a crash of its machine loses the last second; type: SET GLOBAL innodb_flush_log_at_trx_commit = 1"
    return False, f"innodb_flush_log_at_trx_commit is {found}: {told}, and in the server's configuration"


def _connections() -> Answer:
    found = diagnosis.server().maximum_connections
    if found > _CONNECTIONS:
        return True, f"{found} at most, {_CONNECTIONS} for each orchestrator"
    return (
        False,
        f"max_connections is {found}, one orchestrator may want {_CONNECTIONS}; SET GLOBAL max_connections = 151",
    )


def _tls(place: database_url.MariaPlace) -> Answer:
    cipher = diagnosis.server().cipher
    if place.ssl_ca and cipher:
        return True, f"{cipher}, the certificate is checked with {place.ssl_ca}"
    if place.host in _LOOPBACK:
        return True, "not needed, it is on this machine"
    how = "and nobody checks the certificate" if cipher else "in clear"
    return False, f"we speak to {place.host} {how}; add ?ssl_ca=/path/of/ca.pem to TENANTRY_DATABASE_URL"


def _billing(name: str) -> Answer:
    found, wanted = diagnosis.billing_rights(name), diagnosis.wanted_rights(name)
    if found is None:
        look = f"GRANT SELECT ON mysql.* TO {_ours()}"
        return None, f"our account may not look at the rights of others; to have them compared type as root: {look}"
    if not found:
        return True, "no other account may use this database"
    others = {account: rights for account, rights in found.items() if not grants.only_reads(rights)}
    wrong = {account: text for account, rights in others.items() if (text := grants.describe(wanted, rights))}
    if not wrong:
        return True, f"{', '.join(others) or 'nobody'} may do what grants.sql gives and no more"
    told = "; ".join(f"{account} {text}" for account, text in wrong.items())
    remedy = "REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'billing'@'%'; then run grants.sql again"
    return False, f"{told}; as root: {remedy}"


def _ours() -> str:
    user, _, host = diagnosis.current_account().rpartition("@")
    return f"'{user}'@'{host}'"
