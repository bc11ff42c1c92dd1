"""A stand-in for WHMCS's API (POST includes/api.php): tickets in memory, answers as documented, and faults on demand.

WHMCS is a commercial product that needs a licence; this is the part of it that the tests cannot have.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

SECRET = "canary-whmcs"  # of the API credentials "id"
HTML = b"<!DOCTYPE html><html><body>Down for Maintenance</body></html>"
Fault = (
    str  # down, error, html: nothing happens. Those with _after happen and the answer is lost. slow: after the limit
)


class FakeWhmcs:
    """Tickets by id, every request, and the faults of the next requests (by action, "" for any)."""

    def __init__(self) -> None:
        self.tickets: dict[int, dict[str, Any]] = {}
        self.requests: list[dict[str, str]] = []
        self.faults: list[tuple[str, Fault]] = []
        self.release = threading.Event()
        self.url = ""
        self._lock = threading.Lock()

    def handle(self, fields: dict[str, str]) -> dict[str, Any]:
        """Carry out one request."""
        if (fields.get("identifier"), fields.get("secret")) != ("id", SECRET):
            return _error("Authentication Failed")
        actions: dict[str, Callable[[dict[str, str]], dict[str, Any]]] = {
            "OpenTicket": self._open,
            "AddTicketNote": self._note,
            "GetTicket": self._get,
            "GetTickets": self._search,
            "GetSupportDepartments": lambda _: {
                "result": "success",
                "departments": {"department": [{"id": 4, "name": "Operations"}]},
            },
        }
        return actions[fields["action"]](fields)

    def fault_of(self, action: str) -> Fault:
        """Take the next fault that is meant for this action."""
        with self._lock:
            for index, (wanted, fault) in enumerate(self.faults):
                if wanted in ("", action):
                    del self.faults[index]
                    return fault
        return ""

    def _open(self, fields: dict[str, str]) -> dict[str, Any]:
        for name in ("deptid", "subject", "message", "name", "email"):
            if not fields.get(name):
                return _error(f"{name} is required")
        if fields["deptid"] != "4":
            return _error("Department ID not found")
        with self._lock:
            number = len(self.requests) + 1000
            self.tickets[number] = {**fields, "ticketid": number, "tid": f"T{number}", "status": "Open", "notes": []}
        return {"result": "success", "id": number, "tid": f"T{number}", "c": "abc"}

    def _note(self, fields: dict[str, str]) -> dict[str, Any]:
        found = self.tickets.get(int(fields["ticketid"]))
        if found is None:
            return _error("Ticket ID not found")
        found["notes"].append(fields["message"])
        return {"result": "success"}

    def _get(self, fields: dict[str, str]) -> dict[str, Any]:
        found = self.tickets.get(int(fields["ticketid"]))
        if found is None:
            return _error("Ticket ID Not Found")
        notes = [{"noteid": index, "message": text} for index, text in enumerate(found["notes"])]
        kept = {name: found[name] for name in ("ticketid", "tid", "subject", "status")}
        return {"result": "success", **kept, "replies": "", "notes": {"note": notes} if notes else ""}

    def _search(self, fields: dict[str, str]) -> dict[str, Any]:
        found = [one for one in self.tickets.values() if fields["subject"] in one["subject"]]
        rows = [{"id": one["ticketid"], "tid": one["tid"], "subject": one["subject"]} for one in found]
        return {"result": "success", "totalresults": len(rows), "tickets": {"ticket": rows} if rows else ""}


def _error(text: str) -> dict[str, Any]:
    return {"result": "error", "message": text}


class _Handler(BaseHTTPRequestHandler):
    fake: FakeWhmcs

    def do_POST(self) -> None:
        """Answer, or fail in the way that was asked for."""
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = {name: values[0] for name, values in parse_qs(raw, keep_blank_values=True).items()}
        self.fake.requests.append(fields)
        fault = self.fake.fault_of(fields["action"])
        if fault in ("down", "error", "html"):
            self._fail(fault)
            return
        answer = json.dumps(self.fake.handle(fields)).encode()
        if fault == "slow":
            self.fake.release.wait(30)
            self.close_connection = True
        elif fault.endswith("_after"):
            self._fail(fault.removesuffix("_after"), answer)
        else:
            self._send(200, answer)

    def _fail(self, fault: Fault, answer: bytes = b"") -> None:
        if fault == "error":
            self._send(500, b'{"result":"error","message":"Internal"}' if not answer else b"")
        elif fault == "html":
            self._send(200, HTML)
        elif fault == "double":  # the body twice
            self._send(200, answer + answer)
        self.close_connection = True

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving() -> Iterator[FakeWhmcs]:
    """Run the stand-in on a free port of loopback."""
    fake = FakeWhmcs()
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    fake.url = f"http://127.0.0.1:{server.server_port}/includes/api.php"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.release.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
