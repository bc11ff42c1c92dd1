"""Mail and webhooks: who gets what, signed, and the same message again after a failure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from email import message_from_string

import pytest

from orchestrator.config.channels import Channels
from orchestrator.models.fleet import Server
from orchestrator.models.notice import Delivery
from orchestrator.models.task import OutboxRow
from orchestrator.notify.outbox import Outbox
from orchestrator.store import tasks
from orchestrator.store.fleet import set_knob
from tests.integration.notify.conftest import SECONDS, settle, tell
from tests.integration.queue.test_failures import UNREACHABLE, failing
from tests.integration.queue.test_order import order
from tests.support import fleet, receivers
from tests.support.bench import Bench


def test_a_webhook_is_signed_and_keeps_its_id_when_it_is_sent_again(db: str) -> None:
    with receivers.webhook() as server:
        url = f"http://127.0.0.1:{server.server_port}/hook"
        outbox = Outbox(Channels(webhook_url=url, webhook_secret="canary-hook"), SECONDS)
        server.status = 503
        tell("server_unreachable", "server:web1", server="web1")
        outbox.drain()
        assert "answered 503" in Delivery.get().error
        server.status = 204
        settle(outbox)
        (first, _), (headers, body) = server.messages
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(b"canary-hook", signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert first["webhook-id"] == headers["webhook-id"] == json.loads(body)["id"]
    assert json.loads(body)["event"] == "server_unreachable"
    assert b"canary-hook" not in body


def accepts(secret: bytes, had: set[str], headers: dict[str, str], body: bytes, now: float) -> bool:
    """Check a webhook as docs/concepts/notices.md tells a receiver to."""
    reference, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    wanted = hmac.new(secret, f"{reference}.{stamp}.".encode() + body, hashlib.sha256).digest()
    is_signed = hmac.compare_digest(headers["webhook-signature"], f"v1,{base64.b64encode(wanted).decode()}")
    is_new = abs(now - int(stamp)) <= 300 and reference not in had
    if is_signed and is_new:
        had.add(reference)
    return is_signed and is_new


def test_a_receiver_tells_a_repeated_attempt_from_a_new_notice_and_a_replay_from_both(db: str) -> None:
    secret, had = b"canary-hook", set[str]()
    with receivers.webhook() as server:
        ways = Channels(webhook_url=f"http://127.0.0.1:{server.server_port}/", webhook_secret=secret.decode())
        outbox = Outbox(ways, SECONDS)
        server.status = 500  # the receiver has taken it and its answer says otherwise
        tell("server_unreachable", "server:web1", server="web1")
        outbox.drain()
        server.status = 204
        settle(outbox)
        tell("server_unreachable", "server:web2", server="web2")
        settle(outbox)
        first, repeated, other = server.messages
    now = time.time()
    assert [accepts(secret, had, *one, now) for one in (first, repeated, other)] == [True, False, True]
    headers, body = other
    late = now + 3600
    assert not accepts(secret, set(), headers, body, late), "recorded and sent again an hour later"
    fresh = {**headers, "webhook-timestamp": str(int(late))}
    assert not accepts(secret, set(), fresh, body, late), "a new time needs a new signature"
    assert not accepts(secret, set(), {**headers, "webhook-id": "msg_other"}, body, now), "and so does a new id"
    assert not accepts(secret, set(), headers, body.replace(b"web2", b"web9"), now)


def test_customers_get_their_mails_and_operators_theirs(bench: Bench) -> None:
    fleet.build()
    set_knob("notices.mail_to", "noc@provider.example", "test")
    order(1001, contact_email="anna@customer.example")
    bench.settle()
    for action, params in (("service.suspend", {"reason": "unpaid"}), ("service.unsuspend", {})):
        tasks.enqueue(action, service_id=1001, params=params, requested_by="test")
        bench.settle()
    tasks.enqueue("service.terminate", service_id=1001, requested_by="test")
    bench.settle()
    tell("task_failed", error="a path of ours")
    with receivers.smtp() as server:
        host, port = "127.0.0.1", server.server_address[1]
        outbox = Outbox(Channels(smtp_host=host, smtp_port=port, smtp_tls="none", mail_from="t@p.example"), SECONDS)
        server.refuse = True
        outbox.drain()
        server.refuse = False
        settle(outbox)
        mails = [message_from_string(text) for text in server.messages]
    told = [mail["Subject"] for mail in mails if mail["To"] == "anna@customer.example"]
    assert [text.split(" ", 1)[1] for text in told] == ["is ready", "is suspended", "is terminated"]
    assert len({mail["Message-ID"] for mail in mails}) == 4
    assert "web.domain_present failed for service 1001" in [
        mail["Subject"] for mail in mails if mail["To"] == "noc@provider.example"
    ]
    assert not any("a path of ours" in mail.as_string() for mail in mails if "customer" in mail["To"])


def test_a_server_that_comes_back_is_told_once(bench: Bench) -> None:
    fleet.build()
    bench.executor.script = failing("web.user_present", UNREACHABLE, times=4)  # type: ignore[assignment]
    order()
    bench.settle(60)
    events = [row.event for row in OutboxRow.select().order_by(OutboxRow.id)]
    assert events == ["server_unreachable", "server_back", "account_ready"]
    assert Server.get(Server.name == "web1").failures == 0


@pytest.mark.parametrize(("knob", "event"), [("events.task_failed", "task_failed"), ("events.suspended", "suspended")])
def test_an_event_that_is_off_and_one_that_nobody_knows_go_nowhere(knob: str, event: str, db: str) -> None:
    set_knob(knob, "false", "test")
    tell(event)
    tell("unheard_of")
    Outbox(Channels(webhook_url="http://127.0.0.1:9/", webhook_secret="x"), SECONDS).drain()
    assert Delivery.select().count() == 0
    assert OutboxRow.select().where(OutboxRow.delivered_at.is_null()).count() == 0
