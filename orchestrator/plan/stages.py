"""What a customer is told of his service: one stage, one title, one sentence; no name of a server, no words of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.certificates import CertificateState as Certificate
from orchestrator.core.states import ServiceStatus as Status


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a service stands for its owner. ``kind``: progress, failed, dashboard, suspended, ended, unknown."""

    kind: str
    title: str
    text: str
    may_write: bool = False  # uploads, removals, a sync
    may_retry: bool = False


_STAGES = {
    Status.PENDING: Stage(kind="progress", title="Your order has arrived", text="Setting it up begins in a moment."),
    Status.DEPLOYING: Stage(
        kind="progress", title="We are setting up your account", text="This page follows by itself; you may leave it."
    ),
    Status.ACTIVE: Stage(kind="dashboard", title="Your account is ready", text="", may_write=True),
    Status.SUSPENDING: Stage(
        kind="suspended", title="Your account is being suspended", text="Nothing can be changed; nothing is deleted."
    ),
    Status.SUSPENDED: Stage(
        kind="suspended", title="Your account is suspended", text="Nothing can be changed; nothing is deleted."
    ),
    Status.UNSUSPENDING: Stage(
        kind="progress", title="Your account is coming back", text="It will be as it was before."
    ),
    Status.PENDING_TERMINATE: Stage(
        kind="suspended", title="Your account will be removed", text="Until then our staff can withdraw that."
    ),
    Status.TERMINATING: Stage(kind="ended", title="Your account is being removed", text="Its data goes with it."),
    Status.TERMINATED: Stage(kind="ended", title="Your account was removed", text="There is nothing here any more."),
    Status.FAILED: Stage(
        kind="failed",
        title="Something did not work",
        text="What was done so far stays. Our staff has been told; you can also try again now.",
        may_retry=True,
    ),
}
_UNKNOWN = Stage(
    kind="unknown", title="Nothing here yet", text="Your order has not arrived. This page follows by itself."
)
_ORDERED = _STAGES[Status.PENDING]
_CERTIFICATES = {
    Certificate.OFF: ("rests", "Nothing is done while the account is suspended."),
    Certificate.FAST: ("waiting", "As soon as your domain points to us, a certificate is fetched by itself."),
    Certificate.NORMAL: ("waiting", "Your domain does not point to us yet; we look again regularly."),
    Certificate.ISSUING: ("being issued", "The certificate authority is being asked."),
    Certificate.DEPLOY: ("being installed", "It is issued and on its way to the servers."),
    Certificate.ACTIVE: ("valid", "It is renewed by itself, in time."),
    Certificate.RENEWING: ("being renewed", "The present one works meanwhile."),
    Certificate.FROZEN: ("waiting", "The authority could not reach your domain several times; we try again later."),
    Certificate.CA_PAUSED: ("waiting", "Our staff is sorting this out with the authority."),
    Certificate.BLOCKED: ("refused", "The authority issues none for this name; an own certificate can be installed."),
    Certificate.CUSTOM: ("your own", "It is never replaced by us; we remind you before it ends."),
}


def stage(status: str | None, is_ordered: bool) -> Stage:
    """Return the stage of a service; None is one that there is not (yet)."""
    if status is None:
        return _ORDERED if is_ordered else _UNKNOWN
    return _STAGES[Status(status)]


def certificate(state: str) -> tuple[str, str]:
    """Return a certificate's state in a word, and a sentence about what happens next."""
    return _CERTIFICATES[Certificate(state)]


def step(status: str, attempts: int, unreachable: int, run_after: datetime, now: datetime) -> str:
    """Return what a step does at the moment, in a few words."""
    if status == "queued" and attempts and run_after > now:
        why = "the server does not answer" if unreachable else "that did not work"
        return f"{why}; we try again at {run_after:%H:%M:%S} UTC"
    words = {"waiting": "follows", "queued": "is next", "running": "is being done", "done": "done"}
    ended = {"error": "the server does not answer" if unreachable else "did not work", "cancelled": "not needed"}
    return {**words, **ended}[status]
