"""Whether a domain's CAA records let a CA issue (RFC 8659; parameters of RFC 8657)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_CRITICAL = 128
_KNOWN = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"})


@dataclass(frozen=True, kw_only=True)
class Caa:
    """One record."""

    flags: int
    tag: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Who wants to issue, and how."""

    domains: frozenset[str]  # the names the CA goes by in CAA records, such as "letsencrypt.org"
    account: str = ""
    method: str = "http-01"


def refusal(records: Sequence[Caa], asking: Asking, is_wildcard: bool) -> str:
    """Return why the records of one name (the closest that has any) forbid it; empty when they do not."""
    unknown = [one.tag for one in records if one.flags & _CRITICAL and one.tag.lower() not in _KNOWN]
    if unknown:
        return f"a CAA record with the tag {unknown[0][:32]} is marked as critical, and nobody knows what it means"
    relevant = _relevant(records, is_wildcard)
    if relevant is None:
        return ""
    reasons = [_why_not(one.value, asking) for one in relevant]
    if not all(reasons):
        return ""
    allowed = ", ".join(sorted({_issuer(one.value) or "nobody" for one in relevant}))
    special = next((reason for reason in reasons if reason != "issuer"), "")
    return special or f"CAA records allow {allowed}, not {' or '.join(sorted(asking.domains))}"


def _relevant(records: Sequence[Caa], is_wildcard: bool) -> list[Caa] | None:
    """Return the records that decide; None when none restricts. For a wildcard, issuewild overrules issue."""
    by_tag = {tag: [one for one in records if one.tag.lower() == tag] for tag in ("issue", "issuewild")}
    if is_wildcard and by_tag["issuewild"]:
        return by_tag["issuewild"]
    return by_tag["issue"] or None


def _why_not(value: str, asking: Asking) -> str:
    if _issuer(value) not in asking.domains:
        return "issuer"
    parameters = _parameters(value)
    account, methods = parameters.get("accounturi"), parameters.get("validationmethods")
    if account is not None and account != asking.account:
        return "the CAA record allows another account of the CA only"
    if methods is not None and asking.method not in [one.strip() for one in methods.split(",")]:
        return f"the CAA record allows {methods[:60]}, not {asking.method}"
    return ""


def _issuer(value: str) -> str:
    return value.partition(";")[0].strip().lower().rstrip(".")


def _parameters(value: str) -> Mapping[str, str]:
    pairs = (part.partition("=") for part in value.split(";")[1:])
    return {name.strip().lower(): content.strip() for name, _, content in pairs}
