"""A mark in every field that holds a secret: afterwards it is in no table, log, file, process list, ticket, mail, answer."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config import keys
from orchestrator.config.settings import PROJECT_ROOT, from_environment
from orchestrator.core.sealed import seal
from orchestrator.engine import Engine
from orchestrator.models.notice import Delivery
from orchestrator.models.service import Service
from orchestrator.models.task import OutboxRow, Task
from orchestrator.store import fleet as knobs
from orchestrator.store.withheld import WITHHELD
from tests.integration.conftest import opened
from tests.integration.queue.test_order import ORDER
from tests.support import fleet, receivers, whmcs_api
from tests.support.http_api import serving, token
from tests.support.mariadb import MariaServer

MARK = f"cnry{secrets.token_hex(6)}"  # unlike anything that another test on this machine could show
ROOM = {"databases": 3, "sftp_accounts": 3, "mailboxes": 5}
SEALED_FIELDS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("service.change_password", {}, "password_sealed"),
    ("mail.mailbox_present", {"local_part": "info"}, "password_sealed"),
    ("web.sftp_present", {"name": "up"}, "password_sealed"),
    ("web.database_present", {"name": "shop"}, "password_sealed"),
    ("certificate.upload", {"role": "web", "certificate": "-----BEGIN CERTIFICATE-----"}, "private_key_sealed"),
)


def mark(what: str) -> str:
    """Return the secret of a field."""
    return f"{MARK}-{what}"


def holds(data: bytes) -> bool:
    """True when data holds the mark as it is, in base64 at any offset, or in hexadecimal."""
    coded = [base64.b64encode(b"\0" * shift + MARK.encode() + b"\0\0")[4:18] for shift in range(3)]
    return any(form in data for form in (MARK.encode(), MARK.encode().hex().encode(), *coded))


class Watch(threading.Thread):
    """Looks at the command line of every process until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over, self.found, self.looks = threading.Event(), set[str](), 0

    def run(self) -> None:
        """Look again and again."""
        while not self.over.wait(0.2):
            self.looks += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                if holds(text):
                    self.found.add(text.replace(b"\0", b" ").decode("utf-8", "replace")[:200])


@dataclass
class Installation:
    """A database whose account's password is marked, ways out with marked secrets, and what came in there."""

    app: Engine
    server: MariaServer
    env: dict[str, str]
    folder: Path
    home: Path
    whmcs: whmcs_api.FakeWhmcs
    hook: Any
    mails: Any
    answers: list[bytes] = field(default_factory=list)

    def ask(self, action: str, /, **params: Any) -> int:
        """Insert a row as another program does."""
        return fleet.insert_task({"action": action, "service_id": 1001, "params": json.dumps(params)})

    def sealed(self, secret: str) -> str:
        """Seal as a billing system does."""
        return seal(keys.load_private_key(self.home).public_key(), secret)

    def command(self, *arguments: str) -> bytes:
        """Return all that a command prints."""
        command = [sys.executable, "-m", "orchestrator", *arguments]
        done = subprocess.run(command, env=self.env, cwd=PROJECT_ROOT, capture_output=True, timeout=300)
        return done.stdout + done.stderr

    def settled(self, seconds: float = 300) -> None:
        """Wait until nothing is open and every notice has been tried; of the mails, which all fail, one is enough."""
        deadline = time.monotonic() + seconds
        open_rows = Task.select().where(Task.status << ["queued", "running", "waiting"])
        is_new = (Delivery.state == "pending") & (Delivery.attempts == 0)
        untried = Delivery.select().where(is_new & (Delivery.channel != "email"))
        unread = OutboxRow.select().where(OutboxRow.spread_at.is_null())
        while open_rows.exists() or unread.exists() or untried.exists():
            assert time.monotonic() < deadline, [(row.action, row.status, row.error) for row in open_rows]
            time.sleep(0.2)


def environment(url: str, home: Path, runs: Path, ways: tuple[Any, Any, Any]) -> dict[str, str]:
    """Return the environment of an orchestrator, with a mark in every secret that stands there."""
    whmcs, hook, mails = ways
    return {
        "PATH": os.environ["PATH"],
        "TENANTRY_DATABASE_URL": url,
        "TENANTRY_HOME": str(home),
        "TENANTRY_RUN_ROOT": str(runs),
        "TENANTRY_WHMCS_URL": whmcs.url,
        "TENANTRY_WHMCS_IDENTIFIER": "id",
        "TENANTRY_WHMCS_SECRET": whmcs_api.SECRET,
        "TENANTRY_WHMCS_ACCESS_KEY": mark("accesskey"),
        "TENANTRY_WEBHOOK_URL": f"http://127.0.0.1:{hook.server_port}/",
        "TENANTRY_WEBHOOK_SECRET": mark("webhook"),
        "TENANTRY_SMTP_URL": f"smtp://us:{mark('smtp')}@127.0.0.1:{mails.server_address[1]}",
        "TENANTRY_MAIL_FROM": "t@provider.example",
    }


def set_up() -> None:
    """Build the fleet and switch tickets and mail on."""
    fleet.build(**ROOM)
    values = {"tickets.enabled": "true", "tickets.department": "4", "tickets.email": "noc@provider.example"}
    for name, value in {
        **values,
        "notices.mail_to": "noc@provider.example",
        "ssl.directory": "",
        "usage.interval_minutes": "0",
    }.items():
        knobs.set_knob(name, value, "test")


@pytest.fixture
def installation(maria_server: MariaServer, home: Path, tmp_path: Path) -> Iterator[Installation]:
    """Yield the installation with its orchestrator running."""
    url = maria_server.url("tenantry")
    with maria_server.root() as cursor:
        cursor.execute("CREATE OR REPLACE USER marked@'127.0.0.1' IDENTIFIED BY %s", (mark("database"),))
        cursor.execute("GRANT ALL ON tenantry.* TO marked@'127.0.0.1'")
    url = url.replace("//tenantry:test@", f"//marked:{mark('database')}@")
    with ExitStack() as stack:
        stack.enter_context(opened(url))
        ways = [stack.enter_context(one()) for one in (whmcs_api.serving, receivers.webhook, receivers.smtp)]
        env = environment(url, home, tmp_path / "runs", (ways[0], ways[1], ways[2]))
        set_up()
        log = stack.enter_context((tmp_path / "orchestrator.log").open("wb"))
        command = [sys.executable, "-m", "tests.support.orchestrator", str(tmp_path / "trace"), "0"]
        process = subprocess.Popen(command, env=env, cwd=PROJECT_ROOT, stderr=log, stdout=log)
        try:
            yield Installation(Engine(from_environment(env)), maria_server, env, tmp_path, home, *ways)
        finally:
            process.kill()
            process.wait(timeout=30)


def plant(made: Installation) -> list[int]:
    """Use every field as it is meant, then wrongly: in clear, under another name, nested. Returns the wrong rows."""
    made.ask(
        "service.create", **ORDER, password_sealed=made.sealed(mark("account")), contact_email="a@customer.example"
    )
    made.settled()
    assert Service.get_by_id(1001).status == "active"
    for number, (action, params, name) in enumerate(SEALED_FIELDS):
        made.ask(action, **params, **{name: made.sealed(mark(f"sealed{number}"))})
    wrong = [made.ask(action, **params, **{name: mark("clear")}) for action, params, name in SEALED_FIELDS]
    for action, params, name in SEALED_FIELDS[:4]:
        made.ask("service.plan", action=action, params={**params, name: made.sealed(mark("planned"))})
        wrong.append(made.ask("service.plan", action=action, params={**params, name: mark("clear")}))
    wrong.append(made.ask("service.change_password", password=mark("clear")))
    wrong.append(made.ask("service.create", domain="-", password=mark("clear"), more={"secret": [mark("clear")]}))
    made.settled()
    return wrong


def by_http(made: Installation) -> None:
    """Send the same mistakes to the API, and tokens that are none; keep every answer."""
    with serving(made.app) as api:
        writer = token("writer", "write")
        for action, params, name in SEALED_FIELDS:
            wish = {"action": action, "service_id": 1001, "params": {**params, name: mark("clear")}}
            made.answers.append(api.ask("POST", "/v1/tasks", writer, json=wish).content)
        for body in (
            f'{{"service_id": "{mark("x")}"',
            json.dumps({"action": "service.repair", "service_id": mark("y")}),
        ):
            made.answers.append(api.ask("POST", "/v1/tasks", writer, data=body).content)
        for wrong in (mark("token"), writer + MARK):
            made.answers.append(api.ask("GET", "/v1/services", wrong).content)


@pytest.mark.mariadb
def test_a_secret_is_nowhere(installation: Installation) -> None:
    watch = Watch()
    watch.start()
    wrong = plant(installation)
    by_http(installation)
    listings = (("task", "list"), ("log",), ("service", "show", "1001"), ("doctor", "--no-servers"), ("notice", "list"))
    printed = {" ".join(one): installation.command(*one, "--json") for one in listings}
    printed |= {f"task show {number}": installation.command("task", "show", str(number)) for number in wrong}
    watch.over.set()
    watch.join(20)

    assert watch.looks > 5 and watch.found == set()
    rows = list(Task.select().where(Task.id << wrong))
    assert {row.status for row in rows} == {"error"}
    assert [row.action for row in rows if WITHHELD not in row.params] == []
    assert [name for name, text in printed.items() if holds(text)] == []
    assert [text for text in installation.answers if holds(text)] == []
    dump = [
        "mariadb-dump",
        f"--socket={installation.server.socket}",
        "--user=root",
        "--skip-extended-insert",
        "tenantry",
    ]
    lines = subprocess.run(dump, check=True, capture_output=True, timeout=120).stdout.splitlines()
    assert len(lines) > 200
    assert [line[:200] for line in lines if holds(line)] == []
    files = [
        path for folder in (installation.folder, installation.home) for path in folder.rglob("*") if path.is_file()
    ]
    assert [path for path in files if holds(path.read_bytes())] == []


@pytest.mark.mariadb
def test_what_leaves_for_others_holds_none_either(installation: Installation) -> None:
    plant(installation)
    asked = installation.whmcs.requests
    assert installation.whmcs.tickets, "the refused requests have tickets"
    assert asked[0]["accesskey"] == mark("accesskey"), "it is really used"
    told = [json.dumps({name: text for name, text in one.items() if name != "accesskey"}).encode() for one in asked]
    bodies = [json.dumps(headers).encode() + body for headers, body in installation.hook.messages]
    assert bodies
    assert [text[:200] for text in (*told, *bodies) if holds(text)] == []
    failed = [row.error for row in Delivery.select().where((Delivery.channel == "email") & (Delivery.attempts > 0))]
    assert failed and all(failed), "the login cannot be used there, and says so"
