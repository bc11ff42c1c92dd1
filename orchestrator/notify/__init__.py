"""Tells people and programs what happened: tickets, mail, webhooks. Nothing in the queue waits for any of it."""

from __future__ import annotations
