"""What the rules see of a certificate: a frozen view; a rule returns what changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.certificates import CertificateState


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """The parts of an issued certificate that the rules need; times are aware and in UTC."""

    serial: str  # lower-case hexadecimal
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime

    @property
    def lifetime(self) -> timedelta:
        """How long it is valid in all."""
        return self.not_after - self.not_before

    def remaining(self, now: datetime) -> timedelta:
        """How long it is still valid; negative when it has expired."""
        return self.not_after - now


@dataclass(frozen=True, kw_only=True)
class RenewalInfo:
    """What the CA suggests (RFC 9773): a window, and the instant in it that was drawn once and kept."""

    start: datetime
    end: datetime
    selected: datetime
    next_poll: datetime


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """One certificate: of one role of one service, or of a provider's parent domain."""

    id: int
    state: CertificateState
    names: tuple[str, ...]  # wanted
    provisioned_at: datetime
    next_check_at: datetime
    leaf: Leaf | None = None  # the one that is in the store for automatic use
    renewal: RenewalInfo | None = None
    fast_left: int = 0
    failures: int = 0  # validations that failed in a row
    tries: int = 0  # of anything else that is tried again: an order that the CA did not answer, a deploy
    freeze_level: int = 0
    frozen_until: datetime | None = None
    fingerprint: str = ""  # of the DNS answers when it last failed
    thaws: tuple[datetime, ...] = ()  # early ones
    manual: tuple[datetime, ...] = ()  # orders asked for by a person
    before: str = ""  # the state that ``off`` and ``custom`` return to

    @property
    def is_live(self) -> bool:
        """True while there is an automatic certificate, expired or not."""
        return self.leaf is not None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The operator's knobs; see `tenantry settings list`."""

    fast_count: int = 10
    fast_interval: timedelta = timedelta(seconds=180)
    normal_interval: timedelta = timedelta(hours=1)
    active_interval: timedelta = timedelta(hours=6)
    freeze_after: int = 5
    freeze: timedelta = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an event makes of a certificate: new values of its fields, and what people should hear."""

    values: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()  # frozen, ca_paused, blocked, account, deploy_stuck
