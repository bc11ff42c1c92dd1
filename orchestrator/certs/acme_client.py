"""The conversation with a CA (RFC 8555), step by step: every step can be taken again after a crash.

Nothing is kept in memory between steps but the directory and nonces; what has to survive is returned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from acme import jws, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from josepy.b64 import b64encode
from josepy.jwa import ES256, ES384
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey
from requests import Response

from orchestrator.certs import acme_documents as documents
from orchestrator.certs.acme_network import Body, Network, Refused
from orchestrator.config.binding import Binding
from orchestrator.core.certificates import Trouble
from orchestrator.core.errors import InvalidInput
from orchestrator.plan.certificates.problems import Problem, of_document, wait_until


@dataclass(frozen=True, kw_only=True)
class Directory:
    """Where a CA is."""

    url: str
    ca_file: str = ""  # trusted for the CA's own HTTPS; empty: the system's
    profile: str = ""
    preferred_chain: str = ""  # common name of the root to end at


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """What proves control of one name."""

    name: str
    kind: str  # http-01, dns-01
    url: str
    token: str
    status: str
    is_wildcard: bool = False


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order as the CA sees it now."""

    url: str
    status: str  # pending, ready, processing, valid, invalid
    names: tuple[str, ...]
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str = ""
    expires: datetime | None = None
    problem: Problem | None = None
    pause: timedelta = timedelta(seconds=1)  # before it is asked for again


class Authority:
    """One CA, one account."""

    def __init__(
        self,
        directory: Directory,
        key: ec.EllipticCurvePrivateKey,
        clock: Callable[[], datetime],
        account_url: str = "",
    ) -> None:
        self._settings = directory
        self._clock = clock
        self._jwk = JWKEC(key=ComparableECKey(key))
        algorithm = ES256 if key.curve.name == "secp256r1" else ES384
        self._network = Network(self._jwk, algorithm, directory.ca_file, clock)
        self._known: Mapping[str, Any] = {}
        self.account_url = account_url

    @property
    def requests(self) -> int:
        """How many requests have been sent."""
        return self._network.sent

    @property
    def thumbprint(self) -> str:
        """The account key's thumbprint (RFC 7638), which answers every HTTP-01 challenge of the account."""
        return b64encode(self._jwk.thumbprint()).decode()

    def register(self, contact: str = "", binding: Binding | None = None) -> str:
        """Make the account and return its URL; the same key always gives the same account."""
        body: dict[str, Any] = {"termsOfServiceAgreed": True}
        if contact:
            body["contact"] = [f"mailto:{contact}"]
        if binding is not None:
            body["externalAccountBinding"] = self._bound(binding)
        return self._account(body)

    def find_account(self) -> str:
        """Return the URL of the account that the key has; Refused (account) when there is none."""
        return self._account({"onlyReturnExisting": True})

    def replace_key(self, new: Authority) -> None:
        """Give the account to the key of ``new`` (RFC 8555 section 7.3.5): signed by the old key, and inside by the new one."""
        url = self._url("keyChange")
        body = Body({"account": self.account_url, "oldKey": self._jwk.public_key().to_partial_json()})
        inner = jws.JWS.sign(body.json_dumps().encode(), key=new._jwk, alg=new._network.alg, nonce=None, url=url)
        self._post(url, inner.to_partial_json())
        new.account_url = self.account_url

    def order(self, names: Sequence[str], replaces: str = "") -> Order:
        """Begin an order; ``replaces`` names the certificate that it renews (RFC 9773 section 5)."""
        body: dict[str, Any] = {"identifiers": [{"type": "dns", "value": name} for name in names]}
        if replaces:
            body["replaces"] = replaces
        if self._settings.profile:
            body["profile"] = self._settings.profile
        response = self._post(self._url("newOrder"), body)
        return self._order(response, response.headers.get("Location", ""))

    def look(self, url: str) -> Order:
        """Return where an order stands."""
        return self._order(self._post(url, None), url)

    def challenges(self, order: Order, kind: str) -> list[Challenge]:
        """Return the challenges of a kind that are still to be met; Refused when a name cannot be had that way."""
        found = []
        for url in order.authorizations:
            document = self._json(self._post(url, None))
            if document.get("status") == "valid":
                continue
            found.append(self._challenge(document, kind))
        return found

    def answer(self, challenge: Challenge) -> None:
        """Tell the CA to look."""
        self._post(challenge.url, {})

    def dns_value(self, challenge: Challenge) -> str:
        """Return the TXT value that meets a DNS challenge (RFC 8555 section 8.4)."""
        return b64encode(hashlib.sha256(f"{challenge.token}.{self.thumbprint}".encode()).digest()).decode()

    def failure(self, order: Order) -> Problem:
        """Return why an order is invalid: what the CA has seen at each name."""
        said: list[Problem] = []
        for url in order.authorizations:
            document = self._json(self._post(url, None))
            name = documents.text(documents.mapping(document.get("identifier")), "value")
            for challenge in document.get("challenges", []):
                error = documents.mapping(documents.mapping(challenge).get("error"))
                if error:
                    problem = of_document(error, int(error.get("status") or 0), None, self._clock())
                    said.append(documents.about(problem, name))
        return said[0] if said else order.problem or Problem(trouble=Trouble.TRANSIENT, kind="invalid", detail="")

    def finalize(self, order: Order, request: x509.CertificateSigningRequest) -> Order:
        """Ask for the certificate of an order that is ready."""
        encoded = b64encode(request.public_bytes(Encoding.DER)).decode()
        return self._order(self._post(order.finalize, {"csr": encoded}), order.url)

    def download(self, order: Order) -> str:
        """Return the certificate and its chain as PEM: the chain that ends at the preferred root if there is one."""
        response = self._post(order.certificate, None)
        wanted = self._settings.preferred_chain
        if wanted and not documents.ends_at(response.text, wanted):
            for url in documents.links(response, "alternate"):
                other = self._post(url, None).text
                if documents.ends_at(other, wanted):
                    return other
        return response.text

    def renewal_info(self, identifier: str) -> tuple[datetime, datetime, timedelta | None, str] | None:
        """Return the suggested window, the pause before the next poll and an explanation; None: the CA has no such thing.

        Refused when the answer is of no use (RFC 9773 section 4.2).
        """
        base = self._directory().get("renewalInfo")
        if not base:
            return None
        response = self._network.get(f"{str(base).rstrip('/')}/{identifier}")
        document = self._json(response)
        window = documents.mapping(document.get("suggestedWindow"))
        try:
            start, end = (documents.moment(documents.text(window, word)) for word in ("start", "end"))
        except ValueError:
            raise documents.useless("renewalInfo has no window") from None
        if end <= start:
            raise documents.useless("renewalInfo has a window that ends before it begins")
        now = self._clock()
        until = wait_until(response.headers.get("Retry-After"), "", now)
        return start, end, until - now if until else None, documents.text(document, "explanationURL")[:500]

    def _account(self, body: Mapping[str, Any]) -> str:
        self._network.account = None
        response = self._post(self._url("newAccount"), body)
        self.account_url = response.headers.get("Location", "")
        self._sign_as_account()
        return self.account_url

    def _bound(self, binding: Binding) -> Mapping[str, Any]:
        """Return our key, signed with the one that the CA has given us."""
        url = messages.Directory({"newAccount": self._url("newAccount")})
        return messages.ExternalAccountBinding.from_data(self._jwk.public_key(), binding.key_id, binding.hmac_key, url)

    def _sign_as_account(self) -> None:
        self._network.account = {"uri": self.account_url}  # type: ignore[assignment]  # the library reads only this

    def _post(self, url: str, body: Mapping[str, Any] | None) -> Response:
        if self.account_url and self._network.account is None and "onlyReturnExisting" not in (body or {}):
            self._sign_as_account()
        payload = None if body is None else Body(body)
        return self._network.post(url, payload, new_nonce_url=self._url("newNonce"))

    def _directory(self) -> Mapping[str, Any]:
        if not self._known:
            self._known = self._json(self._network.get(self._settings.url))
        return self._known

    def _url(self, name: str) -> str:
        url = self._directory().get(name)
        if not isinstance(url, str) or not url.startswith("https://"):
            raise InvalidInput(
                "ssl.directory", f"{self._settings.url} names no {name}", "give the URL of an ACME directory"
            )
        return url

    def _order(self, response: Response, url: str) -> Order:
        document, now = self._json(response), self._clock()
        error = documents.mapping(document.get("error"))
        until = wait_until(response.headers.get("Retry-After"), "", now)
        expires = documents.text(document, "expires")
        return Order(
            url=url,
            status=documents.text(document, "status"),
            names=tuple(documents.text(documents.mapping(one), "value") for one in document.get("identifiers", [])),
            authorizations=tuple(str(one) for one in document.get("authorizations", [])),
            finalize=documents.text(document, "finalize"),
            certificate=documents.text(document, "certificate"),
            expires=documents.moment(expires) if expires else None,
            problem=of_document(error, int(error.get("status") or 0), None, now) if error else None,
            pause=max(until - now, timedelta(seconds=1)) if until else timedelta(seconds=1),
        )

    def _challenge(self, document: Mapping[str, Any], kind: str) -> Challenge:
        name = documents.text(documents.mapping(document.get("identifier")), "value")
        for one in map(documents.mapping, document.get("challenges", [])):
            if one.get("type") == kind:
                return Challenge(
                    name=name,
                    kind=kind,
                    url=documents.text(one, "url"),
                    token=documents.text(one, "token"),
                    status=documents.text(one, "status"),
                    is_wildcard=bool(document.get("wildcard")),
                )
        raise Refused(Problem(trouble=Trouble.PERMANENT, kind="challenge", detail=f"{name}: the CA offers no {kind}"))

    @staticmethod
    def _json(response: Response) -> dict[str, Any]:
        try:
            document = response.json()
        except ValueError:
            raise documents.useless("the answer is no JSON") from None
        if not isinstance(document, dict):
            raise documents.useless("the answer is no object")
        return document
