"""The lab's CA signs what it can reach: a name whose address is a prepared node's, and a wildcard whose zone answers."""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lab import acme, addresses, nodes, resolver, zones
from lab.config import Lab
from orchestrator.certs.acme_client import Authority, Challenge, Directory, Order
from orchestrator.core.certificates import Trouble
from orchestrator.core.clock import utc_now
from tests.acceptance.dns.support import records_params, rrset, zone_params
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

WEB, DNS = "web6", "dns6"
ZONE = "signed.test."
SERVICE = 1001


@pytest.fixture(scope="module")
def ca(lab: Lab, steps: Steps) -> Iterator[Authority]:
    """Yield a client with an account at the lab's CA, which every node answers for."""
    nodes.up(lab, [acme.NODE, WEB, DNS])
    resolver.add_stub(lab, zones.stub(ZONE, [addresses.of(lab, DNS).ipv4], None))
    found = Authority(
        Directory(url=acme.directory(lab), ca_file=str(acme.api_root(lab))),
        ec.generate_private_key(ec.SECP256R1()),
        utc_now,
    )
    found.register("ops@provider.test")
    with ThreadPoolExecutor(2) as pool:
        assert all(result.outcome.is_success for result in pool.map(steps.prepare, (WEB, DNS)))
    web = addresses.of(lab, WEB)
    given = records_params(ZONE, rrset(ZONE, "A", web.ipv4), rrset(ZONE, "AAAA", web.ipv6))
    for node, action, params in (
        (DNS, "dns.zone_present", zone_params(ZONE)),
        (DNS, "dns.records_present", given),
        (WEB, "web.challenge_present", {"thumbprint": found.thumbprint}),
    ):
        assert steps.run(node, action, params, service=SERVICE).outcome.is_success
    yield found
    resolver.remove_stub(lab, ZONE.rstrip("."))
    nodes.down(lab, [acme.NODE, WEB, DNS])
    assert not acme.api_root(lab).exists()


def ended(ca: Authority, order: Order, until: str) -> Order:
    """Return an order as soon as it is what it should become, or will never be."""
    deadline = time.monotonic() + 30
    while order.status not in (until, "invalid"):
        assert time.monotonic() < deadline, order
        time.sleep(0.1)
        order = ca.look(order.url)
    return order


def signed(ca: Authority, order: Order, lab: Lab) -> list[str]:
    """Finish an order and return the names of the certificate, which has to lead to the lab's root."""
    ready = ended(ca, order, "ready")
    assert ready.status == "ready", ca.failure(ready)
    wanted = x509.SubjectAlternativeName([x509.DNSName(name) for name in order.names])
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(wanted, critical=False)
    done = ended(ca, ca.finalize(ready, built.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())), "valid")
    chain = x509.load_pem_x509_certificates(ca.download(done).encode())
    (root,) = x509.load_pem_x509_certificates(acme.issuing_root(lab).read_bytes())
    chain[-1].verify_directly_issued_by(root)
    return (
        chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    )


def text_of(ca: Authority, challenge: Challenge) -> str:
    """Return the TXT value of a challenge (RFC 8555 section 8.4)."""
    digest = hashlib.sha256(f"{challenge.token}.{ca.thumbprint}".encode()).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_domain_is_validated_before_its_site_exists_and_its_wildcard_by_the_dns(
    lab: Lab, steps: Steps, ca: Authority
) -> None:
    name = ZONE.rstrip(".")
    order = ca.order((name,))
    for challenge in ca.challenges(order, "http-01"):
        ca.answer(challenge)
    assert signed(ca, order, lab) == [name]
    both = ca.order((name, f"*.{name}"))  # two values at one name
    challenges = ca.challenges(both, "dns-01")
    params = {"zone": ZONE, "name": f"_acme-challenge.{ZONE}", "values": [text_of(ca, one) for one in challenges]}
    assert len(params["values"]) == 2
    assert steps.run(DNS, "dns.challenge_present", params, service=SERVICE).outcome.is_success
    for challenge in challenges:
        ca.answer(challenge)
    assert sorted(signed(ca, both, lab)) == [f"*.{name}", name]
    assert steps.run(DNS, "dns.challenge_absent", params, service=SERVICE).outcome.is_success


def test_a_name_that_leads_nowhere_is_not_signed_and_another_up_keeps_the_ca(lab: Lab, ca: Authority) -> None:
    root = acme.issuing_root(lab).read_text()
    order = ca.order((f"missing.{ZONE.rstrip('.')}",))
    for challenge in ca.challenges(order, "http-01"):
        ca.answer(challenge)
    assert ca.failure(ended(ca, order, "ready")).trouble is Trouble.VALIDATION
    assert nodes.up(lab, [acme.NODE]) == []
    assert acme.issuing_root(lab).read_text() == root
