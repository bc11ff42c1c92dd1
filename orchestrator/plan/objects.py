"""What a customer adds to an account, as the planner sees it. ``removing``: no longer wanted, still to be removed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class MailboxView:
    """A mailbox of a service."""

    domain: str
    local_part: str
    password_hash: str
    quota_mb: int
    display_name: str
    enabled: bool = True
    removing: bool = False
    id: int = 0

    @property
    def address(self) -> str:
        """The mail address."""
        return f"{self.local_part}@{self.domain}"


@dataclass(frozen=True, kw_only=True)
class AliasView:
    """A mail address that stands for others."""

    id: int
    domain: str
    local_part: str
    destinations: tuple[str, ...]
    enabled: bool = True
    removing: bool = False

    @property
    def address(self) -> str:
        """The mail address."""
        return f"{self.local_part}@{self.domain}"


@dataclass(frozen=True, kw_only=True)
class RRset:
    """DNS records of one name and type; ``records`` are in text form, TXT as raw text without quotes."""

    name: str  # absolute, with the trailing dot
    type: str
    ttl: int
    records: tuple[str, ...]
    id: int = 0  # of the row, when a customer has set it

    @property
    def key(self) -> tuple[str, str]:
        """Name and type."""
        return self.name, self.type


@dataclass(frozen=True, kw_only=True)
class DatabaseView:
    """A database and its one user, who has the same name."""

    id: int
    name: str
    password_hash: str
    removing: bool = False


@dataclass(frozen=True, kw_only=True)
class SftpView:
    """A login that may only exchange files."""

    id: int
    name: str
    password_hash: str
    public_keys: tuple[str, ...]
    folder: str
    removing: bool = False


@dataclass(frozen=True, kw_only=True)
class CronView:
    """A command that runs on a schedule."""

    id: int
    name: str
    schedule: str
    command: str
    enabled: bool
    removing: bool = False


@dataclass(frozen=True, kw_only=True)
class CertificateView:
    """A certificate that is to be served: PEM, its key in clear."""

    role: str
    names: tuple[str, ...]
    certificate: str  # the leaf, then the chain
    private_key: str = field(repr=False)
    serial: str  # lower-case hexadecimal
    redirect: bool = False  # requests in clear are sent to HTTPS


@dataclass(frozen=True, kw_only=True)
class ChallengeView:
    """What a CA will ask our DNS servers for while an order is under way."""

    zone: str  # absolute, with the trailing dot
    name: str  # absolute
    values: tuple[str, ...]
