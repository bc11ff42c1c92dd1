"""The first half of a conversation: from a certificate that is wanted to an order whose challenges can be met.

What a crash would lose is written down before the next request: the key before the order, the order's address before any
challenge. A step that is taken again takes the same order up again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.certs import private_keys
from orchestrator.certs.accounts import Accounts
from orchestrator.certs.acme_client import Authority, Order
from orchestrator.certs.acme_network import Refused
from orchestrator.core.certificates import Trouble
from orchestrator.models.certificate import AuthorityRow, CertificateRow
from orchestrator.plan.certificates import buckets as rules
from orchestrator.plan.certificates import decision
from orchestrator.plan.certificates.problems import Problem
from orchestrator.store import buckets, certificates, material
from orchestrator.store.database import transaction
from orchestrator.store.material import PENDING, Pair

_Sent = tuple[Order, tuple[rules.Need, ...]]
_ALIVE = ("pending", "ready", "processing", "valid")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a conversation needs besides the certificate."""

    accounts: Accounts
    registered_domain: Callable[[str], str]  # "shop.co.uk" of "www.shop.co.uk"
    lacking: Callable[[str, frozenset[str]], str] = lambda *_: ""  # which name server has not all TXT values yet

    @property
    def now(self) -> datetime:
        """The time."""
        return self.accounts.clock()


def take_up(desk: Desk, authority: AuthorityRow, client: Authority, row: CertificateRow, names: Sequence[str]) -> Order:
    """Return the order of a certificate: the one that was begun before, or a new one; Refused says why there is none."""
    return _resumed(client, row, names) or _new(desk, authority, client, row, names)


def _resumed(client: Authority, row: CertificateRow, names: Sequence[str]) -> Order | None:
    """Return the order that was begun before if it is still good for these names and its key is there."""
    if not row.order_url or not certificates.has_material(row.id, PENDING):
        return None
    try:
        order = client.look(row.order_url)
    except Refused as refused:
        if refused.problem.trouble is Trouble.PERMANENT:  # the CA has forgotten it
            return None
        raise
    return order if order.status in _ALIVE and set(order.names) == set(names) else None


def _new(desk: Desk, authority: AuthorityRow, client: Authority, row: CertificateRow, names: Sequence[str]) -> Order:
    _store_key(desk, row)
    replaces = row.renewal_id if decision.may_replace(certificates.view(row), desk.now) else ""
    sent = _with_replacement(desk, authority, client, row, names, replaces) if replaces else None
    order, needs = sent or _sent(desk, authority, client, row, names, "")
    certificates.set_order(row, order.url, client.account_url, rules.of_certificates(needs))
    return order


def _with_replacement(
    desk: Desk, authority: AuthorityRow, client: Authority, row: CertificateRow, names: Sequence[str], replaces: str
) -> _Sent | None:
    """Return an order that says what it renews; None when the CA does not want it so, which is no reason to give up.

    Another order may have begun to replace it, or the account was another one (RFC 9773 section 5).
    """
    try:
        return _sent(desk, authority, client, row, names, replaces)
    except Refused as refused:
        if refused.problem.trouble in (Trouble.REPLACED, Trouble.PERMANENT, Trouble.VALIDATION):
            return None
        raise


def _sent(
    desk: Desk, authority: AuthorityRow, client: Authority, row: CertificateRow, names: Sequence[str], replaces: str
) -> _Sent:
    """Send an order, inside every limit; returns it with what it has taken."""
    needs = _needs(desk, row, names, replaces)
    later = buckets.reserve(authority.id, needs, desk.now)
    if later is not None:
        detail = "our own limit, which keeps us inside the CA's, is reached"
        raise Refused(Problem(trouble=Trouble.RATE_LIMITED, kind="bucket", detail=detail, until=later))
    try:
        return client.order(names, replaces), needs
    except Refused as refused:
        if refused.problem.kind == "connection":  # nothing was ordered
            buckets.refund(authority.id, needs)
        raise


def _needs(desk: Desk, row: CertificateRow, names: Sequence[str], replaces: str) -> tuple[rules.Need, ...]:
    return rules.needs(
        names,
        [desk.registered_domain(name.removeprefix("*.")) for name in names],
        decision.exemption(certificates.view(row), names, bool(replaces), desk.now),
        is_first=not row.serial,
        has_failed=row.failures > 0,
    )


def _store_key(desk: Desk, row: CertificateRow) -> None:
    """Make a fresh key for the order: no certificate ever has the key of another."""
    pair = Pair(certificate="", chain="", private_key=private_keys.pem(private_keys.new()))
    transaction(lambda: material.put(desk.accounts.storage_key, row.id, PENDING, pair))
