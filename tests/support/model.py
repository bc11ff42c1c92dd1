"""Servers as a model: what each step leaves behind, so that the end of any order of intents can be compared.

It knows what real nodes insist on: an account before its site, a fence against what was overtaken, an owner for every object.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from orchestrator.core.records import RunRequest, RunResult
from orchestrator.core.states import Outcome
from tests.support.executors import RecordingExecutor

Objects = dict[tuple[str, str], dict[str, Any]]
_OF_ACCOUNT = ("package", "user", "php", "proxy", "database", "sftp", "cron", "held-web", "site")
_OF_DOMAIN = ("mail", "dkim", "mailbox", "alias")
_NEEDS = {"user": "package", "site": "user", "php": "user", "database": "user", "sftp": "user", "cron": "user"}


def _lasting(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in ("uid", "password_hash")}


class Refused(Exception):
    """What a node answers to a step that it cannot carry out."""


class ModelExecutor(RecordingExecutor):
    """Carries steps out on a model of the servers."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__(seconds)
        self.servers: dict[str, Objects] = {}
        self.down: set[str] = set()
        self._fences: dict[tuple[str, int], tuple[int, dict[str, int]]] = {}
        self._model = threading.Lock()

    def answer(self, request: RunRequest) -> RunResult:
        """Return how the step ends; in check mode nothing changes."""
        if request.host.name in self.down:
            return RunResult(outcome=Outcome.UNREACHABLE, reason="connect", message="no route")
        if "fence" not in request.job or request.check:  # a question to the server, which changes nothing
            return super().answer(request)
        with self._model:
            if not self._passes(request):
                return RunResult(outcome=Outcome.FENCED, reason="fenced", message="overtaken")
            try:
                self._carry_out(request)
            except Refused as refusal:
                return RunResult(outcome=Outcome.INVALID, reason="conflict", message=str(refusal))
        return super().answer(request)

    def state(self) -> dict[str, dict[str, Any]]:
        """Return what lies on every server, in a form that compares well: numbers and secrets of one order left out."""
        return {
            name: {" ".join(key): _lasting(one) for key, one in found.items()}
            for name, found in self.servers.items()
            if found
        }

    def fences(self) -> dict[tuple[str, int], tuple[int, dict[str, int]]]:
        """Return what each server remembers of each service: generation, and token by step."""
        with self._model:
            return dict(self._fences)

    def _passes(self, request: RunRequest) -> bool:
        fence = request.job["fence"]
        place = (request.host.name, fence["service"])
        generation, tokens = self._fences.get(place, (0, {}))
        if fence["generation"] < generation or fence["token"] < tokens.get(fence["key"], 0):
            return False
        self._fences[place] = (fence["generation"], tokens | {fence["key"]: fence["token"]})
        return True

    def _carry_out(self, request: RunRequest) -> None:
        objects = self.servers.setdefault(request.host.name, {})
        area, _, rest = request.action.partition(".")
        noun, _, state = rest.rpartition("_")
        carry: Callable[..., None] = getattr(self, f"_{area}_{state}")
        carry(objects, noun, request.job["params"], request.job["service"]["owner"])

    @staticmethod
    def _put(objects: Objects, key: tuple[str, str], owner: str, params: dict[str, Any]) -> None:
        there = objects.get(key)
        if there is not None and there["owner"] != owner:
            raise Refused(f"{' '.join(key)} belongs to {there['owner']}")
        kept = {name: value for name, value in params.items() if name != "serial"}
        objects[key] = {"owner": owner, **kept}

    @staticmethod
    def _drop(objects: Objects, owner: str, wanted: Callable[[str, str, dict[str, Any]], bool]) -> None:
        for key in [key for key, one in objects.items() if one["owner"] == owner and wanted(*key, one)]:
            del objects[key]

    def _web_present(self, objects: Objects, noun: str, params: dict[str, Any], owner: str) -> None:
        kind = {"domain": "site"}.get(noun, noun)
        user = params["username"]
        if kind in _NEEDS and (_NEEDS[kind], user) not in objects:
            raise Refused(f"{kind} of {user}: there is no {_NEEDS[kind]}")
        name = {"site": params.get("domain")}.get(kind) or params.get("name") or user
        self._put(objects, (kind, str(name)), owner, params)

    def _web_absent(self, objects: Objects, noun: str, params: dict[str, Any], owner: str) -> None:
        if noun == "account":
            user = params["username"]
            self._drop(objects, owner, lambda kind, _, one: kind in _OF_ACCOUNT and one["username"] == user)
        else:
            kind, name = ("site", params["domain"]) if noun == "domain" else (noun, params["name"])
            self._drop(objects, owner, lambda k, n, _: (k, n) == (kind, name))

    def _web_suspended(self, objects: Objects, _: str, params: dict[str, Any], owner: str) -> None:
        self._put(objects, ("held-web", params["username"]), owner, params)

    def _web_active(self, objects: Objects, _: str, params: dict[str, Any], owner: str) -> None:
        self._drop(objects, owner, lambda kind, name, _: (kind, name) == ("held-web", params["username"]))

    def _mail_present(self, objects: Objects, noun: str, params: dict[str, Any], owner: str) -> None:
        domain = params["domain"]
        if noun == "domain":
            self._put(objects, ("mail", domain), owner, params)
            return
        holder = objects.get(("mail", domain), {}).get("owner")
        if holder != params.get("shared_owner", owner):
            raise Refused(f"{noun}: {domain} belongs to {holder}")
        local = params.get("local_part")
        self._put(objects, (noun, f"{local}@{domain}" if local else domain), owner, params)

    def _mail_renamed(self, objects: Objects, _: str, params: dict[str, Any], owner: str) -> None:
        old, new = params["former"], params["domain"]
        for kind, name in [
            key for key, one in objects.items() if key[0] in ("mail", "mailbox", "alias") and one["owner"] == owner
        ]:
            if objects[kind, name].get("domain") == old:
                one = objects.pop((kind, name))
                objects[kind, name.removesuffix(old) + new] = one | {"domain": new}

    def _mail_absent(self, objects: Objects, noun: str, params: dict[str, Any], owner: str) -> None:
        domain = params["domain"]
        if noun == "domain":
            self._drop(objects, owner, lambda kind, _, one: kind in _OF_DOMAIN and one["domain"] == domain)
            if not any(kind == "mail" and one["owner"] == owner for (kind, _), one in objects.items()):
                objects.pop(("held-mail", owner), None)
        else:
            address = f"{params['local_part']}@{domain}"
            self._drop(objects, owner, lambda kind, name, _: (kind, name) == (noun, address))

    def _mail_suspended(self, objects: Objects, _: str, params: dict[str, Any], owner: str) -> None:
        self._put(objects, ("held-mail", owner), owner, params)

    def _mail_active(self, objects: Objects, _: str, __: dict[str, Any], owner: str) -> None:
        objects.pop(("held-mail", owner), None)

    def _dns_present(self, objects: Objects, noun: str, params: dict[str, Any], owner: str) -> None:
        zone = params["zone"]
        if noun == "zone":
            self._put(objects, ("zone", zone), owner, params)
            return
        holder = objects.get(("zone", zone), {}).get("owner")
        if holder != params.get("shared_owner", owner):
            raise Refused(f"{zone} belongs to {holder}")
        for rrset in params["rrsets"]:
            self._put(objects, ("rrset", f"{rrset['name']} {rrset['type']}"), owner, {"zone": zone, **rrset})
        self._forget(objects, params, owner)

    def _dns_absent(self, objects: Objects, noun: str, params: dict[str, Any], owner: str) -> None:
        zone = params["zone"]
        if noun == "zone":
            kinds = ("zone", "rrset", "withdrawn")
            self._drop(objects, owner, lambda kind, _, one: kind in kinds and one["zone"] == zone)
        else:
            self._forget(objects, params, owner)

    def _forget(self, objects: Objects, params: dict[str, Any], owner: str) -> None:
        gone = {f"{one['name']} {one['type']}" for one in params.get("remove", [])}
        self._drop(objects, owner, lambda kind, name, _: kind == "rrset" and name in gone)

    def _dns_withdrawn(self, objects: Objects, _: str, params: dict[str, Any], owner: str) -> None:
        self._put(objects, ("withdrawn", params["zone"]), owner, params)

    def _dns_served(self, objects: Objects, _: str, params: dict[str, Any], owner: str) -> None:
        self._drop(objects, owner, lambda kind, name, _: (kind, name) == ("withdrawn", params["zone"]))
