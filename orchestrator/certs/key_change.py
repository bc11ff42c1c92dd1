"""Another key for our account at a CA (RFC 8555 section 7.3.5); the account, its limits and its CAA records stay.

Every answer of a server to HTTP-01, and every TXT value of DNS-01, is made of the key. So no order may be under way meanwhile,
and afterwards none begins before its servers answer with the new thumbprint: that is asked for before every order anyhow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.certs import accounts as opening
from orchestrator.certs import private_keys
from orchestrator.certs.accounts import Accounts
from orchestrator.certs.acme_client import Authority
from orchestrator.certs.acme_network import Refused
from orchestrator.core.certificates import Trouble
from orchestrator.core.errors import Conflict, Unavailable
from orchestrator.models.certificate import AuthorityRow
from orchestrator.store import authorities, certificate_orders

_POLL_SECONDS = 1.0
_AGAIN = "tenantry authority replace-key"


@dataclass(frozen=True, kw_only=True)
class Wait:
    """How long orders that are under way may take to come to their end."""

    seconds: float = 300.0
    sleep: Callable[[float], None] = time.sleep


def replace(accounts: Accounts, wait: Wait) -> AuthorityRow:
    """Give the account another key, or bring to its end what was begun; returns the CA's row.

    Conflict while there is no account. Unavailable when orders are still under way after ``wait``: nothing has changed; or when
    the CA did not answer: then nothing is ordered until this has been called again. Refused when the CA does not want another
    key: the old one stays.
    """
    row = opening.known(accounts)
    if not row.account_url:
        raise Conflict(f"there is no account at {row.directory} yet; the first order makes one, with a fresh key")
    is_new = row.next_key is None
    if is_new:
        opening.refuse_halted(row, accounts.clock())
    encrypted = authorities.replacing(row.id, opening.locked_up(accounts, private_keys.new()))
    try:
        _let_orders_end(wait)
    except Unavailable:
        if is_new:
            authorities.kept(row.id)
        raise
    old, new = (opening.client(accounts, row, key) for key in (row.account_key, encrypted))
    try:
        _tell(old, new)
    except Refused as refused:
        if refused.problem.trouble is Trouble.TRANSIENT:
            raise Unavailable(f"{refused}; nothing is ordered there until `{_AGAIN}` has come to its end") from None
        authorities.kept(row.id)
        raise
    authorities.replaced(row.id, encrypted, new.thumbprint)
    return opening.known(accounts)


def _tell(old: Authority, new: Authority) -> None:
    """Tell the CA, unless it has heard it before a crash."""
    try:
        old.replace_key(new)
    except Refused as refused:
        if refused.problem.trouble is Trouble.TRANSIENT or not _is_known(new, old.account_url):
            raise refused from None


def _is_known(client: Authority, account_url: str) -> bool:
    try:
        return client.find_account() == account_url
    except Refused as refused:
        if refused.problem.trouble is Trouble.TRANSIENT:
            raise
        return False


def _let_orders_end(wait: Wait) -> None:
    """Wait for orders that are under way; none begins, for the next key is written down."""
    deadline = time.monotonic() + wait.seconds
    while count := certificate_orders.under_way():
        if time.monotonic() > deadline:
            raise Unavailable(f"{count} orders have not ended in {wait.seconds:.0f} s; is the orchestrator running?")
        wait.sleep(_POLL_SECONDS)
