"""What is read from a certificate."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.plan.certificates import leaf
from tests.unit.certificates.ca import Authority, name
from tests.unit.certificates.given import DAY, NOW


def test_13_the_renewal_id_is_that_of_the_standards_example() -> None:
    """RFC 9773 section 4.1: its serial has a leading zero in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
    built = (
        x509.CertificateBuilder(name("ca"), name("leaf"), key.public_key(), 0x87654321)
        .not_valid_before(NOW)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.AuthorityKeyIdentifier(identifier, None, None), critical=False)
        .sign(key, hashes.SHA256())
    )
    assert leaf.renewal_id(built) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


def test_a_certificate_without_the_issuers_key_has_no_renewal_id() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    built = x509.CertificateBuilder(name("ca"), name("leaf"), key.public_key(), 5)
    made = built.not_valid_before(NOW).not_valid_after(NOW + DAY).sign(key, hashes.SHA256())
    assert leaf.renewal_id(made) == ""


def test_names_are_in_lower_case_and_the_common_name_is_none() -> None:
    found, _ = Authority("root").issue(("Shop.TEST", "www.shop.test"))
    assert leaf.of(found).names == ("shop.test", "www.shop.test")
    assert leaf.names(Authority("root").issue(())[0]) == []
