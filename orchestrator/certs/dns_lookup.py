"""Asking the DNS about a name: a validating resolver first, then every authoritative server by itself."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.CAA
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.TXT import TXT

from orchestrator.plan.certificates.caa import Caa
from orchestrator.plan.certificates.precheck import Answers

_ALIASES = 8  # longest chain of CNAME records that is followed
_SERVERS = 13  # authoritative addresses that are asked
A, AAAA, NS, CAA, CNAME = RdataType.A, RdataType.AAAA, RdataType.NS, RdataType.CAA, RdataType.CNAME


@dataclass(frozen=True, kw_only=True)
class Resolvers:
    """Who is asked, and how long an answer may take."""

    addresses: tuple[str, ...]  # validating resolvers; the next is asked when one does not answer
    port: int = 53
    authoritative_port: int = 53
    seconds: float = 2.0


class _Failed(Exception):
    """An error word of Answers."""


class Lookup:
    """Looks names up; threads may share one."""

    def __init__(self, resolvers: Resolvers) -> None:
        self._resolvers = resolvers

    def answers(self, name: str) -> Answers:
        """Return what the DNS says of a name now; what cannot be found out is in ``error``."""
        is_wildcard = name.startswith("*.")
        try:
            target = dns.name.from_text(name.removeprefix("*."))
            caa = self._caa(target)
            if is_wildcard:
                return self._servers_of(name, target, caa)
            ipv4, ipv6 = self._addresses(target, A), self._addresses(target, AAAA)
            if not ipv4 and not ipv6:
                return Answers(name=name, caa=caa, error="empty")
            if not self._agree(target):
                return Answers(name=name, ipv4=ipv4, ipv6=ipv6, caa=caa, error="split")
        except _Failed as failed:
            return Answers(name=name, error=str(failed))
        return Answers(name=name, ipv4=ipv4, ipv6=ipv6, caa=caa)

    def _servers_of(self, name: str, target: Name, caa: tuple[Caa, ...]) -> Answers:
        """Return the addresses of a wildcard's name servers in the place of its own."""
        found = self._servers(target)
        four, six = (frozenset(one for one in found if (":" in one) is is_six) for is_six in (False, True))
        return Answers(name=name, ipv4=four, ipv6=six, caa=caa)

    def lacking(self, name: str, values: frozenset[str]) -> str:
        """Return which name server does not give every one of these TXT values now; empty when all do."""
        target = dns.name.from_text(name)
        try:
            servers = self._servers(target)
        except _Failed as failed:
            return f"the name servers of {name} cannot be found: {failed}"
        if not servers:
            return f"{name} has no name server"
        return next(
            (f"{one} does not answer {name} yet" for one in servers if not values <= self._texts(one, target)), ""
        )

    def _texts(self, address: str, name: Name) -> frozenset[str]:
        query = dns.message.make_query(name, RdataType.TXT, use_edns=True)
        query.flags &= ~dns.flags.RD
        response = self._ask(query, address, self._resolvers.authoritative_port)
        records = [record for rrset in response.answer for record in rrset] if response is not None else []
        return frozenset(b"".join(one.strings).decode("ascii", "replace") for one in records if isinstance(one, TXT))

    def _addresses(self, name: Name, kind: RdataType) -> frozenset[str]:
        response = self._resolve(name, kind)
        if response.rcode() == dns.rcode.NXDOMAIN:
            raise _Failed("nxdomain")
        if len([one for one in response.answer if one.rdtype == CNAME]) > _ALIASES:
            raise _Failed("loop")
        return frozenset(str(record) for rrset in response.answer if rrset.rdtype == kind for record in rrset)

    def _caa(self, name: Name) -> tuple[Caa, ...]:
        """Return the records of the closest name that has any (RFC 8659 section 3); aliases are followed by the resolver."""
        while name != dns.name.root:
            try:
                response = self._resolve(name, CAA)
            except _Failed as failed:
                raise _Failed("caa_error" if str(failed) == "servfail" else str(failed)) from None
            found = [
                Caa(
                    flags=record.flags,
                    tag=record.tag.decode("ascii", "replace"),
                    value=record.value.decode("utf-8", "replace"),
                )
                for rrset in response.answer
                if rrset.rdtype == CAA
                for record in rrset
                if isinstance(record, dns.rdtypes.ANY.CAA.CAA)
            ]
            if found:
                return tuple(found)
            name = name.parent()
        return ()

    def _agree(self, name: Name) -> bool:
        """True when every authoritative server that answers says the same; Failed (timeout) when none does."""
        seen = {self._told(address, name) for address in self._servers(name)} - {None}
        if not seen:
            raise _Failed("timeout")
        return len(seen) == 1

    def _told(self, address: str, name: Name) -> tuple[object, ...] | None:
        """Return what one server says of a name's addresses, None when it does not answer."""
        said: list[object] = []
        for kind in (A, AAAA):
            query = dns.message.make_query(name, kind, use_edns=True)
            query.flags &= ~dns.flags.RD
            response = self._ask(query, address, self._resolvers.authoritative_port)
            if response is None:
                return None
            records = sorted(f"{rrset.name} {record}" for rrset in response.answer for record in rrset)
            said += [response.rcode(), *(text.lower() for text in records)]
        return tuple(said)

    def _servers(self, name: Name) -> list[str]:
        """Return the addresses of the servers of the zone that a name is in."""
        zone = name
        while True:
            response = self._resolve(zone, NS)
            hosts = [
                record.target
                for rrset in response.answer
                if rrset.rdtype == NS and rrset.name == zone
                for record in rrset
            ]
            if hosts or zone == dns.name.root:
                break
            zone = zone.parent()
        found = [address for host in hosts for kind in (A, AAAA) for address in sorted(self._addresses(host, kind))]
        return list(dict.fromkeys(found))[:_SERVERS]

    def _resolve(self, name: Name, kind: RdataType) -> Message:
        """Return the resolver's answer; Failed says what is wrong with the name, or with the resolver."""
        response = self._recurse(name, kind, checking=True)
        if response is None:
            raise _Failed("resolver")
        if response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            return response
        unchecked = self._recurse(name, kind, checking=False)
        is_bogus = unchecked is not None and unchecked.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
        raise _Failed("dnssec_bogus" if is_bogus else "servfail")

    def _recurse(self, name: Name, kind: RdataType, checking: bool) -> Message | None:
        query = dns.message.make_query(name, kind, use_edns=True)
        if not checking:
            query.flags |= dns.flags.CD
        for address in self._resolvers.addresses:
            response = self._ask(query, address, self._resolvers.port)
            if response is not None:
                return response
        return None

    def _ask(self, query: Message, address: str, port: int) -> Message | None:
        """Send a question by UDP, and by TCP when the answer does not fit; None when nothing useful comes back in time."""
        try:
            response, _ = dns.query.udp_with_fallback(
                query, address, self._resolvers.seconds, port, ignore_unexpected=True
            )
        except (dns.exception.DNSException, OSError, EOFError):
            return None
        return response
