"""The conversation with the CA, against Let's Encrypt's own test server. Numbers are those of the list of tests."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.certs.acme_client import Authority, Order
from orchestrator.certs.acme_network import Refused
from orchestrator.core.certificates import Trouble
from orchestrator.plan.certificates import leaf
from tests.support import pebble as servers
from tests.support.acme_account import authority
from tests.support.acme_proxy import Fault, Proxy
from tests.support.pebble import Pebble

NAMES = ("shop.test", "www.shop.test", "blog.shop.test", "img.shop.test")


def request(names: tuple[str, ...]) -> x509.CertificateSigningRequest:
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    wanted = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return built.add_extension(wanted, critical=False).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


def wait(ca: Authority, order: Order, until: str, seconds: float = 30) -> Order:
    deadline = time.monotonic() + seconds
    while order.status not in (until, "invalid"):
        assert time.monotonic() < deadline, order
        time.sleep(0.05)
        order = ca.look(order.url)
    return order


def issue(ca: Authority, names: tuple[str, ...] = NAMES, replaces: str = "") -> x509.Certificate:
    order = ca.order(names, replaces)
    for challenge in ca.challenges(order, "http-01"):
        ca.answer(challenge)
    ready = wait(ca, order, "ready")
    assert ready.status == "ready", ca.failure(ready)
    done = wait(ca, ca.finalize(ready, request(names)), "valid")
    return x509.load_pem_x509_certificates(ca.download(done).encode())[0]


def test_a_certificate_comes_for_four_names_in_few_requests(pebble: Pebble, proxy: Proxy) -> None:
    ca = authority(pebble, proxy.directory)
    ca.register("ops@provider.test")
    found = issue(ca)
    assert set(leaf.of(found).names) == set(NAMES)
    assert len(proxy.requests) <= 24
    before = len(proxy.requests)
    issue(ca, ("second.test", "www.second.test", "a.second.test", "b.second.test"))
    assert len(proxy.requests) - before <= 20
    assert proxy.count("nonce-plz") == 1


def test_the_account_is_found_again_by_its_key_and_none_is_made(pebble: Pebble) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    url = authority(pebble, key=key).register()
    assert authority(pebble, key=key).find_account() == url
    with pytest.raises(Refused) as caught:
        authority(pebble).find_account()
    assert caught.value.problem.trouble is Trouble.ACCOUNT


def test_01_a_fifth_of_the_nonces_is_refused(folder: Path) -> None:
    with servers.server(folder, PEBBLE_WFE_NONCEREJECT="20") as hostile:
        ca = authority(hostile)
        ca.register()
        for number in range(10):
            issue(ca, tuple(f"{label}.n{number}.test" for label in "abcd"))


def test_03_names_that_were_proven_lately_are_not_asked_again(folder: Path) -> None:
    with servers.server(folder, PEBBLE_AUTHZREUSE="100") as generous:
        ca = authority(generous)
        ca.register()
        issue(ca)
        order = ca.order(NAMES)
        assert ca.challenges(order, "http-01") == []
        assert wait(ca, order, "ready").status == "ready"


def test_04_the_chain_that_ends_at_the_preferred_root_is_taken(folder: Path) -> None:
    with servers.server(folder, PEBBLE_ALTERNATE_ROOTS="2", PEBBLE_CHAIN_LENGTH="3") as several:
        root = x509.load_pem_x509_certificate(several.manage("/roots/1"))
        [name] = root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        ca = authority(several, preferred_chain=str(name.value))
        ca.register()
        order = ca.order(NAMES)
        for challenge in ca.challenges(order, "http-01"):
            ca.answer(challenge)
        done = wait(ca, ca.finalize(wait(ca, order, "ready"), request(NAMES)), "valid")
        chain = x509.load_pem_x509_certificates(ca.download(done).encode())
        assert chain[-1].issuer == root.subject
        for one, issuer in zip(chain, [*chain[1:], root], strict=True):
            one.verify_directly_issued_by(issuer)


def test_05_a_ca_that_is_busy_once_is_a_passing_trouble(pebble: Pebble, proxy: Proxy) -> None:
    ca = authority(pebble, proxy.directory)
    ca.register()
    proxy.faults.append(Fault("order-plz", 503, detail="Service busy", headers={"Retry-After": "2"}, times=1))
    with pytest.raises(Refused) as caught:
        ca.order(NAMES)
    assert caught.value.problem.trouble is Trouble.TRANSIENT
    assert caught.value.problem.until is not None
    assert ca.order(NAMES).status == "pending"


def test_06_a_limit_is_one_request_and_comes_back_at_once(pebble: Pebble, proxy: Proxy) -> None:
    ca = authority(pebble, proxy.directory)
    ca.register()
    proxy.faults.append(Fault("order-plz", 429, "rateLimited", "too many", {"Retry-After": "3600"}))
    began, before = time.monotonic(), proxy.count("order-plz")
    with pytest.raises(Refused) as caught:
        ca.order(NAMES)
    assert time.monotonic() - began < 2
    assert proxy.count("order-plz") - before == 1
    until = caught.value.problem.until
    assert until is not None
    assert until > datetime.now(UTC) + timedelta(minutes=59)


def test_10_an_order_is_taken_up_again_from_its_address_alone(pebble: Pebble, proxy: Proxy) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ca = authority(pebble, proxy.directory, key)
    account = ca.register()
    order = ca.order(NAMES)
    later = authority(pebble, proxy.directory, key)
    later.account_url = account
    for challenge in later.challenges(later.look(order.url), "http-01"):
        later.answer(challenge)
    assert wait(later, later.look(order.url), "ready").status == "ready"
    assert proxy.count("order-plz") == 1


def test_11_the_window_of_a_renewal_is_read_with_its_pause(pebble: Pebble, proxy: Proxy) -> None:
    ca = authority(pebble, proxy.directory)
    ca.register()
    identifier = leaf.renewal_id(issue(ca))
    start = datetime(2026, 12, 1, 3, tzinfo=UTC)
    proxy.windows[identifier] = (start, start + timedelta(days=2))
    assert ca.renewal_info(identifier) == (
        start,
        start + timedelta(days=2),
        timedelta(seconds=21_600),
        "https://ca.test/why",
    )
    issue(ca, replaces=identifier)
    assert proxy.replaced == [identifier]


@pytest.mark.parametrize(
    "raw",
    [
        b"garbage",
        b"[]",
        b"{}",
        b'{"suggestedWindow": {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}}',
    ],
)
def test_12_a_window_that_cannot_be_read_is_a_passing_trouble(pebble: Pebble, proxy: Proxy, raw: bytes) -> None:
    ca = authority(pebble, proxy.directory)
    proxy.faults.append(Fault("renewal-info", 200, raw=raw))
    with pytest.raises(Refused) as caught:
        ca.renewal_info("a.b")
    assert caught.value.problem.trouble is Trouble.TRANSIENT


def test_12_a_ca_without_windows_has_none(pebble: Pebble) -> None:
    assert authority(pebble).renewal_info("a.b") is None


def test_14_a_renewal_that_was_begun_before_is_told_apart(pebble: Pebble, proxy: Proxy) -> None:
    ca = authority(pebble, proxy.directory)
    ca.register()
    proxy.faults.append(Fault("order-plz", 409, "alreadyReplaced", "has a replacement order", times=1))
    with pytest.raises(Refused) as caught:
        ca.order(NAMES, replaces="a.b")
    assert caught.value.problem.trouble is Trouble.REPLACED


def test_18_19_an_account_that_is_gone_is_not_made_anew(pebble: Pebble, proxy: Proxy) -> None:
    ca = authority(pebble, proxy.directory)
    ca.account_url = f"https://127.0.0.1:{proxy.port}/my-account/none"
    with pytest.raises(Refused) as caught:
        ca.order(NAMES)
    assert caught.value.problem.trouble is Trouble.ACCOUNT
    assert proxy.count("sign-me-up") == 0


def test_20_a_ca_that_wants_a_binding_says_so(folder: Path) -> None:
    wanted = {
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": {"kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"},
    }
    with servers.server(folder, wanted) as strict, pytest.raises(Refused) as caught:
        authority(strict).register()
    assert caught.value.problem.trouble is Trouble.ACCOUNT


@pytest.mark.parametrize("shift", [timedelta(hours=2), timedelta(hours=-2)])
def test_22_a_wrong_clock_stops_everything(pebble: Pebble, proxy: Proxy, shift: timedelta) -> None:
    proxy.date = (datetime.now(UTC) + shift).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with pytest.raises(Refused, match="clock") as caught:
        authority(pebble, proxy.directory).register()
    assert caught.value.problem.trouble is Trouble.OURS


def test_a_name_that_does_not_answer_is_a_failed_validation_with_its_name(pebble: Pebble) -> None:
    ca = authority(pebble)
    ca.register()
    pebble.web.thumbprint = "another"
    order = ca.order(("wrong.test",))
    [challenge] = ca.challenges(order, "http-01")
    ca.answer(challenge)
    ended = wait(ca, order, "invalid")
    problem = ca.failure(ended)
    assert problem.trouble is Trouble.VALIDATION
    assert "wrong.test" in problem.detail


@pytest.mark.parametrize(
    "fault",
    [
        Fault("dir", 500),
        Fault("dir", 200, raw=b"<html>"),
        Fault("nonce-plz", 503),
        Fault("sign-me-up", 502, raw=b"bad gateway"),
    ],
)
def test_a_ca_that_is_broken_is_a_passing_trouble(pebble: Pebble, proxy: Proxy, fault: Fault) -> None:
    proxy.faults.append(fault)
    with pytest.raises(Refused) as caught:
        authority(pebble, proxy.directory).register()
    assert caught.value.problem.trouble is Trouble.TRANSIENT


def test_a_ca_that_is_not_there_is_a_passing_trouble(pebble: Pebble) -> None:
    nobody = f"https://127.0.0.1:{servers.free_port()}/dir"
    with pytest.raises(Refused) as caught:
        authority(pebble, nobody).register()
    assert caught.value.problem.trouble is Trouble.TRANSIENT
