"""A customer's own certificate (number 50 of the list)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from orchestrator.core.clock import utc_now
from orchestrator.core.errors import InvalidInput
from orchestrator.plan.certificates import upload
from orchestrator.plan.certificates.chain import Trust
from tests.unit.certificates.ca import Authority, key_pem, pem
from tests.unit.certificates.given import DAY, NOW

NAMES = ("shop.test", "www.shop.test")
ROOT = Authority("root")
MIDDLE = Authority("middle", ROOT)
LOWER = Authority("lower", MIDDLE)
TRUST = Trust(roots=(ROOT.certificate,))
SHORT = rsa.generate_private_key(65537, 1024)
LONG = rsa.generate_private_key(65537, 2048)


def check(
    certificate: str, key: bytes, chain: str = "", names: tuple[str, ...] = NAMES, trust: Trust = TRUST
) -> upload.Upload:
    return upload.check(certificate, key, chain, names, trust, NOW)


def refused(**given: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        check(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1()), LONG]
)
def test_a_good_one_is_taken_with_its_chain_in_order(key: Any) -> None:
    leaf, _ = LOWER.issue(NAMES, key=key)
    shuffled = pem(ROOT.certificate, MIDDLE.certificate, LOWER.certificate)
    taken = check(pem(leaf), key_pem(key), shuffled)
    assert taken.chain == pem(LOWER.certificate, MIDDLE.certificate)
    assert (taken.leaf.names, taken.leaf.not_after, taken.warnings) == (NAMES, NOW + 89 * DAY, ())
    assert taken.certificate == pem(leaf)


def test_everything_may_be_in_one_text() -> None:
    leaf, key = LOWER.issue(("*.shop.test", "shop.test"))
    taken = check(pem(MIDDLE.certificate, leaf, LOWER.certificate), key_pem(key))
    assert taken.chain == pem(LOWER.certificate, MIDDLE.certificate)


def test_what_does_not_belong_to_the_chain_is_left_out() -> None:
    stranger = Authority("middle")  # the same name, another key
    leaf, key = MIDDLE.issue(NAMES)
    assert check(pem(leaf), key_pem(key), pem(stranger.certificate, MIDDLE.certificate)).chain == pem(
        MIDDLE.certificate
    )


def _another_key() -> dict[str, Any]:
    leaf, _ = MIDDLE.issue(NAMES)
    return {"certificate": pem(leaf, MIDDLE.certificate), "key": key_pem(ec.generate_private_key(ec.SECP256R1()))}


def _issued(issuer: Authority = MIDDLE, names: tuple[str, ...] = NAMES, **how: Any) -> Callable[[], dict[str, Any]]:
    def make() -> dict[str, Any]:
        leaf, key = issuer.issue(names, **how)
        return {"certificate": pem(leaf, MIDDLE.certificate), "key": key_pem(key)}

    return make


def _without_the_middle() -> dict[str, Any]:
    leaf, key = LOWER.issue(NAMES)
    return {"certificate": pem(leaf, LOWER.certificate), "key": key_pem(key)}


def _with_a_passphrase() -> dict[str, Any]:
    leaf, key = MIDDLE.issue(NAMES)
    return {"certificate": pem(leaf, MIDDLE.certificate), "key": key_pem(key, b"secret")}


def _two_leaves() -> dict[str, Any]:
    one, key = MIDDLE.issue(NAMES)
    return {"certificate": pem(one, MIDDLE.issue(NAMES)[0]), "key": key_pem(key)}


def _itself() -> dict[str, Any]:
    me = Authority("leaf")
    leaf, _ = me.issue(NAMES, key=me.key)
    return {"certificate": pem(leaf), "key": key_pem(me.key)}


def _key_in_the_certificate() -> dict[str, Any]:
    leaf, key = MIDDLE.issue(NAMES)
    return {"certificate": pem(leaf) + key_pem(key).decode(), "key": key_pem(key)}


STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])


@pytest.mark.parametrize(
    ("given", "field", "why"),
    [
        (_another_key, "private_key_sealed", "does not belong"),
        (_issued(since=NOW - 100 * DAY), "certificate", "expired on 2026-11-15"),
        (_issued(since=NOW + DAY), "certificate", "valid from 2026-11-26 09:00 UTC"),
        (_without_the_middle, "chain", "every intermediate"),
        (_issued(names=()), "certificate", "does not cover shop.test, www.shop.test"),
        (_issued(names=("shop.test",)), "certificate", "does not cover www.shop.test"),
        (_issued(names=("*.shop.test",)), "certificate", "does not cover shop.test"),
        (_issued(issuer=Authority("unknown")), "chain", "does not lead to a CA"),
        (_issued(algorithm=hashes.SHA512(), extensions=(STAPLE,)), "certificate", "stapling"),
        (_issued(usage=ExtendedKeyUsageOID.CLIENT_AUTH), "certificate", "not meant for servers"),
        (_issued(key=SHORT), "private_key_sealed", "kind that clients refuse"),
        (_issued(key=ec.generate_private_key(ec.SECP521R1())), "private_key_sealed", "kind that clients refuse"),
        (_issued(key=ed25519.Ed25519PrivateKey.generate()), "private_key_sealed", "kind that clients refuse"),
        (_with_a_passphrase, "private_key_sealed", "passphrase"),
        (_two_leaves, "certificate", "holds 2 certificates"),
        (_itself, "certificate", "is signed by itself"),
        (_key_in_the_certificate, "certificate", "holds a private key"),
        (lambda: {"certificate": pem(MIDDLE.certificate), "key": key_pem(MIDDLE.key)}, "certificate", "CA's own"),
        (lambda: {"certificate": "x" * 70_000, "key": b""}, "certificate", "too long"),
        (lambda: {"certificate": "nonsense", "key": b""}, "certificate", "no PEM certificate"),
        (lambda: {"certificate": "", "key": b""}, "certificate", "no PEM certificate"),
        (lambda: {"certificate": pem(MIDDLE.issue(NAMES)[0]), "key": b"x"}, "private_key_sealed", "no PEM private key"),
    ],
)
def test_a_bad_one_is_refused_with_the_field_and_the_reason(
    given: Callable[[], dict[str, Any]], field: str, why: str
) -> None:
    said = refused(**given())
    assert said.startswith(field)
    assert why in said


def test_an_operator_may_take_any_issuer() -> None:
    leaf, key = Authority("own").issue(NAMES)
    assert check(pem(leaf), key_pem(key), trust=Trust()).leaf.names == NAMES


@pytest.mark.parametrize(
    ("lifetime", "said"),
    [(200 * DAY, ()), (398 * DAY, ("it is valid for 398 days; browsers refuse more than 200",))],
)
def test_a_long_one_is_taken_with_a_warning(lifetime: timedelta, said: tuple[str, ...]) -> None:
    leaf, key = MIDDLE.issue(NAMES, lifetime=lifetime)
    assert check(pem(leaf, MIDDLE.certificate), key_pem(key)).warnings == said


def test_one_that_soon_expires_is_taken_with_a_warning() -> None:
    leaf, key = MIDDLE.issue(NAMES, since=NOW - 85 * DAY)
    assert check(pem(leaf, MIDDLE.certificate), key_pem(key)).warnings == ("it expires on 2026-11-30",)


def test_a_weak_signature_is_refused(tmp_path: Path) -> None:
    """Python's library does not make one any more; the openssl command does."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    order = (
        "openssl req -x509 -newkey rsa:2048 -sha1 -nodes -days 90 -subj /CN=shop.test -addext basicConstraints=CA:FALSE"
    )
    names = ["-addext", "subjectAltName=DNS:shop.test,DNS:www.shop.test", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*order.split(), *names], check=True, capture_output=True, timeout=60)
    with pytest.raises(InvalidInput, match="certificate: is signed with sha1"):
        upload.check(certificate.read_text(), key.read_bytes(), "", NAMES, TRUST, utc_now())


def test_no_error_shows_the_key() -> None:
    leaf, _ = MIDDLE.issue(NAMES)
    secret = key_pem(ec.generate_private_key(ec.SECP256R1())).decode()
    said = refused(certificate=pem(leaf), key=secret.replace("BEGIN", "BEGINN").encode())
    assert not any(line in said for line in secret.splitlines()[1:-1])
