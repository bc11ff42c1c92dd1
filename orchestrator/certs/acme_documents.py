"""Reading what a CA has answered: nothing in it is taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from requests import Response
from requests.utils import parse_header_links

from orchestrator.certs.acme_network import Refused
from orchestrator.core.certificates import Trouble
from orchestrator.plan.certificates.problems import Problem


def useless(detail: str) -> Refused:
    """Return what is raised for an answer that says nothing."""
    return Refused(Problem(trouble=Trouble.TRANSIENT, kind="answer", detail=detail))


def mapping(value: Any) -> dict[str, Any]:
    """Return an object, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def text(document: Mapping[str, Any], word: str) -> str:
    """Return a text, an empty one for anything else."""
    value = document.get(word)
    return value if isinstance(value, str) else ""


def moment(written: str) -> datetime:
    """Return an instant of RFC 3339; ValueError for anything else."""
    found = datetime.fromisoformat(written)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def about(problem: Problem, name: str) -> Problem:
    """Return a problem that says which name it is about."""
    return Problem(trouble=problem.trouble, kind=problem.kind, detail=f"{name}: {problem.detail}", until=problem.until)


def links(response: Response, relation: str) -> list[str]:
    """Return the addresses of a relation (RFC 8288)."""
    found = parse_header_links(response.headers.get("Link", ""))
    return [link["url"] for link in found if link.get("rel") == relation and "url" in link]


def ends_at(pem: str, root: str) -> bool:
    """True when the last certificate of a chain was issued by a root of that common name."""
    last = x509.load_pem_x509_certificates(pem.encode())[-1]
    return any(str(name.value) == root for name in last.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME))
