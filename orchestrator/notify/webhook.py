"""Signed webhooks after https://www.standardwebhooks.com: a receiver checks who sent it, when, and whether it had it before."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime

from orchestrator.config.channels import Channels
from orchestrator.core.errors import Unavailable
from orchestrator.notify.http import post
from orchestrator.plan.notices import Message


def signature(secret: str, reference: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``webhook-signature``: HMAC-SHA256 over ``id.timestamp.body``, base64, with the scheme's version."""
    signed = f"{reference}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def deliver(channels: Channels, message: Message, now: datetime, seconds: float = 20.0) -> None:
    """POST the notice as JSON; Unavailable unless the answer is 2xx. The id stays the same in every attempt."""
    fields = {
        "event": message.event,
        "title": message.title,
        "text": message.text,
        "service": message.payload.get("service"),
    }
    body = json.dumps({"id": message.reference, **fields}, sort_keys=True).encode()
    stamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "tenantry",
        "webhook-id": message.reference,
        "webhook-timestamp": str(stamp),
        "webhook-signature": signature(channels.webhook_secret, message.reference, stamp, body),
    }
    answer = post(channels.webhook_url, body, headers, seconds)
    if not 200 <= answer.status < 300:
        raise Unavailable(f"the webhook answered {answer.status}")
