"""Requests to a CA: signed by the `acme` library, with what it leaves out.

Every answer that is no success, 409 and 429 with their headers too, becomes a Refused with the problem in it. A nonce that the CA
does not take is replaced, again and again (RFC 8555 section 6.5 allows that without end, we stop after six). Nothing here ever
sleeps: what has to wait is told to the caller.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from acme import errors
from acme.client import ClientNetwork
from josepy.jwk import JWK

from orchestrator.core.certificates import Trouble
from orchestrator.core.errors import TenantryError
from orchestrator.plan.certificates.problems import Problem, of_document

_NONCES = 6  # tries
_SECONDS = 20  # for one request
_SKEW = timedelta(seconds=300)
_LARGEST = 1_000_000  # bytes of an answer


class Refused(TenantryError):
    """The CA said no, or nothing."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(f"{problem.kind}: {problem.detail}" if problem.detail else problem.kind)


class Body:
    """A payload as it is signed."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = dict(value)

    def json_dumps(self, **options: Any) -> str:
        """Return it as JSON; the library asks for it by this name."""
        del options
        return json.dumps(self._value)


class Network(ClientNetwork):
    """The library's network layer, speaking our errors."""

    def __init__(self, key: JWK, alg: Any, ca_file: str, clock: Callable[[], datetime]) -> None:
        super().__init__(key, alg=alg, user_agent="tenantry", timeout=_SECONDS)
        self.verify_ssl = ca_file or True  # type: ignore[assignment]  # requests takes the path of a file as well
        self._clock = clock
        self.sent = 0

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a signed request; Refused when it came to nothing."""
        for _ in range(_NONCES - 1):
            try:
                return self._post_once(*args, **kwargs)
            except Refused as refused:
                if refused.problem.kind != "badNonce":
                    raise
        return self._post_once(*args, **kwargs)

    def _send_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> requests.Response:
        self.sent += 1
        try:
            response = super()._send_request(method, url, *args, allow_redirects=False, **kwargs)
        except requests.RequestException as error:
            detail = f"{method} {url}: {type(error).__name__}"
            raise Refused(Problem(trouble=Trouble.TRANSIENT, kind="connection", detail=detail)) from None
        if len(response.content) > _LARGEST:
            raise Refused(Problem(trouble=Trouble.TRANSIENT, kind="answer", detail=f"{url}: the answer is too large"))
        self._compare_clocks(response)
        return response

    def _compare_clocks(self, response: requests.Response) -> None:
        """Refuse to go on when one of the two clocks is wrong: dates of certificates would be."""
        try:
            theirs = parsedate_to_datetime(response.headers.get("Date", ""))
        except (ValueError, TypeError):
            return
        theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
        skew = abs(self._clock() - theirs)
        if skew > _SKEW:
            detail = f"this machine's clock and the CA's differ by {int(skew.total_seconds())} s; set the clock"
            raise Refused(Problem(trouble=Trouble.OURS, kind="clock", detail=detail))

    def _check_response(  # type: ignore[override]  # the library's is a class method that knows no clock
        self, response: requests.Response, content_type: str | None = None
    ) -> requests.Response:
        del content_type
        if self.REPLAY_NONCE_HEADER in response.headers and not response.ok:
            self._keep_nonce(response)
        if response.ok:
            return response
        try:
            document = response.json()
        except ValueError:
            document = {}
        known = document if isinstance(document, dict) else {}
        raise Refused(of_document(known, response.status_code, response.headers.get("Retry-After"), self._clock()))

    def _keep_nonce(self, response: requests.Response) -> None:
        """An error brings a fresh nonce too (RFC 8555 section 6.5): it saves the next request one of its own."""
        try:
            self._add_nonce(response)
        except errors.NonceError:
            return
