"""What a hand deletes, edits or chmods: check mode names just that, the step repairs just that, and then all is well."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import snapshot
from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.mail.conftest import NODE, MailNode, done
from tests.acceptance.mail.test_steps import TABLES, tree

pytestmark = pytest.mark.lab

KEY, MAP = "/var/lib/tenantry/dkim/shop.example/t1.key", "/var/lib/tenantry/dkim/selectors.map"
INFO = "info@shop.example"
SPY = "INSERT INTO aliases VALUES ('team@shop.example', 'spy@elsewhere.example', 'shop.example', 's2001', 1)"
Step = Callable[[MailNode, bool], RunResult]


def domain(node: MailNode, check: bool) -> RunResult:
    return node.domain(check=check)


def box(node: MailNode, check: bool) -> RunResult:
    return node.mailbox("info", check=check)


def dkim(node: MailNode, check: bool) -> RunResult:
    return node.dkim(check=check)


def alias(node: MailNode, check: bool) -> RunResult:
    return node.alias("team", INFO, "someone@elsewhere.example", check=check)


def suspension(node: MailNode, check: bool) -> RunResult:
    return node.step("account_suspended", 2003, check=check, policy="reject")


def preparation(node: MailNode, check: bool) -> RunResult:
    return node.steps.prepare(NODE, check=check)


@pytest.fixture(scope="module", autouse=True)
def there(node: MailNode) -> Iterator[snapshot.Tree]:
    """Yield the node as it should be, with an alias and a suspension there."""
    done(alias(node, False))
    done(suspension(node, False))
    yield tree(node)
    done(node.step("alias_absent", domain="shop.example", local_part="team"))
    done(node.step("account_active", 2003))


ROWS = [
    ("routing", "DELETE FROM domains WHERE domain = 'shop.example'", "main.domains shop.example", domain),
    ("routing", "UPDATE domains SET active = 0, quota_mb = 9 WHERE domain = 'shop.example'", "main.domains", domain),
    ("accounts", "DELETE FROM domains WHERE domain = 'shop.example'", "accounts.domains shop.example", domain),
    ("accounts", "UPDATE domains SET quota_mb = 9 WHERE domain = 'shop.example'", "accounts.domains", domain),
    ("routing", f"DELETE FROM mailboxes WHERE address = '{INFO}'", f"main.mailboxes {INFO}", box),
    ("routing", f"UPDATE mailboxes SET active = 0 WHERE address = '{INFO}'", f"main.mailboxes {INFO}", box),
    ("accounts", f"DELETE FROM accounts WHERE address = '{INFO}'", f"accounts.accounts {INFO}", box),
    ("accounts", f"UPDATE accounts SET password_hash = 'x' WHERE address = '{INFO}'", f"accounts.accounts {INFO}", box),
    ("accounts", f"UPDATE accounts SET local_part = '..' WHERE address = '{INFO}'", f"accounts.accounts {INFO}", box),
    ("routing", "DELETE FROM aliases", "main.aliases team@shop.example", alias),
    ("routing", f"DELETE FROM aliases WHERE destination = '{INFO}'", "main.aliases team@shop.example", alias),
    ("routing", "UPDATE aliases SET active = 0", "main.aliases team@shop.example", alias),
    ("routing", SPY, "main.aliases team@shop.example", alias),
    ("routing", "DELETE FROM suspensions", "main.suspensions s2003", suspension),
    ("accounts", "DELETE FROM suspensions", "accounts.suspensions s2003", suspension),
    ("routing", "UPDATE suspensions SET policy = 'accept'", "main.suspensions s2003", suspension),
]  # fmt: skip
FILES = [
    (f"chmod 644 {KEY}", KEY, dkim),
    (f"chown deploy {KEY}", KEY, dkim),
    ("chmod 755 /var/lib/tenantry/dkim/shop.example", "/var/lib/tenantry/dkim/shop.example/", dkim),
    (f"sed -i /shop/d {MAP}", MAP, dkim),
    (f"sed -i 's/shop.example t1/shop.example other/' {MAP}", MAP, dkim),
    (f"rm {MAP}", MAP, dkim),
    (f"chmod 600 {MAP}", MAP, dkim),
    (f"chmod 644 {TABLES}/accounts.sqlite", f"{TABLES}/accounts.sqlite", preparation),
    (f"chown deploy {TABLES}/routing.sqlite", f"{TABLES}/routing.sqlite", preparation),
]


def headings(result: RunResult) -> list[str]:
    """Return what a step says has changed."""
    diffs = "".join(event.diff for event in result.events if event.diff)
    return sorted({line[4:] for line in diffs.splitlines() if line.startswith("+++ ")})


def repaired(node: MailNode, step: Step, named: str, before: snapshot.Tree | None) -> None:
    """Check that the step tells and repairs just what is named."""
    for check in (True, False):
        result = done(step(node, check))
        assert result.outcome is Outcome.CHANGED, result
        assert len(headings(result)) == 1 and headings(result)[0].startswith(named), headings(result)
    assert done(step(node, False)).outcome is Outcome.OK
    if before is not None:
        assert snapshot.diff(before, tree(node)) == []


@pytest.mark.parametrize(("table", "statement", "named", "step"), ROWS)
def test_a_row(node: MailNode, table: str, statement: str, named: str, step: Step, there: snapshot.Tree) -> None:
    program = f"import sqlite3, sys; c = sqlite3.connect('{TABLES}/{table}.sqlite'); c.execute(sys.argv[1]); c.commit()"
    node.python(program, statement)
    if statement.startswith("DELETE FROM domains") and table == "routing":  # the selector goes with the row
        assert headings(done(domain(node, True))) == [named]
        done(domain(node, False))
        done(dkim(node, False))
        assert snapshot.diff(there, tree(node)) == []
    else:
        repaired(node, step, named, there)


@pytest.mark.parametrize(("command", "named", "step"), FILES)
def test_a_file(node: MailNode, command: str, named: str, step: Step, there: snapshot.Tree) -> None:
    node.root("sh", "-c", command)
    repaired(node, step, named, there)


@pytest.mark.parametrize("command", [f"rm {KEY}", f"echo damaged > {KEY}"])
def test_a_key_that_is_lost_is_made_anew(node: MailNode, command: str) -> None:
    node.root("sh", "-c", command)
    repaired(node, dkim, KEY, None)
    node.keys["shop.example"] = done(node.dkim()).facts["dkim"]["public_key"]
