"""What the automation of certificates works with: the knobs, our account, and eyes for the world outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import dns.resolver

from orchestrator.certs import accounts, self_test, tls_probe
from orchestrator.certs.accounts import Accounts
from orchestrator.certs.acme_client import Directory
from orchestrator.certs.dns_lookup import Lookup, Resolvers
from orchestrator.certs.ordering import Desk
from orchestrator.certs.proving import Pace
from orchestrator.certs.tls_probe import Place, Shown
from orchestrator.certs.watch import Eyes
from orchestrator.config.binding import Binding
from orchestrator.core.clock import utc_now
from orchestrator.core.errors import Unavailable
from orchestrator.models.certificate import AuthorityRow
from orchestrator.plan.certificates import domains
from orchestrator.plan.certificates.caa import Asking
from orchestrator.plan.certificates.view import Leaf
from orchestrator.store.fleet import knob_value

See = Callable[[AuthorityRow], Eyes]


def _listed(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(knob_value(name)).split(",") if part.strip())


def see(authority: AuthorityRow) -> Eyes:
    """Return eyes that look at the real DNS and ask the names over the real network."""
    addresses = _listed("ssl.resolvers") or _system_resolvers()
    lookup = Lookup(Resolvers(addresses=addresses))

    def resolve(host: str) -> frozenset[str]:
        found = lookup.answers(host)
        return found.ipv4 | found.ipv6

    request = self_test.Request(thumbprint=authority.thumbprint, resolve=resolve)
    asking = Asking(domains=frozenset(_listed("ssl.caa_identities")), account=authority.account_url)
    return Eyes(
        answers=lookup.answers,
        reaches=lambda name, address: self_test.reaches_us(name, address, request),
        asking=asking,
        lacking=lookup.lacking,
    )


def _system_resolvers() -> tuple[str, ...]:
    try:
        found = dns.resolver.Resolver().nameservers
    except dns.resolver.NoResolverConfiguration:
        raise Unavailable("this machine has no resolver; set ssl.resolvers") from None
    return tuple(one for one in found if isinstance(one, str))


@dataclass(frozen=True, kw_only=True)
class Office:
    """Everything that certificates need beside the database; tests see another world."""

    storage_key: Callable[[], bytes] = field(repr=False)
    clock: Callable[[], datetime] = utc_now
    see: See = see
    shown: Callable[[Place], Shown] = tls_probe.look
    accepted: Callable[[Place], Leaf | None] = tls_probe.accepted
    pace: Pace = field(default_factory=Pace)
    binding: Binding | None = None

    @property
    def now(self) -> datetime:
        """The time."""
        return self.clock()

    @property
    def is_open(self) -> bool:
        """True unless an operator has named no authority."""
        return bool(knob_value("ssl.directory"))

    def accounts(self) -> Accounts:
        """Return how our account at the authority is opened."""
        directory = Directory(url=str(knob_value("ssl.directory")), ca_file=str(knob_value("ssl.ca_file")))
        contact = str(knob_value("ssl.contact_email"))
        return Accounts(
            directory=directory,
            storage_key=self.storage_key(),
            clock=self.clock,
            contact=contact,
            binding=self.binding,
        )

    def desk(self) -> Desk:
        """Return what a conversation with the authority needs."""
        return Desk(accounts=self.accounts(), registered_domain=domains.registered, lacking=self._lacking)

    def _lacking(self, name: str, values: frozenset[str]) -> str:
        return self.see(self.authority()).lacking(name, values)

    def authority(self) -> AuthorityRow:
        """Return the authority's row, with the key of our account; asks nobody."""
        return accounts.known(self.accounts())
