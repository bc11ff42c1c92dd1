"""Accounts of people at the console: made on the command line, checked at sign-in, resting after wrong passwords."""

from __future__ import annotations

import re
import secrets
import threading
from datetime import datetime, timedelta

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from peewee import IntegrityError

from orchestrator.core import at_rest
from orchestrator.core.errors import Conflict, InvalidInput, NotFound
from orchestrator.core.operators import Rank
from orchestrator.models.operator import ConsoleSession, Operator
from orchestrator.store.database import locked, transaction

_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106's second recommendation
_NOBODY = _HASHER.hash(secrets.token_hex(16))  # what an unknown name is compared with, so that it takes as long
_HASHING = threading.Semaphore(2)  # each takes 64 MiB
_SHORTEST = 12
_LONGEST = 200
_FREE_FAILURES = 5
_FIRST_REST, _LONGEST_REST = timedelta(seconds=30), timedelta(minutes=15)
_TOTP_SECONDS = 30


def add(name: str, role: str, password: str, actor: str, now: datetime) -> None:
    """Create an account; Conflict when the name is taken."""
    if not re.fullmatch("[a-z0-9][a-z0-9._-]{0,47}", name):
        raise InvalidInput("name", "may hold a to z, 0 to 9, ., - and _", "give at most 48 of them")
    values = {"name": name, "role": _rank(role), "password": hashed(password), "created_by": actor, "created_at": now}
    empty = {"totp": "", "totp_step": 0, "failures": 0, "active": True}
    try:
        transaction(lambda: Operator.create(**values, **empty))
    except IntegrityError:
        raise Conflict(f"there is a user {name} already; change that one or take another name") from None


def get(name: str) -> Operator:
    """Return an account."""
    row: Operator | None = Operator.get_or_none(Operator.name == name)
    if row is None:
        raise NotFound("name", f"there is no user {name[:48]!r}", "see `tenantry user list`")
    return row


def listing() -> list[Operator]:
    """Return all accounts by name."""
    return list(Operator.select().order_by(Operator.name))


def set_password(name: str, password: str) -> None:
    """Give an account another password and end its sessions."""
    _change(name, password=hashed(password), failures=0, locked_until=None)


def set_role(name: str, role: str) -> None:
    """Give an account another role and end its sessions."""
    _change(name, role=_rank(role))


def set_active(name: str, active: bool) -> None:
    """Let an account in, or keep it out and end its sessions."""
    _change(name, active=active, failures=0, locked_until=None)


def remove(name: str) -> None:
    """Delete an account; what it did stays in the audit."""
    _change(name, active=False)
    transaction(lambda: Operator.delete().where(Operator.name == name).execute())


def new_totp(key: bytes, name: str) -> str:
    """Give an account a second factor (RFC 6238) and return the address that an authenticator app reads."""
    secret = pyotp.random_base32()
    _change(name, totp=at_rest.encrypt(key, secret.encode(), f"operator:{name}"), totp_step=0)
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Tenantry")


def drop_totp(name: str) -> None:
    """Take the second factor away."""
    _change(name, totp="", totp_step=0)


def _change(name: str, **values: object) -> None:
    """Set columns of an account; whoever is signed in with it signs in again."""

    def work() -> None:
        row = get(name)
        Operator.update(**values).where(Operator.id == row.id).execute()
        ConsoleSession.delete().where(ConsoleSession.operator_id == row.id).execute()

    transaction(work)


def _rank(text: str) -> str:
    if text not in tuple(Rank):
        raise InvalidInput("role", f"{text[:20]!r} is not known", f"give one of {', '.join(Rank)}")
    return text


def hashed(password: str) -> str:
    """Return the hash of a password; InvalidInput when it is too short or too long."""
    if not _SHORTEST <= len(password) <= _LONGEST:
        raise InvalidInput("password", f"has {len(password)} characters", f"give {_SHORTEST} to {_LONGEST}")
    with _HASHING:
        return _HASHER.hash(password)


def sign_in(key: bytes, name: str, password: str, code: str, now: datetime) -> Operator | None:
    """Return the account when all is right; None does not tell what was wrong.

    After five wrong answers in a row the account rests for 30 seconds, then twice as long, up to 15 minutes. While it rests
    not even the right password lets anybody in.
    """
    row: Operator | None = Operator.get_or_none(Operator.name == name[:48])
    is_right = _is_password(row.password if row else _NOBODY, password)
    return transaction(lambda: _judged(key, row.id, is_right, code, now)) if row else None


def _is_password(stored: str, given: str) -> bool:
    with _HASHING:
        try:
            return _HASHER.verify(stored, given[:_LONGEST])
        except (VerificationError, InvalidHashError):
            return False


def _judged(key: bytes, number: int, is_password: bool, code: str, now: datetime) -> Operator | None:
    row: Operator | None = locked(Operator.select().where(Operator.id == number)).first()
    if row is None or not row.active or (row.locked_until and row.locked_until > now):
        return None
    step = _totp_step(key, row, code, now) if row.totp and is_password else 0
    if not is_password or step is None:
        failures = row.failures + 1
        rest = min(_FIRST_REST * 2 ** min(max(failures - _FREE_FAILURES, 0), 10), _LONGEST_REST)
        until = now + rest if failures >= _FREE_FAILURES else None
        Operator.update(failures=failures, locked_until=until).where(Operator.id == number).execute()
        return None
    change = {"failures": 0, "locked_until": None, "signed_in_at": now, "totp_step": step or row.totp_step}
    Operator.update(**change).where(Operator.id == number).execute()
    return row


def _totp_step(key: bytes, row: Operator, code: str, now: datetime) -> int | None:
    """Return the step of a code that is right now or half a minute beside, and later than the last one taken."""
    totp = pyotp.TOTP(at_rest.decrypt(key, row.totp, f"operator:{row.name}").decode())
    present = int(now.timestamp()) // _TOTP_SECONDS
    for step in (present - 1, present, present + 1):
        if step > row.totp_step and secrets.compare_digest(totp.generate_otp(step).encode(), code.strip().encode()):
            return step
    return None
