"""The second half: from an order to a certificate in the store. Every request may be repeated by a later attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from orchestrator.certs import private_keys
from orchestrator.certs.acme_client import Authority, Challenge, Order
from orchestrator.certs.acme_network import Refused
from orchestrator.certs.ordering import Desk
from orchestrator.core.certificates import Trouble
from orchestrator.core.errors import InvalidInput
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates import chain
from orchestrator.plan.certificates import leaf as read
from orchestrator.plan.certificates.problems import Problem
from orchestrator.store import material
from orchestrator.store.material import PENDING, Pair

_LONGEST_PAUSE = timedelta(seconds=10)
_SHOWN_AGAIN = 1.0  # seconds between two questions to name servers
HTTP, DNS = "http-01", "dns-01"
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long the CA is waited for."""

    seconds: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    cancelled: Callable[[], bool] = lambda: False


def obtain(desk: Desk, row: CertificateRow, client: Authority, order: Order, kind: str, pace: Pace) -> Pair:
    """Return the certificate of an order whose challenges are met; Refused says what the CA has against it."""
    waiting = _Waiting(client, pace)
    if order.status == "pending":
        asked = [one for one in client.challenges(order, kind) if one.status == "pending"]
        if kind == DNS:
            waiting.until_shown(desk, asked)
        for challenge in asked:
            client.answer(challenge)
        order = waiting.until(order, ("ready", "processing", "valid"))
    key = _key(desk, row)
    if order.status == "ready":
        order = client.finalize(order, _request(order.names, key))
    order = waiting.until(order, ("valid",))
    return _checked(desk, client.download(order), order.names, key)


def answers(client: Authority, order: Order) -> list[str]:
    """Return the TXT values that the CA will ask the DNS for; none when it believes us already."""
    if order.status != "pending":
        return []
    return [client.dns_value(one) for one in client.challenges(order, DNS) if one.status == "pending"]


class _Waiting:
    """Asks again and again, as slowly as the CA wishes, until the time is up."""

    def __init__(self, client: Authority, pace: Pace) -> None:
        self._client, self._pace = client, pace
        self._deadline = time.monotonic() + pace.seconds

    def until_shown(self, desk: Desk, asked: Sequence[Challenge]) -> None:
        """Wait until every name server gives every value: a CA that finds one without it counts that as a failure."""
        wanted: dict[str, set[str]] = {}
        for one in asked:
            wanted.setdefault(f"_acme-challenge.{one.name}.", set()).add(self._client.dns_value(one))
        for name, values in wanted.items():
            while lacks := desk.lacking(name, frozenset(values)):
                if time.monotonic() + _SHOWN_AGAIN > self._deadline or self._pace.cancelled():
                    raise Refused(Problem(trouble=Trouble.OURS, kind="dns", detail=lacks))
                self._pace.sleep(_SHOWN_AGAIN)

    def until(self, order: Order, statuses: Sequence[str]) -> Order:
        while order.status not in statuses:
            if order.status == "invalid":
                raise Refused(self._client.failure(order))
            pause = min(order.pause, _LONGEST_PAUSE).total_seconds()
            if time.monotonic() + pause > self._deadline or self._pace.cancelled():
                detail = f"the order was still {order.status} after {self._pace.seconds:.0f} s"
                raise Refused(Problem(trouble=Trouble.TRANSIENT, kind="deadline", detail=detail))
            self._pace.sleep(pause)
            order = self._client.look(order.url)
        return order


def _key(desk: Desk, row: CertificateRow) -> ec.EllipticCurvePrivateKey:
    pair = material.get(desk.accounts.storage_key, row.id, PENDING)
    if pair is None:
        detail = "the key of the order is not in the store"
        raise Refused(Problem(trouble=Trouble.OURS, kind="key", detail=detail))
    return private_keys.load(pair.private_key)


def _request(names: Sequence[str], key: ec.EllipticCurvePrivateKey) -> x509.CertificateSigningRequest:
    """Return the signing request: names only, the CA decides about everything else."""
    wanted = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(wanted, critical=False)
    return built.sign(key, hashes.SHA256())


def _checked(desk: Desk, pem: str, names: Sequence[str], key: ec.EllipticCurvePrivateKey) -> Pair:
    """Return what the CA has sent if it is what was ordered: the key, the names, the time, the chain."""
    try:
        leaf, *others = x509.load_pem_x509_certificates(pem.encode())
        chain.verify_order(leaf, others)
    except (ValueError, InvalidInput) as error:
        raise _odd(f"the chain cannot be read: {error}") from None
    if leaf.public_key() != key.public_key():
        raise _odd("the certificate has another key")
    if set(read.names(leaf)) != {name.lower() for name in names}:
        raise _odd("the certificate has other names")
    found = read.of(leaf)
    if found.not_before > desk.now + _SKEW or found.remaining(desk.now) < found.lifetime / 2:
        raise _odd("the certificate is not valid now, or not for long")
    return Pair(
        certificate=leaf.public_bytes(Encoding.PEM).decode(),
        chain="".join(one.public_bytes(Encoding.PEM).decode() for one in others),
        private_key=private_keys.pem(key),
        serial=found.serial,
    )


def _odd(detail: str) -> Refused:
    return Refused(Problem(trouble=Trouble.TRANSIENT, kind="certificate", detail=detail))
