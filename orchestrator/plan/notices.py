"""What a notice says and who is told: fixed texts; what a node said only as a bounded, fenced quotation."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from string import Template
from typing import Any

QUOTE_BYTES = 2048
RECOVERED = "operation_recovered"
FAILED = "task_failed"
_HARMLESS = str.maketrans("`{}<>[]", "'()()()")
_LINE = 200  # characters of a single value in a text
_STEPS = (60, 120, 300, 900, 1800, 3600)  # seconds between attempts to deliver; the last one repeats


@dataclass(frozen=True, kw_only=True)
class Event:
    """What can be told: the knob ``events.<knob>`` that switches it off, its texts, whether the customer gets a mail."""

    knob: str
    title: str
    text: str
    is_customers: bool = False
    is_mailed: bool = True  # False: for programs only


@dataclass(frozen=True, kw_only=True)
class Message:
    """A notice as text: ``reference`` is the same in every attempt to deliver it."""

    event: str
    title: str
    text: str
    reference: str
    payload: Mapping[str, Any]


EVENTS: Mapping[str, Event] = {
    FAILED: Event(
        knob=FAILED,
        title="$action failed for service $service",
        text="The task $task ($action) of service $service was given up.\n\n$quote\n"
        "See `tenantry task show $task`; `tenantry task retry $task` tries it again.",
    ),
    RECOVERED: Event(
        knob=FAILED,
        title="Service $service: what had failed has succeeded",
        text="What had failed for service $service ($action) has succeeded now. Nothing is left to do.",
    ),
    "server_unreachable": Event(
        knob="server_unreachable",
        title="Server $server does not answer",
        text="The server $server has not answered several times in a row. Its tasks wait and are tried again.",
    ),
    "server_back": Event(
        knob="server_back",
        title="Server $server answers again",
        text="The server $server answers again. What waited for it goes on.",
    ),
    "account_ready": Event(
        knob="account_ready",
        is_customers=True,
        title="$domain is ready",
        text="Your account for $domain is ready to be used.",
    ),
    "suspended": Event(
        knob="suspended",
        is_customers=True,
        title="$domain is suspended",
        text="The account of $domain is suspended. Its data is kept.",
    ),
    "terminated": Event(
        knob="terminated",
        is_customers=True,
        title="$domain is terminated",
        text="The account of $domain has been removed.",
    ),
    "certificate_installed": Event(
        knob="certificate_installed",
        title="Certificate of service $service ($role) installed",
        text="A certificate was installed for service $service, role $role: $names.",
    ),
    "certificate_custom_expires": Event(
        knob="certificate_expiring",
        is_customers=True,
        title="Certificate of service $service ends soon",
        text="The certificate that was uploaded for service $service, role $role, ends soon: $names.",
    ),
    "certificate_frozen": Event(
        knob="certificate_problem",
        title="Certificate of service $service ($role): tries have stopped",
        text="Too many attempts for $names failed; the next one comes after a pause.\n\n$quote",
    ),
    "certificate_blocked": Event(
        knob="certificate_problem",
        title="Certificate of service $service ($role) cannot be had",
        text="A certificate for $names cannot be had until somebody corrects the cause.\n\n$quote",
    ),
    "certificate_ca_paused": Event(
        knob="certificate_problem",
        title="Certificate of service $service ($role): the authority has paused it",
        text="The authority orders nothing more for $names until a person has asked it to. "
        "See `tenantry ssl status $service`.\n\n$quote",
    ),
    "certificate_account": Event(
        knob="certificate_problem",
        title="The authority refuses our account",
        text="An order for $names was refused because of the account. Nothing is ordered there until an operator has "
        "looked.\n\n$quote",
    ),
    "certificate_deploy_stuck": Event(
        knob="certificate_problem",
        title="Certificate of service $service ($role) is not served",
        text="The certificate of $names is in the store, but a server does not show it; it is tried again.\n\n$quote",
    ),
    "usage_near_limit": Event(
        knob="usage_warning",
        is_customers=True,
        title="Service $service has used 80 % of $subject",
        text="Service $service has used 80 % or more of its limit of $subject.",
    ),
    "usage_synced": Event(
        knob="usage_synced",
        is_mailed=False,
        title="The figures of service $service are there",
        text="What service $service uses was collected because somebody had asked for it.",
    ),
    "usage_limit_exceeded": Event(
        knob="usage_exceeded",
        is_customers=True,
        title="Service $service exceeds its limit of $subject",
        text="Service $service uses more than its limit of $subject.",
    ),
    "sync_failing": Event(
        knob="sync_failing",
        title="Server $server: its figures cannot be collected",
        text="The task $task ($action) was given up. The figures of server $server stay what they were and grow old. "
        "Nothing more is told until collections work again.\n\n$quote\nSee `tenantry usage show --server $server`.",
    ),
    "sync_working": Event(
        knob="sync_failing",
        title="Server $server: its figures are collected again",
        text="Collections from server $server ($action) work again.",
    ),
    "web_suspended": Event(
        knob="web_suspended",
        is_customers=True,
        title="The website of $domain is suspended",
        text="The website of $domain uses more than its package allows ($subject). It answers again when it uses less, or "
        "with a larger package. Mail and DNS are not affected.",
    ),
    "web_resumed": Event(
        knob="web_suspended",
        is_customers=True,
        title="The website of $domain answers again",
        text="The website of $domain is within the limits of its package again and is no longer suspended for them.",
    ),
}


def message(event: str, payload: Mapping[str, Any], outbox_id: int, created: str) -> Message:
    """Return the text of a notice; KeyError for an unknown event. A value that the payload lacks is shown as a dash."""
    found = EVENTS[event]
    values = {name: _line(payload.get(name)) for name in _names(found.title + found.text)}
    values["quote"] = quoted(str(payload.get("error") or ""))
    return Message(
        event=event,
        title=Template(found.title).substitute(values),
        text=Template(found.text).substitute(values),
        reference=reference(f"{outbox_id}:{event}:{created}"),
        payload=payload,
    )


def reference(text: str) -> str:
    """Return twelve hexadecimal digits that stand for a notice or a ticket, the same every time."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def quoted(text: str) -> str:
    """Return what a node said, fenced and at most 2 KB: without control characters, markup or braces.

    WHMCS renders Smarty, Markdown and HTML in places; none of them has a beginning here.
    """
    plain = "".join(one if one == "\n" or unicodedata.category(one)[0] != "C" else " " for one in text)
    harmless = plain.translate(_HARMLESS)
    cut = harmless.encode()[:QUOTE_BYTES].decode("utf-8", "ignore").strip()
    return f"```\n{cut or 'no message'}\n```"


def ways(
    event: str, payload: Mapping[str, Any], knobs: Mapping[str, Any], contact: str, configured: Sequence[str]
) -> list[tuple[str, str]]:
    """Return (channel, target) of everywhere a notice goes; [] when its event is switched off or not known.

    ``contact`` is the customer's address, ``configured`` the channels that have a server to deliver to.
    """
    found = EVENTS.get(event)
    if found is None or not knobs[f"events.{found.knob}"]:
        return []
    chosen = [("ticket", "")] if event in (FAILED, RECOVERED) and knobs["tickets.enabled"] else []
    mails = [part.strip() for part in str(knobs["notices.mail_to"]).split(",")] if found.is_mailed else []
    if found.is_customers:
        mails.append(str(payload.get("contact_email") or contact))
    chosen += [("email", one) for one in dict.fromkeys(mails) if one]
    chosen.append(("webhook", ""))
    return [(channel, target) for channel, target in chosen if channel in configured]


def pause(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts that failed."""
    return timedelta(seconds=_STEPS[min(max(attempts, 1), len(_STEPS)) - 1])


def _names(text: str) -> set[str]:
    return set(Template(text).get_identifiers()) - {"quote"}


def _line(value: object) -> str:
    if value is None or value == "":
        return "-"
    text = ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)
    return quoted(text)[4:-4].replace("\n", " ")[:_LINE]
