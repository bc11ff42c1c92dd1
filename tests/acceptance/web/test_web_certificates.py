"""A CA is answered everywhere; a certificate is swapped under load, or not at all. Numbers: docs/concepts/certificates.md."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import access, addresses
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import GOOD, Web, unchanged
from tests.acceptance.web.test_web_suspension import act, suspend
from tests.support.certificates import Authority, Issued, load, shown
from tests.support.kills import killed_at

pytestmark = pytest.mark.lab

SITE, OTHER = "shop.test", "neighbour.test"
NAMES = (SITE, f"www.{SITE}")
FOLDER = f"/etc/tenantry/tls/web/{SITE}"
CHALLENGE = "/.well-known/acme-challenge/"
THUMBPRINT = "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
RATE = 50.0


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return the CA of these tests."""
    return Authority()


@pytest.fixture(scope="module")
def plain(web: Web) -> Iterator[dict[str, Any]]:
    """Yield what is on the node without a certificate, and see that it comes back to that."""
    before = web.tree()
    yield before
    assert install(web, None).outcome in GOOD
    web.run("rm -f /etc/nginx/tenantry/challenge.conf && systemctl reload nginx")
    assert unchanged(before, web.tree()) == []


def install(web: Web, pair: Issued | None, *, check: bool = False, service: int = 1001, **more: Any) -> RunResult:
    """Install a certificate for the site, or go back to the placeholder."""
    action = "web.certificate_present" if pair else "web.certificate_absent"
    params = {"site": SITE, **(pair.params(redirect=False) if pair else {}), **more}
    return web.steps.run(web.node, action, params, service=service, check=check)


def served(web: Web, name: str = SITE) -> bytes:
    return shown(addresses.of(web.lab, web.node).ipv4, 443, name)


def location(web: Web, name: str, path: str) -> tuple[int, str]:
    """Return (status, Location) of a page in clear."""
    connection = http.client.HTTPConnection(addresses.of(web.lab, web.node).ipv4, timeout=20)
    connection.request("GET", path, headers={"Host": name, "Connection": "close"})
    answer = connection.getresponse()
    return answer.status, answer.headers.get("Location", "")


def said(result: RunResult) -> str:
    """Return everything a run has told."""
    return json.dumps([result.message, result.facts, result.warnings, [str(event) for event in result.events]])


def found(web: Web, pair: Issued, search: str) -> str:
    """Return what a search for the key prints; the key comes over a pipe, because sudo writes commands into the journal."""
    done = access.on(web.lab, web.node, "bash", "-c", f"exec 3<&0; {search}", stdin=f"{pair.secret}\n", check=False)
    return done.stdout.strip()


def nginx_master(web: Web) -> str:
    return web.run("systemctl show -p MainPID --value nginx.service").strip()


def test_a_challenge_is_answered_under_every_name_before_everything_else(
    web: Web, plain: dict[str, Any], authority: Authority
) -> None:
    def challenge(**more: Any) -> RunResult:
        return web.steps.run(web.node, "web.challenge_present", {"thumbprint": THUMBPRINT}, service=1001, **more)

    assert challenge(check=True).outcome is Outcome.CHANGED
    assert unchanged(plain, web.tree()) == []
    assert [challenge().outcome, challenge().outcome, challenge(check=True).outcome] == [
        Outcome.CHANGED,
        Outcome.OK,
        Outcome.OK,
    ]
    assert install(web, authority.issue(*NAMES), redirect=True).outcome is Outcome.CHANGED
    assert web.step("proxy", 1002, OTHER, template="reverse", upstream="http://127.0.0.1:3999").outcome in GOOD
    for suspended in (False, True):
        if suspended:
            assert suspend(web, 1001).outcome is Outcome.CHANGED
        for name in (*NAMES, OTHER, "stranger.test"):
            for how in ({}, {"v6": True, "tls": True}):
                assert web.get(name, f"{CHALLENGE}aB-_9", **how) == (200, f"aB-_9.{THUMBPRINT}"), (name, how)
                for path in ("", "a%0a", "a/b", "a.b", "../x", "a" * 300):
                    assert THUMBPRINT not in web.get(name, CHALLENGE + path, **how)[1], (name, path)
    # Suspended: the page over HTTPS with the site's own certificate (55).
    assert (web.get(SITE, tls=True)[0], web.get(SITE)[0]) == (503, 503)
    assert served(web) != served(web, "stranger.test")
    assert act(web, "account_active", 1001).outcome is Outcome.CHANGED
    assert web.step("proxy", 1002, OTHER).outcome is Outcome.CHANGED
    assert web.steps.prepare(web.node).outcome is Outcome.OK  # what the step wrote is not taken for drift


def test_49_a_certificate_comes_and_goes_and_nobody_else_shows_it(
    web: Web, plain: dict[str, Any], authority: Authority
) -> None:
    assert install(web, None).outcome in GOOD
    before, pair, placeholder = web.tree(), authority.issue(*NAMES), served(web, "stranger.test")
    assert served(web) == placeholder
    rehearsed = install(web, pair, check=True, redirect=True)
    assert rehearsed.outcome is Outcome.CHANGED
    assert any(event.diff for event in rehearsed.events)
    assert unchanged(before, web.tree()) == []
    result = install(web, pair, redirect=True)
    assert (result.outcome, result.facts["serial"]) == (Outcome.CHANGED, pair.serial)
    for check in (False, True):
        assert install(web, pair, redirect=True, check=check).outcome is Outcome.OK
    assert pair.secret not in said(rehearsed) + said(result)
    assert found(web, pair, "journalctl -o cat | grep -c -F -f /dev/fd/3") == "0"
    assert web.run("find /etc/tenantry/tls/web -type f -perm /077; find /etc/tenantry/tls/web -type d -perm /077") == ""
    assert {served(web, name) for name in NAMES} == {pair.der}
    assert {served(web, name) for name in (OTHER, "stranger.test", "sub.shop.test")} == {placeholder}
    # Requests in clear: for the certificate's names only, with whatever was asked for.
    assert location(web, NAMES[1], "/a%20b?c=%2f") == (301, f"https://{NAMES[1]}/a%20b?c=%2f")
    assert location(web, OTHER, "/")[0] == 200
    assert web.get(SITE, tls=True)[0] == 200
    # A redeploy keeps certificate and redirect, as does a certificate of another service's step.
    assert web.step("domain", 1001, SITE).outcome is Outcome.OK
    assert install(web, authority.issue(*NAMES), service=1002).reason == "conflict"
    assert install(web, None, service=1002).outcome is Outcome.OK
    assert (served(web), location(web, SITE, "/")[0]) == (pair.der, 301)
    assert install(web, pair).outcome is Outcome.CHANGED  # without redirect
    assert location(web, SITE, "/")[0] == 200
    # By hand: another link, and files that are open to all.
    web.run(f"ln -sfn /etc/tenantry/tls/node/web/placeholder {FOLDER}/current && systemctl reload nginx")
    web.run(f"chmod -R a+r {FOLDER}/{pair.serial}-*")
    assert install(web, pair).outcome is Outcome.CHANGED
    assert served(web) == pair.der
    assert [install(web, None, check=True).outcome, install(web, None).outcome, install(web, None).outcome] == [
        Outcome.CHANGED,
        Outcome.CHANGED,
        Outcome.OK,
    ]
    assert served(web) == placeholder
    assert unchanged(before, web.tree()) == []


def test_46_certificates_are_replaced_under_load_without_a_failed_request(
    web: Web, plain: dict[str, Any], authority: Authority
) -> None:
    pairs = [authority.issue(*NAMES) for _ in range(3)]
    assert install(web, pairs[0]).outcome is Outcome.CHANGED
    master = nginx_master(web)

    def request() -> bytes:
        with web.connect(SITE) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.1 200")
            return connection.getpeercert(binary_form=True) or b""

    with load(request, RATE) as traffic:
        traffic.await_seen(pairs[0].der)
        for pair in pairs[1:]:
            assert install(web, pair).outcome is Outcome.CHANGED
            assert served(web) == pair.der
            traffic.await_seen(pair.der)
    assert traffic.failures == []
    assert traffic.seen == {pair.der for pair in pairs}
    assert traffic.count >= 0.9 * RATE * traffic.seconds
    assert nginx_master(web) == master
    assert web.run(f"ls -d {FOLDER}/*-*").split() == [f"{FOLDER}/{web.run(f'readlink {FOLDER}/current').strip()}"]


def test_45_whenever_a_step_is_killed_a_matching_pair_is_served_and_the_next_run_ends_the_work(
    web: Web, plain: dict[str, Any], authority: Authority
) -> None:
    pairs = [authority.issue(*NAMES) for _ in range(2)]
    assert install(web, pairs[1]).outcome in GOOD
    # Both files, the redirect, the link, the reload, what is old: each redirect is another one than before.
    points = 0
    while points < 20:
        old, new = pairs[(points + 1) % 2], pairs[points % 2]
        redirect = points % 2 == 0
        words = (".key.pem.", ".fullchain.pem.", ".current.", f"{SITE}.conf", "--signal=HUP", FOLDER)
        with killed_at(web.lab, web.node, points + 1, *words):
            result = install(web, new, redirect=redirect)
        current = f"{FOLDER}/current"
        public = f"openssl pkey -in {current}/key.pem -pubout"
        assert web.run(f"openssl x509 -in {current}/fullchain.pem -noout -pubkey") == web.run(public)
        web.run("nginx -t")
        assert served(web) in (old.der, new.der)
        again = install(web, new, redirect=redirect)
        assert again.outcome in GOOD, (points, again.message)
        assert (served(web), location(web, SITE, "/")[0]) == (new.der, 301 if redirect else 200), points
        assert web.run(f"ls -A {FOLDER}").split() == sorted(
            ["current", "owner.json", web.run(f"readlink {current}").strip()]
        )
        if result.outcome in GOOD:
            break
        points += 1
    assert 6 <= points < 20


def test_47_what_is_wrong_is_refused_and_the_last_good_certificate_stays(
    web: Web, plain: dict[str, Any], authority: Authority
) -> None:
    good, other, late = authority.issue(*NAMES), authority.issue(*NAMES), authority.issue(*NAMES, days=-1)
    assert install(web, good).outcome is Outcome.CHANGED
    before = web.tree()
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("private_key", {"private_key": good.private_key}),
        ("private_key", {"private_key": other.private_key.replace("PRIVATE", "ENCRYPTED PRIVATE")}),
        ("certificate", {"certificate": other.certificate + "\nssl_engine x;"}),
        ("certificate", {"certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}),
        ("serial", {"serial": good.serial}),
        ("names", {"names": [*NAMES, OTHER]}),
        ("names", {"names": []}),
        ("site", {"site": "../etc"}),
    ]
    for field, change in wrong:
        result = install(web, other, **change)
        assert (result.outcome, result.message.split(": ")[1]) == (Outcome.INVALID, field), (field, result)
        assert other.secret not in said(result) and good.secret not in said(result)
    assert install(web, other, site="stranger.test").reason == "missing_software"
    web.run("echo 'server { listen 80; bad_directive on; }' >/etc/nginx/conf.d/broken.conf")
    try:
        result = install(web, other)
        assert (result.outcome, result.reason) == (Outcome.FAILED, "config_broken"), result
        assert served(web) == good.der
    finally:
        web.run("rm /etc/nginx/conf.d/broken.conf")
    assert unchanged(before, web.tree()) == []
    assert install(web, other).outcome is Outcome.CHANGED
    expired = install(web, late)
    assert (expired.outcome, len(expired.warnings), served(web)) == (Outcome.CHANGED, 1, late.der)


def test_a_site_that_goes_takes_its_certificate_along(web: Web, authority: Authority) -> None:
    before = web.tree()
    assert web.step("package", 1003).outcome is Outcome.CHANGED
    assert web.step("user", 1003).outcome is Outcome.CHANGED
    assert web.step("domain", 1003, "late.test").outcome is Outcome.CHANGED
    pair = authority.issue("late.test")
    assert install(web, pair, service=1003, site="late.test", redirect=True).outcome is Outcome.CHANGED
    for action, more in (("domain_absent", {"domain": "late.test"}), ("account_absent", {"uid": 20003})):
        assert act(web, action, 1003, **more).outcome is Outcome.CHANGED, action
    assert unchanged(before, web.tree()) == []
    assert found(web, pair, "grep -rlF -f /dev/fd/3 /etc /var/lib /var/log /run/log /run/tenantry") == ""
