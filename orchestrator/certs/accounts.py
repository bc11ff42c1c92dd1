"""Our account at a CA: one for the whole installation, its key encrypted in the database and never on a node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.certs import private_keys
from orchestrator.certs.acme_client import Authority, Directory
from orchestrator.certs.acme_network import Refused
from orchestrator.config.binding import HMAC_KEY, KEY_ID, Binding
from orchestrator.core import at_rest
from orchestrator.core.certificates import Trouble
from orchestrator.models.certificate import AuthorityRow
from orchestrator.plan.certificates.buckets import ACCOUNTS, LIMITS, Need
from orchestrator.plan.certificates.problems import Problem
from orchestrator.store import authorities, buckets

CIRCUIT_AFTER, CIRCUIT = 5, timedelta(minutes=15)  # requests in a row that the CA did not answer as it should
_REPLACING = "replacing"
_UNBOUND = "externalAccountRequired"
_BIND = f"set {KEY_ID} and {HMAC_KEY} as the CA has given them to you, then run `tenantry ssl resume`"


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """How accounts are opened."""

    directory: Directory
    storage_key: bytes = field(repr=False)
    clock: Callable[[], datetime]
    contact: str = ""
    binding: Binding | None = None


def open_account(accounts: Accounts) -> tuple[AuthorityRow, Authority]:
    """Return our account at the CA, ready to order; Refused when it may not be used now.

    The first call makes it. One that was ever made is never replaced: exemptions, limits and CAA records depend on it, so an
    account that the CA no longer knows stops everything until an operator has looked.
    """
    row = known(accounts)
    refuse_halted(row, accounts.clock())
    ours = client(accounts, row, row.account_key)
    if not row.account_url:
        _register(accounts, row, ours)
    return row, ours


def known(accounts: Accounts) -> AuthorityRow:
    """Return the CA's row with the key of our account there, made now if there is none; asks nobody."""
    return authorities.find(accounts.directory.url) or _new_row(accounts)


def refuse_halted(row: AuthorityRow, now: datetime) -> None:
    """Raise Refused while an operator has to look, or while the CA is left alone because it does not answer."""
    if row.halted:
        raise Refused(Problem(trouble=Trouble.ACCOUNT, kind="halted", detail=row.halted))
    if row.next_key is not None:
        detail = "the account is being given another key; `tenantry authority replace-key` brings that to its end"
        raise Refused(Problem(trouble=Trouble.TRANSIENT, kind=_REPLACING, detail=detail))
    if row.open_until is not None and row.open_until > now:
        detail = "the CA has not answered properly several times in a row and is left alone for a while"
        raise Refused(Problem(trouble=Trouble.TRANSIENT, kind="circuit", detail=detail, until=row.open_until))


def note(row: AuthorityRow, problem: Problem | None, now: datetime) -> None:
    """Remember how the CA has answered: an account's trouble halts it, five failures in a row open its circuit.

    None, a failed validation or a refusal for good is an answer as it should be; a limit or a trouble of our own says nothing.
    """
    if problem is None or problem.trouble in (Trouble.VALIDATION, Trouble.PERMANENT):
        authorities.answered(row.id)
    elif problem.trouble is Trouble.ACCOUNT and problem.kind != "halted":
        authorities.halt(row.id, f"{problem.kind}: {problem.detail}")
    elif problem.trouble is Trouble.TRANSIENT and problem.kind not in ("circuit", _REPLACING):
        authorities.failed(row.id, CIRCUIT_AFTER, now + CIRCUIT)


def _new_row(accounts: Accounts) -> AuthorityRow:
    key = private_keys.new()
    thumbprint = Authority(accounts.directory, key, accounts.clock).thumbprint
    return authorities.add(accounts.directory.url, locked_up(accounts, key), thumbprint)


def client(accounts: Accounts, row: AuthorityRow, encrypted: str) -> Authority:
    """Return who speaks to the CA for our account, signing with a key of the database."""
    key = private_keys.load(at_rest.decrypt(accounts.storage_key, encrypted, _place(row.directory)))
    return Authority(accounts.directory, key, accounts.clock, row.account_url)


def locked_up(accounts: Accounts, key: ec.EllipticCurvePrivateKey) -> str:
    """Return a key as it lies in the database."""
    return at_rest.encrypt(accounts.storage_key, private_keys.pem(key), _place(accounts.directory.url))


def _register(accounts: Accounts, row: AuthorityRow, ours: Authority) -> None:
    now = accounts.clock()
    need = Need(key=ACCOUNTS, limit=LIMITS[ACCOUNTS])
    later = buckets.reserve(row.id, [need], now)
    try:
        url = ours.find_account() if later else ours.register(accounts.contact, accounts.binding)
    except Refused as refused:
        if refused.problem.kind == _UNBOUND:  # none came about: it may be asked for again at once
            buckets.refund(row.id, [need])
            raise Refused(replace(refused.problem, detail=f"{refused.problem.detail}; {_BIND}")) from None
        if later and refused.problem.trouble is Trouble.ACCOUNT:
            detail = "an account was asked for less than a day ago and did not come about"
            raise Refused(Problem(trouble=Trouble.TRANSIENT, kind="account", detail=detail, until=later)) from None
        raise
    authorities.registered(row.id, url)
    row.account_url = url


def _place(url: str) -> str:
    return f"account:{url}"
