"""A chain of certificates: brought into order, checked signature by signature, and against the roots that clients trust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from orchestrator.core.errors import InvalidInput

_LONGEST = 10


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The roots that a chain has to end at; none: any issuer will do."""

    roots: tuple[x509.Certificate, ...] = ()


def is_ca(certificate: x509.Certificate) -> bool:
    """True for the certificate of an issuer."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return False


def ordered(leaf: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """Return the issuers from the leaf upwards, without the root and without what does not belong to it.

    A link is a link only when the signature says so.
    """
    found: list[x509.Certificate] = []
    current, left = leaf, [one for one in others if not _is_self_issued(one)]
    while len(found) < _LONGEST:
        issuer = next((one for one in left if _issued(current, one)), None)
        if issuer is None:
            return found
        left.remove(issuer)
        found.append(issuer)
        current = issuer
    return found


def verify_order(leaf: x509.Certificate, issuers: Sequence[x509.Certificate]) -> None:
    """Raise InvalidInput unless every certificate was issued by the next one."""
    for one, issuer in zip([leaf, *issuers], issuers, strict=False):
        if not _issued(one, issuer):
            raise InvalidInput("chain", "has a certificate that did not issue the one before it", "download it again")


def verify(leaf: x509.Certificate, issuers: Sequence[x509.Certificate], trust: Trust, name: str, now: datetime) -> None:
    """Raise InvalidInput unless a client that trusts these roots accepts the chain for the name."""
    if not trust.roots:
        return
    host = x509.DNSName(name.replace("*", "wildcard", 1) if name.startswith("*.") else name)
    verifier = PolicyBuilder().store(Store(list(trust.roots))).time(now).build_server_verifier(host)
    try:
        verifier.verify(leaf, list(issuers))
    except VerificationError as error:
        if _is_self_issued(leaf):
            raise InvalidInput(
                "certificate", "is signed by itself", "have it issued by a public CA, or ask the operator"
            ) from None
        reason = str(error).splitlines()[0][:200]
        raise InvalidInput(
            "chain", f"does not lead to a CA that browsers trust ({reason})", "add every intermediate certificate"
        ) from None


def _is_self_issued(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject and _issued(certificate, certificate)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
