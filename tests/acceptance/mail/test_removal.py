"""What leaves leaves nothing behind, and takes nothing of anybody else with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import snapshot
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import HASH, NEIGHBOUR, NODE, PASSWORD, MailNode, done
from tests.support import mail
from tests.support.mail import until

pytestmark = pytest.mark.lab

LATE, DOMAIN = 2010, "late.example"
BOX = {"domain": DOMAIN, "local_part": "info", "password_hash": HASH, "quota_mb": 8, "display_name": None}
STRANGER = f"someone@{mail.CLIENT}"
ORPHAN = "/var/vmail/.removed/s2010:late.example~0123456789ab"


def tree(node: MailNode) -> snapshot.Tree:
    """Return everything managed on the node, the mail too."""
    return snapshot.tree(node.lab, NODE, exclude=("/var/lib/tenantry/guard*",))


def maps(node: MailNode) -> str:
    """Return all rows of both tables and the map of keys."""
    text = node.root("cat", "/var/lib/tenantry/dkim/selectors.map")
    for table, names in (
        ("routing", ("domains", "mailboxes", "aliases", "suspensions")),
        ("accounts", ("domains", "accounts", "suspensions")),
    ):
        text += "".join(f"{table} {name} {node.query(table, f'SELECT * FROM {name}')}\n" for name in names)
    return text


@pytest.fixture(autouse=True)
def nothing_left(node: MailNode) -> Iterator[None]:
    """After each test the node is what it was before, to the byte."""
    before, rows = tree(node), maps(node)
    deploy(node)
    yield
    done(gone(node))
    assert snapshot.diff(before, tree(node)) == []
    assert maps(node) == rows


def deploy(node: MailNode) -> None:
    done(node.domain(LATE, domain=DOMAIN))
    done(node.step("dkim_present", LATE, domain=DOMAIN, selector="t1", bits=2048))
    done(node.step("mailbox_present", LATE, **BOX))
    done(node.alias("all", f"info@{DOMAIN}", service=LATE, domain=DOMAIN))
    mail.deliver(node.address, sent := mail.message(STRANGER, f"all@{DOMAIN}"))
    with mail.mailbox(node.address, f"info@{DOMAIN}", PASSWORD) as box:
        mail.fetch(box, sent["Subject"])


def gone(node: MailNode, service: int | None = LATE, *, check: bool = False) -> RunResult:
    return node.step("domain_absent", service, check=check, domain=DOMAIN)


def box_gone(node: MailNode, service: int | None = LATE, *, check: bool = False) -> RunResult:
    return node.step("mailbox_absent", service, check=check, domain=DOMAIN, local_part="info")


def test_a_domain_leaves_with_its_sessions_mail_and_keys(node: MailNode) -> None:
    before = tree(node)
    assert done(gone(node, check=True)).outcome is Outcome.CHANGED
    assert snapshot.diff(before, tree(node)) == []
    with mail.mailbox(node.address, f"info@{DOMAIN}", PASSWORD) as box:
        assert done(gone(node)).outcome is Outcome.CHANGED
        with pytest.raises((OSError, type(box).abort)):
            box.noop()
    assert mail.answer(node.address, f"info@{DOMAIN}")[0] == 554
    for check in (True, False):
        assert done(gone(node, check=check)).outcome is Outcome.OK


def test_a_domain_that_was_refused_a_moment_ago_gets_its_mail_once_it_is_here(node: MailNode) -> None:
    done(gone(node))
    assert mail.answer(node.address, f"info@{DOMAIN}")[0] == 554
    deploy(node)
    assert mail.answer(node.address, f"info@{DOMAIN}")[0] == 250


def test_a_suspended_service_leaves_without_a_trace(node: MailNode) -> None:
    done(node.step("account_suspended", LATE, policy="defer"))
    assert done(gone(node)).outcome is Outcome.CHANGED
    assert node.query("routing", "SELECT owner FROM suspensions") == []


def test_a_run_that_died_in_the_midst_is_ended_by_the_next(node: MailNode) -> None:
    node.root("mv", f"/var/vmail/{DOMAIN}", ORPHAN)  # moved aside, not yet committed
    assert done(gone(node)).outcome is Outcome.CHANGED
    assert node.root("ls", "-A", "/var/vmail/.removed") == ""
    node.root("mkdir", "-p", f"{ORPHAN}/info/Maildir", f"/var/lib/tenantry/dkim/{DOMAIN}")  # committed, not yet deleted
    assert done(gone(node, check=True)).outcome is Outcome.CHANGED
    assert done(gone(node)).outcome is Outcome.CHANGED
    assert node.root("ls", "-A", "/var/vmail/.removed") == ""
    assert done(gone(node)).outcome is Outcome.OK


def test_a_removal_that_comes_late_leaves_the_new_owner_alone(node: MailNode) -> None:
    before = tree(node)
    for result in (gone(node, NEIGHBOUR), box_gone(node, NEIGHBOUR)):
        assert done(result).outcome is Outcome.OK
        assert "left alone: " in " ".join(result.warnings) and f"belongs to s{LATE}" in " ".join(result.warnings)
    assert snapshot.diff(before, tree(node)) == []


def test_a_link_and_a_foreign_file_in_the_mail_are_not_followed(node: MailNode) -> None:
    node.root("install", "-d", "/srv/target")
    node.root("sh", "-c", f"echo keep > /srv/target/file; ln -s /srv/target /var/vmail/{DOMAIN}/info/Maildir/link")
    node.root("sh", "-c", f"ln /srv/target/file /var/vmail/{DOMAIN}/info/hard; ln -s /srv/target /var/vmail/{DOMAIN}/x")
    try:
        done(box_gone(node))
        done(gone(node))
        assert node.root("cat", "/srv/target/file") == "keep\n"
        assert node.root("stat", "-c", "%h %U", "/srv/target/file").split() == ["1", "root"]
        node.root("ln", "-s", "/srv/target", f"/var/vmail/{DOMAIN}")
        done(gone(node))
        assert node.root("ls", "/srv/target") == "file\n"
    finally:
        node.root("rm", "-r", "/srv/target")


def test_a_mailbox_leaves_and_its_aliases_are_named(node: MailNode) -> None:
    before = tree(node)
    assert done(box_gone(node, check=True)).outcome is Outcome.CHANGED
    assert snapshot.diff(before, tree(node)) == []
    with mail.mailbox(node.address, f"info@{DOMAIN}", PASSWORD) as box:
        result = done(box_gone(node))
        assert (result.outcome, f"all@{DOMAIN}" in " ".join(result.warnings)) == (Outcome.CHANGED, True), result
        until(lambda: not alive(box), "the session was not ended")
    assert not mail.may_log_in(node.address6, f"info@{DOMAIN}", PASSWORD)
    assert mail.answer(node.address, f"info@{DOMAIN}")[0] == 550
    node.root("test", "!", "-e", f"/var/vmail/{DOMAIN}")
    for check in (True, False):
        again = done(box_gone(node, check=check))
        assert again.outcome is Outcome.OK, again
    done(node.step("mailbox_present", LATE, **BOX))
    assert mail.subjects(node.address, f"info@{DOMAIN}", PASSWORD) == []


def alive(box: object) -> bool:
    try:
        box.noop()  # type: ignore[attr-defined]
    except (OSError, type(box).abort):  # type: ignore[attr-defined]
        return False
    return True


def test_by_hand_without_an_owner_the_named_object_is_removed(node: MailNode) -> None:
    assert done(box_gone(node, None)).outcome is Outcome.CHANGED
    assert done(gone(node, None)).outcome is Outcome.CHANGED
