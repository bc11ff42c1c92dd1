"""Certificates of mail domains, swapped while clients come and stay. Numbers: docs/concepts/certificates.md."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab import snapshot
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import NEIGHBOUR, NODE, OWN, PASSWORD, MailNode, done
from tests.support import mail
from tests.support.certificates import Authority, Issued, load, shown
from tests.support.kills import killed_at

pytestmark = pytest.mark.lab

DOMAIN = "shop.example"
NAMES = (f"mail.{DOMAIN}", f"webmail.{DOMAIN}")
FOLDER = f"/etc/tenantry/tls/mail/{DOMAIN}"
TABLE = "/etc/postfix/tenantry/sni"
PORTS = (993, 143, 465, 587)
MASTERS = ("postfix@-.service", "dovecot.service", "nginx.service")
THUMBPRINT = "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
GOOD = (Outcome.OK, Outcome.CHANGED)


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return the CA of these tests."""
    return Authority()


@pytest.fixture(scope="module")
def plain(node: MailNode) -> Iterator[list[str]]:
    """Yield the node's table of certificates, and see that it and the rest are as before in the end."""
    before, table = tree(node), sni(node)
    yield table
    assert install(node, None).outcome in GOOD
    assert (snapshot.diff(before, tree(node)), sni(node)) == ([], table)


def tree(node: MailNode) -> snapshot.Tree:
    """Return what is managed on the node; a rebuilt table has other bytes for the same content."""
    return snapshot.tree(
        node.lab, NODE, exclude=("/var/lib/tenantry/guard*", f"{TABLE}.db", "/etc/nginx/tenantry/challenge.conf")
    )


def sni(node: MailNode) -> list[str]:
    """Return the names that Postfix has certificates for."""
    return sorted(line.split("\t")[0] for line in node.root("postmap", "-s", f"hash:{TABLE}").splitlines())


def install(node: MailNode, pair: Issued | None, *, service: int = OWN, check: bool = False, **more: Any) -> RunResult:
    """Install a certificate for the domain, or go back to the node's own."""
    params = {"domain": DOMAIN, **(pair.params() if pair else {}), **more}
    action = "mail.certificate_present" if pair else "mail.certificate_absent"
    return node.steps.run(NODE, action, params, service=service, check=check)


def served(node: MailNode, name: str = NAMES[0]) -> set[bytes]:
    """Return the certificates that the four ports show for a name."""
    return {shown(node.address, port, name) for port in PORTS}


def said(result: RunResult) -> str:
    return json.dumps([result.message, result.facts, result.warnings, [str(event) for event in result.events]])


def found(node: MailNode, pair: Issued, search: str) -> str:
    """Return what a search for the key prints; the key comes over a pipe, because sudo writes commands into the journal."""
    return node.root("bash", "-c", f"exec 3<&0; {search}", stdin=f"{pair.secret}\n", check=False).strip()


def masters(node: MailNode) -> list[str]:
    return [node.root("systemctl", "show", "-p", "MainPID", "--value", unit).strip() for unit in MASTERS]


def test_48_a_certificate_comes_is_replaced_while_clients_stay_and_goes(
    node: MailNode, plain: list[str], authority: Authority
) -> None:
    before, pairs = tree(node), [authority.issue(*NAMES) for _ in range(3)]
    (placeholder,) = served(node)
    rehearsed = install(node, pairs[0], check=True)
    assert (rehearsed.outcome, snapshot.diff(before, tree(node))) == (Outcome.CHANGED, [])
    result = done(install(node, pairs[0]))
    assert result.facts["serial"] == pairs[0].serial
    for check in (False, True):
        assert install(node, pairs[0], check=check).outcome is Outcome.OK
    assert {der for name in NAMES for der in served(node, name)} == {pairs[0].der}
    assert shown(node.address, 25, NAMES[0]) == pairs[0].der
    for stranger in ("mail.neighbour.example", DOMAIN, "stranger.test"):
        assert served(node, stranger) == {placeholder}, stranger
    running = masters(node)
    with mail.mailbox(node.address, f"info@{DOMAIN}", PASSWORD) as session:
        with (
            load(lambda: shown(node.address, 993, NAMES[1]), 50) as logins,
            load(lambda: shown(node.address, 465, NAMES[0]), 1) as submissions,
        ):
            logins.await_seen(pairs[0].der)
            for pair in pairs[1:]:
                assert install(node, pair).outcome is Outcome.CHANGED
                assert served(node) == {pair.der}
                logins.await_seen(pair.der)
        assert session.noop()[0] == "OK"
    assert logins.failures + submissions.failures == []
    assert logins.seen == {pair.der for pair in pairs}
    assert logins.count >= 0.9 * 50 * logins.seconds
    assert masters(node) == running
    assert not any(pair.secret in said(rehearsed) + said(result) for pair in pairs)
    assert found(node, pairs[0], "journalctl -o cat | grep -c -F -f /dev/fd/3") == "0"
    assert node.root("find", "/etc/tenantry/tls/mail", f"{TABLE}.db", "-not", "-type", "l", "-perm", "/077") == ""
    assert [install(node, None, check=True).outcome, install(node, None).outcome, install(node, None).outcome] == [
        Outcome.CHANGED,
        Outcome.CHANGED,
        Outcome.OK,
    ]
    assert served(node) == {placeholder}
    assert (snapshot.diff(before, tree(node)), sni(node)) == ([], plain)


def test_47_what_is_wrong_is_refused_and_the_last_good_certificate_stays(
    node: MailNode, plain: list[str], authority: Authority
) -> None:
    good, other = authority.issue(*NAMES), authority.issue(*NAMES)
    done(install(node, good))
    before, names = tree(node), sni(node)
    assert install(node, other, private_key=good.private_key).outcome is Outcome.INVALID
    assert install(node, other, domain="stranger.example").outcome is Outcome.INVALID
    assert install(node, other, service=NEIGHBOUR).reason == "conflict"
    assert install(node, other, service=NEIGHBOUR, domain="neighbour.example").reason == "conflict"  # a name twice
    assert install(node, None, service=NEIGHBOUR).outcome is Outcome.OK
    for path, line in (("/etc/tenantry/mail/dovecot.d/zz.conf", "nonsense {"), ("/etc/postfix/main.cf", "nonsense")):
        node.root("cp", "-a", "/etc/postfix/main.cf", "/root/main.cf")
        node.root("sh", "-c", f"echo '{line}' >>{path}")
        try:
            result = install(node, other)
            assert (result.outcome, result.reason) == (Outcome.FAILED, "config_broken"), (path, result)
            assert served(node) == {good.der}
        finally:
            node.root("rm", "-f", "/etc/tenantry/mail/dovecot.d/zz.conf")
            node.root("mv", "/root/main.cf", "/etc/postfix/main.cf")
    assert (snapshot.diff(before, tree(node)), sni(node)) == ([], names)
    # By hand: an empty table, and a file that is gone. Both come back, and so does what only the daemons have lost.
    node.root("sh", "-c", f"rm {TABLE}.db /etc/tenantry/mail/dovecot.d/{DOMAIN}.conf; systemctl reload dovecot")
    assert done(install(node, good)).outcome is Outcome.CHANGED
    assert (served(node), snapshot.diff(before, tree(node))) == ({good.der}, [])
    assert node.steps.prepare(NODE).outcome is Outcome.OK


def test_45_whenever_a_step_is_killed_a_pair_is_served_and_the_next_run_ends_the_work(
    node: MailNode, plain: list[str], authority: Authority
) -> None:
    pairs = [authority.issue(*NAMES) for _ in range(2)]
    done(install(node, pairs[1]))
    points = 0
    while points < 20:
        old, new = pairs[(points + 1) % 2], pairs[points % 2]
        words = (".current.", f".{DOMAIN}.conf.", " -F ", "sni.db", "systemctl reload", FOLDER)
        with killed_at(node.lab, NODE, points + 1, *words):
            result = install(node, new)
        for port in PORTS:
            assert shown(node.address, port, NAMES[0]) in (old.der, new.der), (points, port)
        assert done(install(node, new)).outcome in GOOD
        assert served(node) == {new.der}, points
        assert len(node.root("ls", "-A", FOLDER).split()) == 3, points  # the pair, the link, whose it is
        assert ".sni-new" not in node.root("ls", "-A", "/etc/postfix/tenantry")
        if result.outcome in GOOD:
            break
        points += 1
    assert 5 <= points < 20


def test_a_ca_is_answered_on_a_node_without_websites(node: MailNode) -> None:
    def page(path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(node.address, timeout=20)
        connection.request("GET", path, headers={"Host": NAMES[0], "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    assert page("/.well-known/acme-challenge/abc")[0] == 404
    for outcome in (Outcome.CHANGED, Outcome.OK):
        result = node.steps.run(NODE, "web.challenge_present", {"thumbprint": THUMBPRINT}, service=OWN)
        assert result.outcome is outcome, result
    assert page("/.well-known/acme-challenge/abc") == (200, f"abc.{THUMBPRINT}")
    assert (page("/")[0], page("/.well-known/tenantry-loaded")[0]) == (404, 404)
    assert node.steps.prepare(NODE).outcome is Outcome.OK


def test_a_domain_that_goes_or_is_renamed_takes_its_certificate_along(
    node: MailNode, plain: list[str], authority: Authority
) -> None:
    number = 2003
    before = tree(node)
    done(node.domain(number, domain="first.example"))
    for step in (("domain_renamed", "second.example"), ("domain_absent", "second.example")):
        domain = "first.example" if step[0] == "domain_renamed" else "second.example"
        pair = authority.issue(f"mail.{domain}")
        done(install(node, pair, service=number, domain=domain))
        assert f"mail.{domain}" in sni(node)
        more = {"former": "first.example"} if step[0] == "domain_renamed" else {}
        done(node.step(step[0], number, domain=step[1], **more))
        assert f"mail.{domain}" not in sni(node)
        assert found(node, pair, "grep -rlF -f /dev/fd/3 /etc /var/lib /var/log /run/log") == ""
    assert snapshot.diff(before, tree(node)) == []
