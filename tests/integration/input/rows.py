"""Rows that can never work: what another program inserts, and what it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.integration.input.conftest import Raw, nested

OWNED = "owned.test"
SERVICE = 7001


@dataclass(frozen=True)
class Row:
    """A bad row; ``says`` are words of the answer, ``refused`` the databases that do not even take it."""

    name: str
    values: dict[str, Any]
    says: tuple[str, ...]
    refused: frozenset[str] = field(default_factory=frozenset)


def _order(name: str, says: str, **params: Any) -> Row:
    """An order with one mistake: ``says`` are the field and the reason, ``None`` leaves a key out."""
    given = {"domain": "fine.test", "package": "small", "group": "standard"} | params
    text = json.dumps({key: value for key, value in given.items() if value is not None})
    return Row(name, {"action": "service.create", "service_id": SERVICE, "params": text}, tuple(says.split("|")))


def _domain(name: str, domain: Any, says: str) -> Row:
    return _order(f"domain {name}", f"domain: |{says}", domain=domain)


def _params(name: str, text: str, says: str = "params: ", refused: str = "") -> Row:
    values = {"action": "service.create", "service_id": SERVICE, "params": text}
    return Row(f"params {name}", values, tuple(says.split("|")), frozenset(filter(None, refused.split(","))))


def _row(name: str, says: str, refused: str = "", **values: Any) -> Row:
    whole = {"action": "service.create", "service_id": SERVICE} | values
    return Row(name, whole, tuple(says.split("|")), frozenset(filter(None, refused.split(","))))


def _raw(text: bytes) -> Raw:
    """Bytes as they are; MariaDB has no such text."""
    return Raw(f"CAST(X'{text.hex()}' AS TEXT)")


GOOD = json.dumps({"domain": "fine.test", "package": "small", "group": "standard"})
BOTH = "sqlite,mariadb"

ACTIONS = (
    _row(
        "action with a slip of the pen", "action: |did you mean service.create?", action="service.craete", params=GOOD
    ),
    _row("action that is a path", "action: is not known", action="../../etc/passwd", params=GOOD),
    _row("action with a newline", "action: is not known", action="service.create\n", params=GOOD),
    _row("action for a shell", "action: is not known", action="service.create; id", params=GOOD),
    _row("action in capitals", "action: ", action="SERVICE.CREATE", params=GOOD),
    _row("action that is empty", "action: ", action="", params=GOOD),
    _row("action of bytes", "action: ", BOTH, action=Raw("X'ff00'"), params=GOOD),
    _row("a step by itself", "action: |cannot be asked for by itself", action="web.user_present", server_id=1),
    _row("a step without a service", "action: |by itself", action="web.user_present", server_id=1, service_id=None),
    _row("a step of an owned service", "action: |by itself", action="mail.domain_present", server_id=2, service_id=1),
    _row("the last step by itself", "action: |by itself", action="service.status_active", service_id=1),
    _row("a server's action without one", "server_id: ", action="server.prepare", service_id=None),
    _row("a server that is not there", "server_id: ", action="server.prepare", service_id=None, server_id=999),
    _row("a negative server", "server_id: ", action="server.prepare", service_id=None, server_id=-5),
    _row("a server's action with a service", "service_id: ", action="server.prepare", server_id=1),
    _row(
        "a server's action with params",
        "params.roles: is not known",
        action="server.prepare",
        service_id=None,
        server_id=1,
        params='{"roles": ["dns"]}',
    ),
)

COLUMNS = (
    _row("service_id left out", "service_id: ", service_id=None, params=GOOD),
    _row("service_id zero", "service_id: ", service_id=0, params=GOOD),
    _row("service_id negative", "service_id: ", service_id=-1, params=GOOD),
    _row("service_id too large", "service_id: ", service_id=10**9, params=GOOD),
    _row("service_id huge", "service_id: ", service_id=2**62, params=GOOD),
    _row("service_id beyond all", "service_id", BOTH, service_id=Raw("99999999999999999999"), params=GOOD),
    _row("service_id as text", "service_id", BOTH, service_id="abc", params=GOOD),
    _row("status unknown", "status must be", BOTH, status="ready", params=GOOD),
    _row("status waiting for nothing", "status waiting", BOTH, status="waiting", params=GOOD),
    _row("run_after no time", "run_after", BOTH, run_after="tomorrow", params=GOOD),
    _row("run_after zero", "run_after", BOTH, run_after="0000-00-00 00:00:00", params=GOOD),
    _row("run_after no such day", "run_after", BOTH, run_after="2026-02-31 00:00:00", params=GOOD),
    _row("run_after at 24 hours", "run_after", BOTH, run_after="2026-02-01 24:00:00", params=GOOD),
    _row("run_after with more behind", "run_after", BOTH, run_after="2026-02-01 00:00:00; x", params=GOOD),
    _row("priority as text", "priority", BOTH, priority="first", params=GOOD),
    _row("cancel_requested as text", "cancel_requested", BOTH, cancel_requested="please", params=GOOD),
)

DOCUMENTS = (
    _params("empty", "", "params: is no JSON"),
    _params("no JSON", "domain=shop.test", "params: is no JSON"),
    _params("cut off", GOOD[:-1], "params: is no JSON"),
    _params("two documents", GOOD + GOOD, "params: is no JSON"),
    _params("a list", "[]", "params: is not an object"),
    _params("null", "null", "params: is not an object"),
    _params("a number", "7", "params: is not an object"),
    _params("a key twice", GOOD[:-1] + ',"domain":"other.test"}', "params: gives a key twice"),
    _params("10 MB", '{"domain":"' + "a" * 10_000_000 + '"}', "params: has 10000013 characters"),
    _params("of depth 10,000", nested(10_000), "params: is nested too deeply"),
    _params("with a number of 5,000 digits", '{"domain":' + "9" * 5000 + "}", "params: is no JSON"),
    _params("with a NUL behind", GOOD + "\0", "params: is no JSON"),
    _params("empty object", "{}", "domain: is missing"),
    Row(
        "params of invalid UTF-8",
        {"action": "service.create", "service_id": SERVICE, "params": _raw(b'{"domain":"a\xff.test"}')},
        ("domain",),
        frozenset({"mariadb"}),
    ),
    _order("a key unknown", "params.domian: is not known|did you mean domain?", domian="shop.test"),
    _order("a key of ansible", "params.ansible_connection: is not known", ansible_connection="local"),
    _order("a marker of ansible", "params.__ansible_unsafe: is not known", __ansible_unsafe="x"),
    _order("a key that is a template", "is not known", **{"{{ lookup('pipe','id') }}": 1}),
    _order("a key of the job", "params.service: is not known", service={"id": 1}),
)

DOMAINS = (
    _order("domain missing", "domain: is missing", domain=None),
    _domain("a number", 7, "not text"),
    _domain("a list", ["a.test"], "not text"),
    _domain("an object", {"name": "a.test"}, "not text"),
    _domain("yes", True, "not text"),
    _domain("a path", "../../etc/passwd", ""),
    _domain("254 characters", ".".join(["a" * 60] * 4) + ".abcde.test", "254"),
    _domain("a label of 64", "a" * 64 + ".test", "1-63"),
    _domain("60,000 characters", "\N{LATIN SMALL LETTER O WITH DIAERESIS}" * 10_000, "characters"),
    _domain("an IPv4 address", "10.77.0.11", "IP address"),
    _domain("an IPv6 address", "fd00::1", "IP address"),
    _domain("half an address", "127.0.0.0x1", "ends in a number"),
    _domain("no dot", "localhost", "no dot"),
    _domain("special use", "printer.local", "special-use"),
    _domain("a wildcard", "*.shop.test", "the part"),
    _domain("an empty label", "shop..test", "the part"),
    _domain("a hyphen first", "-shop.test", "the part"),
    _domain("an underscore", "my_shop.test", "the part"),
    _domain("a newline", "shop.test\nserver_name evil.test", "the part"),
    _domain("a newline behind", "shop.test\n", "the part"),
    _domain("a NUL", "shop\0.test", "the part"),
    _domain("a tab", "shop.test\t", "the part"),
    _domain("for a shell", "$(id).test", "the part"),
    _domain("for a backtick", "`id`.test", "the part"),
    _domain("for nginx", "shop.test; } server { server_name evil.test", "the part"),
    _domain("a template", "{{ lookup('pipe','id') }}.test", "the part"),
    _domain("a URL", "https://shop.test/", "the part"),
    _domain("a port", "shop.test:8080", "the part"),
    _domain("percent", "%2e%2e.test", "the part"),
    _domain("a broken A-label", "xn--zz.test", "no valid A-label"),
    _domain("a lone surrogate", "shop\ud800.test", "no valid international domain"),
    _domain("a line separator", "shop\u2028.test", "no valid international domain"),
    _domain("a picture", "\U0001f4a9.test", "no valid international domain"),
    _domain("of another service", OWNED, f"overlaps {OWNED}"),
    _domain("of another service in capitals", OWNED.upper() + ".", f"overlaps {OWNED}"),
    _domain("below another service's", f"mail.{OWNED}", f"overlaps {OWNED}"),
    _domain("above another service's", "parent.test", "overlaps child.parent.test"),
    _domain("above a server's", "provider.test", "overlaps the server name ns1.provider.test"),
)

FIELDS = (
    _order("package missing", "package: is missing", package=None),
    _order("package unknown", "package: there is no package", package="huge"),
    _order("package that is a path", "package: ", package="../small"),
    _order("package of a list", "package: ", package=["small"]),
    _order("group unknown", "group: there is no group", group="nowhere"),
    _order("group for SQL", "group: ", group="x' OR '1'='1"),
    _order("mode unknown", "mode: ", mode="cluster"),
    _order("mode of a list", "mode: ", mode=["split"]),
    _order("mode vanity without a name", "vanity_name: is missing", mode="vanity", parent_domain="parent.test"),
    _order("mode vanity without a parent", "parent_domain: is missing", mode="vanity", vanity_name="x"),
    _order(
        "mode vanity under nothing",
        "parent_domain: there is no",
        mode="vanity",
        vanity_name="x",
        parent_domain="parent.test",
        domain=None,
    ),
    _order("vanity_name in split", "vanity_name: ", vanity_name="x"),
    _order("roles unknown", "roles: ", roles=["web", "ftp"]),
    _order("roles of nothing", "roles: ", roles=[]),
    _order("roles of an object", "roles: ", roles={"web": True}),
    _order("roles of lists", "roles: ", roles=[["web"]]),
    _order("username root", "username: root is reserved", username="root"),
    _order("username with an option", "username: ", username="-o"),
    _order("username with a line", "username: ", username="bob:0:0\n"),
    _order("username zero", "username: ", username=0),
    _order("username false", "username: ", username=False),
    _order("username taken", "username: w1 is taken", username="w1"),
    _order("contact_email no address", "contact_email: ", contact_email="nobody"),
    _order("contact_email with a header", "contact_email: ", contact_email="a@b.test\nBcc: c@d.test"),
    _order("contact_email zero", "contact_email: ", contact_email=0),
    _order("password in clear", "password_sealed: ", password_sealed="correct horse battery"),
    _order("password of a number", "password_sealed: ", password_sealed=7),
    _order("password sealed to nobody", "password_sealed: was not sealed", password_sealed="QUJD" * 128),
)


def _mailbox(name: str, says: str, service_id: int = 1, **params: Any) -> Row:
    values = {"action": "mail.mailbox_present", "service_id": service_id, "params": json.dumps(params)}
    return Row(f"mailbox {name}", values, tuple(says.split("|")))


def _plan(name: str, says: str, service_id: int = 1, **params: Any) -> Row:
    values = {"action": "service.plan", "service_id": service_id, "params": json.dumps(params)}
    return Row(f"plan {name}", values, (says,))


OTHERS = (
    _row("redeploy of nothing", "service_id: there is no service", action="service.redeploy", service_id=4711),
    _row("redeploy of no id", "service_id: is missing", action="service.redeploy", service_id=None),
    _row("redeploy with params", "params.force: ", action="service.redeploy", service_id=1, params='{"force": true}'),
    _plan("of nothing", "action: is missing"),
    _plan("of an unknown action", "action: “service.explode” has no plan", action="service.explode"),
    _plan("of a list", "action: “a list” has no plan", action=["service.repair"]),
    _plan(
        "of a plan", "action: “service.plan” has no plan", action="service.plan", params={"action": "service.repair"}
    ),
    _plan("of no service", "service_id: there is no service", service_id=4711, action="service.repair"),
    _plan("with a list for params", "params: is no object", action="service.repair", params=[]),
    _plan("with what the action does not know", "params.x: ", action="service.repair", params={"x": 1}),
    _plan("with what no plan knows", "params.force: ", action="service.repair", force=True),
    _mailbox("of no service", "service_id: ", service_id=4711, local_part="info"),
    _mailbox("without a name", "local_part: is missing"),
    _mailbox("that is a path", "local_part: ", local_part="../../etc"),
    _mailbox("with two dots", "local_part: ", local_part="a..b"),
    _mailbox("without a password", "password_sealed: is missing", local_part="info"),
    _mailbox("with a negative quota", "quota_mb: ", local_part="postmaster", quota_mb=-1),
    _mailbox("with a quota of text", "quota_mb: ", local_part="postmaster", quota_mb="1e9"),
    _mailbox("with a quota above the package's", "quota_mb: ", local_part="postmaster", quota_mb=10**6),
    _mailbox("with a name of two lines", "display_name: ", local_part="postmaster", display_name="a\nb"),
    _mailbox("with a name of a number", "display_name: ", local_part="postmaster", display_name=7),
    _mailbox("with a name of 129", "display_name: ", local_part="postmaster", display_name="x" * 129),
    _mailbox("of another domain", "params.domain: ", local_part="info", domain="shop.test"),
)

ROWS = (*ACTIONS, *COLUMNS, *DOCUMENTS, *DOMAINS, *FIELDS, *OTHERS)
