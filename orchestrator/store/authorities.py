"""CAs and our accounts there."""

from __future__ import annotations

import contextlib
from datetime import datetime

from peewee import IntegrityError

from orchestrator.core.clock import utc_now
from orchestrator.models.certificate import AuthorityRow
from orchestrator.store.database import locked, transaction


def find(directory: str) -> AuthorityRow | None:
    """Return a CA by the URL of its directory."""
    found: AuthorityRow | None = AuthorityRow.get_or_none(AuthorityRow.directory == directory)
    return found


def add(directory: str, account_key: str, thumbprint: str) -> AuthorityRow:
    """Store the key of an account that is yet to be made; of two that do so at once the first one's stays."""
    with contextlib.suppress(IntegrityError):
        transaction(
            lambda: AuthorityRow.create(
                directory=directory,
                account_url="",
                account_key=account_key,
                thumbprint=thumbprint,
                failures=0,
                created_at=utc_now(),
            )
        )
    found = find(directory)
    assert found is not None  # noqa: S101 - stored by us or by another
    return found


def registered(authority: int, url: str) -> None:
    """Store the account's URL."""
    AuthorityRow.update(account_url=url, halted=None).where(AuthorityRow.id == authority).execute()


def replacing(authority: int, next_key: str) -> str:
    """Write down the key that the account is to be given, unless one is there already; returns the one that is there."""
    AuthorityRow.update(next_key=next_key).where(
        (AuthorityRow.id == authority) & AuthorityRow.next_key.is_null()
    ).execute()
    return str(AuthorityRow.get_by_id(authority).next_key)


def replaced(authority: int, next_key: str, thumbprint: str) -> None:
    """The CA knows the account by the key that was written down."""
    AuthorityRow.update(account_key=next_key, next_key=None, thumbprint=thumbprint).where(
        (AuthorityRow.id == authority) & (AuthorityRow.next_key == next_key)
    ).execute()


def kept(authority: int) -> None:
    """The CA has refused another key: the account keeps its own."""
    AuthorityRow.update(next_key=None).where(AuthorityRow.id == authority).execute()


def halt(authority: int, why: str) -> bool:
    """Stop all ordering there; False when it was stopped already."""
    stopped = AuthorityRow.update(halted=why[:2000]).where(
        (AuthorityRow.id == authority) & AuthorityRow.halted.is_null()
    )
    return bool(stopped.execute())


def halted() -> list[AuthorityRow]:
    """Return the CAs at which all ordering is stopped until an operator has looked."""
    return list(AuthorityRow.select().where(AuthorityRow.halted.is_null(False)).order_by(AuthorityRow.id))


def resume(authority: int) -> bool:
    """Let an operator say that it is put right; False when it was not stopped."""
    going = AuthorityRow.update(halted=None, failures=0, open_until=None).where(
        (AuthorityRow.id == authority) & AuthorityRow.halted.is_null(False)
    )
    return bool(going.execute())


def answered(authority: int) -> None:
    """The CA has answered as it should."""
    AuthorityRow.update(failures=0, open_until=None).where(
        (AuthorityRow.id == authority) & ((AuthorityRow.failures > 0) | AuthorityRow.open_until.is_null(False))
    ).execute()


def failed(authority: int, after: int, until: datetime) -> None:
    """Count an answer that was none; after so many in a row the CA is left alone until then."""

    def work() -> None:
        row = locked(AuthorityRow.select().where(AuthorityRow.id == authority)).get()
        failures = row.failures + 1
        AuthorityRow.update(failures=failures, open_until=until if failures >= after else row.open_until).where(
            AuthorityRow.id == authority
        ).execute()

    transaction(work)
