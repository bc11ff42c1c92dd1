"""Random histories of three vanity services and of their provider: no server is ever asked for anything of others.

What is checked here knows nothing of the planner's own guard: it reads the jobs as a server would.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.app import INTENTS
from orchestrator.core.records import RunRequest
from orchestrator.models.service import Service
from orchestrator.models.task import Operation
from orchestrator.scheduler import jobs
from orchestrator.store import fleet as fleets
from tests.integration.conftest import opened
from tests.integration.vanity.conftest import NAMES, PARENT, PROVIDER, Provider
from tests.support.bench import an_app

ACTIONS = {
    *("web.package_present", "web.user_present", "web.domain_present", "web.php_present", "web.proxy_present"),
    *("web.database_present", "web.database_absent", "web.sftp_present", "web.sftp_absent", "web.cron_present"),
    *("web.cron_absent", "web.account_suspended", "web.account_active", "web.account_absent", "web.domain_absent"),
    *("mail.mailbox_present", "mail.mailbox_absent", "mail.account_suspended", "mail.account_active"),
    *("dns.record_present", "dns.record_absent"),
}
_WHOLE_SERVER = {"server.sync_usage"}  # asked of a server for all that it has, it belongs to no service
_NOTHING = ("redeploy", "unsuspend", "repair", "factory_reset", "create", "sync_usage", "enforce_limits")
KINDS = {
    *(
        f"service.{one}"
        for one in (*_NOTHING, "suspend", "terminate", "change_package", "change_password", "change_domain", "plan")
    ),
    *(f"web.{noun}_{state}" for noun in ("domain", "database", "sftp", "cron") for state in ("present", "absent")),
    *(f"mail.{noun}_{state}" for noun in ("mailbox", "alias") for state in ("present", "absent")),
    *("web.php_present", "web.proxy_present", "dns.record_present", "dns.record_absent"),
    *(f"certificate.{one}" for one in ("issue", "renew", "upload", "remove_custom")),
}


def params_of(what: str, chance: random.Random, password: str) -> dict[str, Any]:
    """Return parameters that an intent might come with, good or bad."""
    sealed = {"password_sealed": password}
    tag, box = (
        {"name": chance.choice(("shop", "a"))},
        {"local_part": chance.choice((*NAMES.values(), "info", "postmaster"))},
    )
    domain = {"domain": chance.choice(("mine.test", PARENT, "anna.provider.test", "bob.provider.test"))}
    record = {"name": chance.choice((*NAMES.values(), "@", "www")), "type": chance.choice(("A", "TXT"))}
    role = {"role": chance.choice(("web", "mail"))}
    table: dict[str, dict[str, Any]] = {
        "service.suspend": {"reason": "late"},
        "service.terminate": {"force": True} if chance.random() < 0.5 else {},
        "service.change_package": {"package": chance.choice(("small", "large", "tiny"))},
        "service.change_password": sealed,
        "service.plan": {
            "action": chance.choice(("service.repair", "service.terminate", "dns.record_absent")),
            "params": chance.choice(({}, {"force": True}, record)),
        },
        "web.php_present": {"version": "8.2"},
        "web.proxy_present": {"template": "static"},
        "web.database_present": tag | sealed,
        "web.sftp_present": tag | sealed,
        "web.cron_present": tag | {"schedule": "@daily", "command": "true"},
        "mail.mailbox_present": box | sealed,
        "mail.alias_present": box | {"destinations": ["x@y.test"]},
        "dns.record_present": record | {"records": ["192.0.2.1"]},
        "certificate.issue": chance.choice((role, {})),
        "certificate.renew": chance.choice((role, {})),
        "certificate.upload": role | {"certificate": "no PEM", "private_key_sealed": password},
        "certificate.remove_custom": role,
    }
    by_noun = {
        "domain": domain,
        "database": tag,
        "sftp": tag,
        "cron": tag,
        "mailbox": box,
        "alias": box,
        "record": record,
    }
    noun = what.partition(".")[2].rpartition("_")[0].removeprefix("change_").replace("change", "domain")
    return table.get(what, {} if what.removeprefix("service.") in _NOTHING else by_noun.get(noun, domain))


_WORLD = ("settle", "settle", "pass", "pass", "down", "up", "withdraw", "keep", "steal")
Move = tuple[str, int, int]  # what, whose, chance
moves = st.lists(
    st.tuples(
        st.sampled_from((*sorted(KINDS), *_WORLD)), st.sampled_from((*NAMES, PROVIDER)), st.integers(0, 2**32 - 1)
    ),
    min_size=4,
    max_size=14,
)


def test_every_intent_is_among_the_moves() -> None:
    assert set(INTENTS) == KINDS


def require_own(request: RunRequest) -> None:
    """Refuse a job of a vanity service that names anything beyond its own."""
    if request.action in _WHOLE_SERVER:
        assert "service" not in request.job, request
        return
    number = int(request.job["service"]["id"])
    if number not in NAMES and number != 3009:
        return
    assert request.action in ACTIONS, request
    assert request.job["service"]["owner"] == f"s{number}" == f"s{request.job['fence']['service']}"
    params, own = dict(request.job["params"]), Service.get_by_id(number).domain
    label = own.removesuffix(f".{PARENT}")
    area = request.action.split(".")[0]
    if area == "mail" and "mailbox" in request.action:
        assert (params.pop("local_part"), params.pop("domain"), params.pop("shared_owner")) == (label, PARENT, "s900")
    elif area == "dns":
        assert (params.pop("zone"), params.pop("shared_owner")) == (f"{PARENT}.", "s900")
        for one in (*params.pop("rrsets", ()), *params.pop("remove")):
            assert (one["name"], one["type"] in ("A", "AAAA")) == (f"{own}.", True), request
    elif area == "web":
        assert params.pop("username") == f"w{number}"
        assert params.pop("domain", own) == own and params.pop("names", [own]) == [own]
        name = params.pop("name", "")
        assert request.action.startswith("web.cron") or not name or name.startswith(f"w{number}_"), request
        params.pop("page", None)
    rest = json.dumps(params)
    for strange in (
        PARENT,
        "s900",
        "w900",
        *(f"w{n}" for n in NAMES if n != number),
        *(n for n in NAMES.values() if n != label),
    ):
        assert strange not in rest, request


class History:
    """A provider's world and how it is driven."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.password = provider.sealed("correct horse")
        for number in NAMES:
            provider.name(number)
        provider.done("redeploy", PROVIDER)
        self.shared = provider.objects_of(PROVIDER)
        self.jobs = self._provider_jobs()

    def _provider_jobs(self) -> list[Any]:
        """Return what the servers are asked when the provider's service is deployed again, less serials and fences."""
        begin = len(self.provider.executor.requests)
        self.provider.done("redeploy", PROVIDER)
        found = []
        for one in self.provider.jobs(PROVIDER, begin):
            params = {key: value for key, value in one["params"].items() if key not in ("serial", "password_hash")}
            found.append([one["server"], one["action"], params])
        return sorted(found, key=json.dumps)

    def move(self, what: str, whose: int, chance: int) -> None:
        """Make one move."""
        life, luck = self.provider, random.Random(chance)
        if what in KINDS:
            self._ask(what, whose, luck)
        elif what == "settle" and not life.executor.down:
            life.settle(60)
        elif what == "down":
            life.executor.down.add(luck.choice(("web1", "web2", "mail1", "dns1")))
        elif what == "up":
            self.up()
        elif what in ("withdraw", "keep"):
            fleets.set_group("standard", "suspended_dns", what)
        elif what == "steal":
            life.ask("create", 3009, **life.wanted(3009, NAMES[luck.choice(sorted(NAMES))]))
        for _ in range(luck.randrange(6)):
            life.worker.pass_once()
            life.worker.wait(0.01)

    def _ask(self, what: str, whose: int, luck: random.Random) -> None:
        life = self.provider
        if what == "service.create":
            params = (
                {"domain": PARENT, "package": "small", "group": "standard"} if whose == PROVIDER else life.wanted(whose)
            )
        elif what == "service.factory_reset" and Service.get_by_id(whose).reset_code:
            params = {"confirm": Service.get_by_id(whose).reset_code}
        else:
            params = params_of(what, luck, self.password)
        if whose == PROVIDER and what.startswith(("dns.", "mail.", "web.")):
            return  # those change what the provider's own jobs hold
        if whose == PROVIDER and what == "service.change_package":
            return
        life.ask(what, whose, **params)

    def up(self) -> None:
        """Let every server answer again."""
        self.provider.executor.down.clear()
        jobs.try_orphans()

    def end(self) -> None:
        """Let everything settle and compare."""
        life = self.provider
        self.up()
        fleets.set_group("standard", "suspended_dns", "keep")
        life.settle(120)
        life.done("unsuspend", PROVIDER)
        for request in life.executor.requests:
            require_own(request)
        assert self._provider_jobs() == self.jobs
        assert life.objects_of(PROVIDER) == self.shared
        assert life.status(PROVIDER) == "active"
        for row in Service.select().where(Service.id != PROVIDER):
            assert row.status in ("active", "suspended", "terminated"), (row.id, row.status, row.error)
            has = any(life.objects_of(row.id).values())
            assert has == (row.status != "terminated"), (row.id, row.status)
        assert Operation.select().where(Operation.status << ["running", "error"]).count() == 0
        self._require_one_serial()

    def _require_one_serial(self) -> None:
        written: dict[tuple[int, int], Any] = {}
        for one in self.provider.executor.requests:
            params = one.job["params"]
            if "shared_owner" in params and "zone" in params and not one.check:  # a plan's serial was never given
                key, found = (one.job["service"]["id"], params["serial"]), (params.get("rrsets"), params["remove"])
                assert written.setdefault(key, found) == found, "one serial, two contents"
        assert self.provider.serial() >= max(serial for _, serial in written)


@contextlib.contextmanager
def history(url: str, home: Path) -> Iterator[History]:
    """Yield a world in a database of its own."""
    with opened(url):
        provider = Provider(an_app(url, home), home)
        try:
            provider.build()
            yield History(provider)
        finally:
            provider.worker.drain(5)


def run(url: str, home: Path, chosen: list[Move]) -> None:
    """Make the moves and look."""
    with history(url, home) as found:
        for what, whose, chance in chosen:
            found.move(what, whose, chance)
        found.end()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(chosen=moves)
def test_nothing_of_others_is_ever_asked_for_on_sqlite(tmp_path: Path, home: Path, chosen: list[Move]) -> None:
    path = tmp_path / f"{random.SystemRandom().randrange(2**40)}.db"
    run(f"sqlite:///{path}", home, chosen)


@pytest.mark.mariadb
@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_others_is_ever_asked_for_on_mariadb(request: pytest.FixtureRequest, home: Path, seed: int) -> None:
    luck = random.Random(seed)
    kinds, numbers = (*sorted(KINDS), *_WORLD), (*NAMES, PROVIDER)
    chosen = [(luck.choice(kinds), luck.choice(numbers), luck.getrandbits(32)) for _ in range(25)]
    print(f"seed {seed}: {chosen}")
    run(request.getfixturevalue("maria_server").url(f"vanity{seed}"), home, chosen)
