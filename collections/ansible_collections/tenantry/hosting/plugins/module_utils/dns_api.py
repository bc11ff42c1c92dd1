# SPDX-License-Identifier: Apache-2.0
"""PowerDNS on this node: its HTTP API on the loopback, the lock for changes, and whether it is fit to be used."""

from __future__ import annotations

import http.client
import json
import os
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.tenantry.hosting.plugins.module_utils import daemon, files, unchanged
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step, StepFailed, tail

CONFIG_FILE = "/etc/powerdns/pdns.conf"
KEY_FILE = "/etc/powerdns/tenantry-api.key"  # root only; PowerDNS itself knows a hash of it
STATE_DIRECTORY = "/var/lib/tenantry/dns"
WITHDRAWN_DIRECTORY = STATE_DIRECTORY + "/withdrawn"  # which zones are not to be served
_READS = (os.path.dirname(CONFIG_FILE), "/usr/sbin/pdns_server")  # by the server when it checks its configuration
API_ADDRESS, API_PORT = "127.0.0.1", 8081
_ROOT = "/api/v1/servers/localhost"
_REQUEST_SECONDS = 20.0
_ANSWER_LIMIT = 64 * 1024 * 1024
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # what a wildcard is asked at
_NOT_PREPARED = "PowerDNS is not set up on this node; run server.prepare with the dns role"

Json = dict[str, Any]


def open_api(step: Step) -> Api | None:
    """Return the API of a PowerDNS that is fit for changes; in check mode None on a node that is still to be prepared.

    Raises StepFailed with ``missing_software``, or with ``config_broken`` when somebody broke the configuration by hand:
    the running server would go on, and be gone after its next start.
    """
    key = files.read_state(KEY_FILE).content
    if key is None:
        if step.check_mode:
            return None
        raise StepFailed("missing_software", _NOT_PREPARED)
    folder = os.path.dirname(CONFIG_FILE)
    unchanged.require("powerdns", _READS, lambda: check_configuration(folder, "config_broken"), step.check_mode)
    return Api(key.decode("ascii", "replace").strip())


def check_configuration(directory: str, reason: str) -> None:
    """Let PowerDNS read the configuration in ``directory``; a refusal ends the step with ``reason``."""
    code, output = Step.probe(["pdns_server", f"--config-dir={directory}", "--config=check"])
    if code == 127:
        raise StepFailed("missing_software", _NOT_PREPARED)
    if code != 0:
        raise StepFailed(reason, f"PowerDNS refuses the configuration in {directory}: {tail(output, 2)}")


def locked(step: Step) -> AbstractContextManager[None]:
    """Hold the node's DNS lock: two transactions at once would fail each other in SQLite. Check mode takes no lock."""
    return daemon.serialised("dns", step.check_mode)


class Api:
    """The calls that the steps make. Zone names are checked absolute names, so they stand in paths as they are."""

    def __init__(self, key: str) -> None:
        self._key = key

    def addresses(self) -> list[str]:
        """Return where the running server answers, wildcards as the loopback."""
        for setting in self._json("GET", "/config"):
            if setting.get("name") == "local-address":
                words = str(setting.get("value", "")).replace(",", " ").split()
                return [_EVERYWHERE.get(word, word) for word in words]
        raise StepFailed("command", "PowerDNS does not say where it listens")

    def zone(self, name: str) -> Json | None:
        """Return a zone with its records, None when this server has none of that name."""
        code, answer = self.call("GET", f"/zones/{name}")
        if code == 404:
            return None
        if code != 200:
            raise StepFailed("config_broken", f"PowerDNS cannot read its zone {name}: {_said(answer)}")
        return json.loads(answer)

    def has_zone(self, name: str) -> bool:
        """Whether this server has a zone of that name."""
        return self.call("GET", f"/zones/{name}?rrsets=false")[0] != 404

    def zones(self) -> list[Json]:
        """Return every zone of this server without its records."""
        return self._json("GET", "/zones?dnssec=false")

    def create(self, zone: Json) -> None:
        """Make a zone with its first records."""
        self._change("POST", "/zones", zone)

    def set_properties(self, name: str, properties: Json) -> None:
        """Change a zone's own properties."""
        self._change("PUT", f"/zones/{name}", properties)

    def patch(self, name: str, rrsets: list[Json]) -> None:
        """Change records of a zone in one transaction."""
        self._change("PATCH", f"/zones/{name}", {"rrsets": rrsets})

    def delete(self, name: str) -> None:
        """Remove a zone."""
        self._change("DELETE", f"/zones/{name}", None)

    def flush(self, name: str) -> None:
        """Let the server forget what it has cached of one name."""
        self.call("PUT", f"/cache/flush?domain={name}")

    def purge(self, zone: str) -> None:
        """Let the server forget everything that it has cached of a zone."""
        code, output = Step.probe(["pdns_control", "purge", f"{zone[:-1]}$"])
        if code != 0:
            raise StepFailed("command", f"PowerDNS does not empty its cache of {zone}: {tail(output, 2)}")

    def _change(self, method: str, path: str, body: Json | None) -> None:
        code, answer = self.call(method, path, body)
        if code == 422:
            raise StepFailed("rejected", f"PowerDNS refuses the change: {_said(answer)}")
        if not 200 <= code < 300:
            raise StepFailed("command", "PowerDNS answered %d: %s" % (code, _said(answer)))

    def _json(self, method: str, path: str) -> Any:
        code, answer = self.call(method, path)
        if code != 200:
            raise StepFailed("command", "PowerDNS answered %d: %s" % (code, _said(answer)))
        return json.loads(answer)

    def call(self, method: str, path: str, body: Json | None = None) -> tuple[int, bytes]:
        """Return (status, body) of one request. Raises StepFailed when the server does not answer or refuses the key."""
        connection = http.client.HTTPConnection(API_ADDRESS, API_PORT, timeout=_REQUEST_SECONDS)
        headers = {"X-API-Key": self._key, "Content-Type": "application/json"}
        try:
            connection.request(method, _ROOT + path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            code, answer = response.status, response.read(_ANSWER_LIMIT)
        except (OSError, http.client.HTTPException) as error:
            raise StepFailed("command", f"PowerDNS does not answer ({error}); see systemctl status pdns") from None
        finally:
            connection.close()
        if code == 401:
            raise StepFailed("command", "PowerDNS refuses its API key; run server.prepare")
        return code, answer


def _said(answer: bytes) -> str:
    """Return PowerDNS's error message."""
    try:
        return str(json.loads(answer)["error"])[:300]
    except (ValueError, KeyError, TypeError):
        return tail(answer.decode("utf-8", "replace"), 2)
