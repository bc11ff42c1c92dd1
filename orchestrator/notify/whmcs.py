"""WHMCS's API for tickets, as https://developers.whmcs.com/api/ describes it: POST, ``result`` decides."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from orchestrator.config.channels import Channels
from orchestrator.core.errors import Unavailable
from orchestrator.notify.http import Refused, post

_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "tenantry"}


class Whmcs:
    """A client of one WHMCS; ``seconds`` is the limit of one request."""

    def __init__(self, channels: Channels, seconds: float = 20.0) -> None:
        self._url, self._seconds = channels.whmcs_url, seconds
        self._login = {"identifier": channels.whmcs_identifier, "secret": channels.whmcs_secret}
        if channels.whmcs_access_key:
            self._login["accesskey"] = channels.whmcs_access_key

    def call(self, action: str, **values: object) -> dict[str, Any]:
        """Return the answer; Refused for ``result=error``, Unavailable for anything that is no answer of WHMCS."""
        fields = {**self._login, "action": action, "responsetype": "json", **values}
        answer = post(self._url, urlencode(fields).encode(), _HEADERS, self._seconds)
        found = _parsed(answer.body)
        if found is None:
            raise Unavailable(f"{action}: WHMCS answered {answer.status} with something that is not its JSON")
        if found.get("result") == "error":
            raise Refused(f"{action}: {str(found.get('message'))[:200]}")
        if found.get("result") != "success" or answer.status != 200:
            raise Unavailable(f"{action}: WHMCS answered {answer.status} without a result")
        return found

    def department(self, wanted: str) -> int:
        """Return the id of a support department given by number or name; Refused when there is none."""
        if wanted.isascii() and wanted.isdigit():
            return int(wanted)
        found = self.call("GetSupportDepartments", ignore_dept_assignments=1)
        for one in _rows(found, "departments", "department"):
            if str(one.get("name", "")).casefold() == wanted.casefold():
                return int(one["id"])
        raise Refused(f"tickets.department: WHMCS has no department {wanted!r}; see `tenantry settings set`")

    def search(self, marker: str) -> tuple[int, str] | None:
        """Return (id, number) of the ticket in whose title ``marker`` stands."""
        try:
            found = self.call("GetTickets", subject=marker, ignore_dept_assignments=1, limitnum=25)
        except Refused as error:
            if "no tickets" in str(error).lower():
                return None
            raise
        for one in _rows(found, "tickets", "ticket"):
            if marker in str(one.get("subject", "")):
                return int(one.get("id") or one["ticketid"]), str(one.get("tid", ""))
        return None

    def ticket(self, ticket_id: int) -> dict[str, Any] | None:
        """Return a ticket with its notes, or None when it is gone."""
        try:
            return self.call("GetTicket", ticketid=ticket_id)
        except Refused as error:
            if "not found" in str(error).lower():
                return None
            raise


def notes_of(ticket: dict[str, Any]) -> list[str]:
    """Return the texts of a ticket's staff notes."""
    return [str(one.get("message", "")) for one in _rows(ticket, "notes", "note")]


def _rows(found: dict[str, Any], outer: str, inner: str) -> list[dict[str, Any]]:
    """WHMCS gives {"outer": {"inner": […]}}, and an empty text or list where there is none."""
    held = found.get(outer)
    rows = held.get(inner) if isinstance(held, dict) else held
    return [one for one in rows if isinstance(one, dict)] if isinstance(rows, list) else []


def _parsed(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
