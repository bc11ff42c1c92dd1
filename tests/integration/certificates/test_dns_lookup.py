"""Looking names up, against servers that answer as they are told. Real ones are in the acceptance tests."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orchestrator.certs.dns_lookup import Lookup, Resolvers
from orchestrator.plan.certificates.caa import Caa
from tests.support.dns_server import Zone, serve


@dataclass
class World:
    """A resolver and two authoritative servers."""

    resolver: Zone
    one: Zone
    two: Zone

    def add(self, name: str, kind: str, *contents: str) -> None:
        """Publish a record everywhere."""
        for zone in (self.resolver, self.one, self.two):
            zone.add(name, kind, *contents)

    @property
    def lookup(self) -> Lookup:
        """What asks them."""
        return Lookup(
            Resolvers(
                addresses=(self.resolver.address,),
                port=self.resolver.port,
                authoritative_port=self.one.port,
                seconds=0.5,
            )
        )


@pytest.fixture
def world() -> Iterator[World]:
    """Yield a domain on two servers."""
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(serve(Zone("127.0.0.2")))
        two = stack.enter_context(serve(Zone("127.0.0.3", port=one.port)))
        resolver = stack.enter_context(serve(Zone("127.0.0.1")))
        found = World(resolver, one, two)
        found.add("shop.test", "NS", "ns1.dns.test.", "ns2.dns.test.")
        found.add("ns1.dns.test", "A", "127.0.0.2")
        found.add("ns2.dns.test", "A", "127.0.0.3")
        found.add("shop.test", "A", "192.0.2.1")
        found.add("shop.test", "AAAA", "2001:db8::1")
        found.add("www.shop.test", "CNAME", "shop.test.")
        yield found


def test_a_name_that_all_agree_on(world: World) -> None:
    found = world.lookup.answers("shop.test")
    assert (found.error, found.ipv4, found.ipv6) == ("", {"192.0.2.1"}, {"2001:db8::1"})
    for zone in (world.one, world.two):
        assert zone.asked["shop.test", "A"] == zone.asked["shop.test", "AAAA"] == 1


def test_an_alias_leads_to_the_addresses(world: World) -> None:
    assert world.lookup.answers("www.shop.test").ipv4 == {"192.0.2.1"}


def test_23_two_servers_that_differ_are_not_there_yet(world: World) -> None:
    world.two.add("shop.test", "A", "203.0.113.9")
    assert world.lookup.answers("shop.test").error == "split"
    world.two.rcodes["shop.test", "*"] = "NXDOMAIN"
    assert world.lookup.answers("shop.test").error == "split"


def test_a_server_that_is_silent_does_not_hide_the_others(world: World) -> None:
    world.two.rcodes["shop.test", "*"] = "SILENT"
    assert world.lookup.answers("shop.test").error == ""
    world.one.rcodes["shop.test", "*"] = "SILENT"
    assert world.lookup.answers("shop.test").error == "timeout"


@pytest.mark.parametrize("length", [5, 8])
def test_28_a_chain_of_aliases_is_followed(world: World, length: int) -> None:
    for number in range(length - 1):
        world.add(f"a{number}.shop.test", "CNAME", f"a{number + 1}.shop.test.")
    world.add(f"a{length - 1}.shop.test", "CNAME", "shop.test.")
    assert world.lookup.answers("a0.shop.test").ipv4 == {"192.0.2.1"}


def test_28_a_loop_and_an_endless_chain_end_soon(world: World) -> None:
    world.add("l.shop.test", "CNAME", "m.shop.test.")
    world.add("m.shop.test", "CNAME", "l.shop.test.")
    began = time.monotonic()
    assert world.lookup.answers("l.shop.test").error in ("loop", "empty", "servfail", "resolver")
    assert time.monotonic() - began < 5


def test_29_caa_is_found_at_the_parent_and_through_an_alias(world: World) -> None:
    world.add("shop.test", "CAA", '0 issue "letsencrypt.org"', '128 tbs "x"')
    expected = {Caa(flags=0, tag="issue", value="letsencrypt.org"), Caa(flags=128, tag="tbs", value="x")}
    world.add("blog.shop.test", "A", "192.0.2.1")
    for name in ("shop.test", "blog.shop.test", "www.shop.test", "*.shop.test"):
        assert set(world.lookup.answers(name).caa) == expected, name


@pytest.mark.parametrize("code", ["SERVFAIL", "NOTIMP", "REFUSED"])
def test_30_a_server_that_knows_no_caa_is_told(world: World, code: str) -> None:
    world.resolver.rcodes["shop.test", "CAA"] = code
    assert world.lookup.answers("shop.test").error == "caa_error"


def test_31_broken_signatures_are_told_apart(world: World) -> None:
    world.resolver.bogus.add("shop.test")
    assert world.lookup.answers("shop.test").error == "dnssec_bogus"


def test_a_name_that_is_not_there(world: World) -> None:
    assert world.lookup.answers("nothing.shop.test").error == "nxdomain"


def test_34_a_resolver_that_is_silent_is_our_own_fault(world: World) -> None:
    world.resolver.rcodes["shop.test", "*"] = "SILENT"
    assert world.lookup.answers("shop.test").error == "resolver"


def test_an_answer_that_does_not_fit_comes_by_tcp(world: World) -> None:
    world.resolver.truncated = world.one.truncated = True
    assert world.lookup.answers("shop.test").ipv4 == {"192.0.2.1"}


def test_a_wildcard_has_the_addresses_of_its_name_servers(world: World) -> None:
    found = world.lookup.answers("*.shop.test")
    assert (found.error, found.ipv4) == ("", {"127.0.0.2", "127.0.0.3"})
    assert world.one.asked.total() == 0, "it is proven there later, not asked now"
