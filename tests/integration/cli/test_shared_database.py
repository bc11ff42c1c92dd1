"""A MariaDB that speaks TLS: whose certificate is believed, and what `tenantry doctor` finds wrong with a shared database."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.conftest import require
from tests.integration.cli.test_commands import Ended, Shell
from tests.integration.conftest import opened
from tests.integration.store.test_grants import GRANTS
from tests.support import mariadb
from tests.support.certificates import Authority

pytestmark = pytest.mark.mariadb


@dataclass(frozen=True)
class Shared:
    """The server, our URL without options, and the files of roots."""

    server: mariadb.MariaServer
    url: str
    roots: Path
    other_roots: Path
    home: Path

    def run(self, *arguments: str, query: str = "", host: str = "localhost") -> Ended:
        """Run a command against the server by a name of it."""
        url = self.url.replace("@127.0.0.1:", f"@{host}:") + query
        return Shell(url, self.home)(*arguments)

    def doctor(self, query: str = "") -> dict[str, dict[str, object]]:
        """Return what doctor finds, by check."""
        ended = self.run("doctor", "--no-servers", "--json", query=query)
        return {one["check"]: one for one in json.loads(ended.out)}

    def sql(self, *statements: str) -> None:
        """Run statements as root."""
        with self.server.root() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @property
    def verified(self) -> str:
        """The option with the right roots."""
        return f"?ssl_ca={self.roots}"


@pytest.fixture(scope="module")
def shared(home: Path) -> Iterator[Shared]:
    """Yield a server with a certificate for localhost and the schema in it."""
    require(mariadb.missing())
    with tempfile.TemporaryDirectory(prefix="tenantry-tls-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server has a user of its own
        one, two = Authority(), Authority()
        for file, authority in (("roots", one), ("other", two)):
            (folder / f"{file}.pem").write_bytes(authority.root.public_bytes(Encoding.PEM))
        issued = one.issue("localhost")
        (folder / "cert.pem").write_text(issued.certificate)
        (folder / "key.pem").write_text(issued.private_key)
        with mariadb.server([f"--ssl-cert={folder / 'cert.pem'}", f"--ssl-key={folder / 'key.pem'}"]) as server:
            url = server.url("tenantry")
            with opened(url):
                pass
            yield Shared(server, url, folder / "roots.pem", folder / "other.pem", home)


def test_a_certificate_of_the_right_ca_is_believed_and_the_account_may_be_bound_to_tls(shared: Shared) -> None:
    shared.sql("ALTER USER tenantry@'127.0.0.1' REQUIRE SSL")
    try:
        assert shared.run("task", "list", query=shared.verified).code == 0
    finally:
        shared.sql("ALTER USER tenantry@'127.0.0.1' REQUIRE NONE")


@pytest.mark.parametrize(
    ("roots", "host", "told"),
    [
        ("other_roots", "localhost", "certificate verify failed"),
        ("roots", "127.0.0.1", "IP address mismatch"),  # the certificate is another machine's
    ],
)
def test_another_ca_and_another_name_are_refused(roots: str, host: str, told: str, shared: Shared) -> None:
    ended = shared.run("task", "list", query=f"?ssl_ca={getattr(shared, roots)}", host=host)
    assert ended.code == 3, ended
    assert told in ended.err and "check ssl_ca in TENANTRY_DATABASE_URL" in ended.err
    assert "test@" not in ended.err


def test_a_server_without_tls_is_never_spoken_to_in_clear_instead(shared: Shared) -> None:
    with mariadb.server(["--skip-ssl"]) as plain:
        url = plain.url("tenantry").replace("@127.0.0.1:", "@localhost:") + shared.verified
        ended = Shell(url, shared.home)("init")
    assert ended.code == 3, ended
    assert "over TLS" in ended.err


@pytest.mark.parametrize(
    ("query", "told"),
    [("?ssl_ca=/nowhere/ca.pem", "cannot be used"), ("?ssl_ca=", "empty ssl_ca"), ("?sslmode=x", "unknown option")],
)
def test_a_bad_option_is_named(query: str, told: str, shared: Shared) -> None:
    ended = shared.run("task", "list", query=query)
    assert (ended.code, told in ended.err) == (2, True), ended


def test_doctor_says_of_each_fault_what_to_type(shared: Shared) -> None:
    found = shared.doctor(shared.verified)
    assert found["database version"]["ok"] and found["database clock"]["ok"] and found["isolation"]["ok"]
    assert "roots.pem" in str(found["database TLS"]["message"])
    assert found["database TLS"]["ok"]
    # The tests' servers are quicker than safe.
    assert found["durability"]["ok"] is False
    assert "SET GLOBAL innodb_flush_log_at_trx_commit = 1" in str(found["durability"]["message"])
    shared.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1", "SET GLOBAL max_connections = 20")
    found = shared.doctor()
    assert found["durability"]["ok"]
    assert (found["connections"]["ok"], "SET GLOBAL max_connections" in str(found["connections"]["message"])) == (
        False,
        True,
    )
    shared.sql("SET GLOBAL max_connections = 151")


def test_doctor_compares_the_billing_user_with_grants_sql(shared: Shared) -> None:
    command = ["mariadb", f"--socket={shared.server.socket}", "--user=root", "tenantry"]
    subprocess.run(command, stdin=GRANTS.open("rb"), check=True, timeout=60)
    found = shared.doctor()["billing user"]
    assert found["ok"] is None
    type_this = str(found["message"]).rpartition("type as root: ")[2]
    shared.sql(type_this)
    found = shared.doctor()["billing user"]
    assert found["ok"], found
    assert "billing@%" in str(found["message"])
    shared.sql(
        "GRANT UPDATE (status) ON tenantry.tasks TO billing@'%'", "REVOKE SELECT ON tenantry.v_usage FROM billing@'%'"
    )
    found = shared.doctor()["billing user"]
    assert found["ok"] is False
    for told in ("UPDATE (status) on tenantry.tasks", "lacks SELECT on tenantry.v_usage", "REVOKE ALL PRIVILEGES"):
        assert told in str(found["message"])
    assert "*" not in str(found["message"]), "no hash of a password"
    shared.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'billing'@'%'")
    subprocess.run(command, stdin=GRANTS.open("rb"), check=True, timeout=60)
    assert shared.doctor()["billing user"]["ok"]
