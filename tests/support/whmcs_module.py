"""The WHMCS module, called as WHMCS does: each call is a PHP process of its own."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from orchestrator.config.settings import PROJECT_ROOT

CALL = PROJECT_ROOT / "tests" / "support" / "whmcs" / "call.php"


def params(port: int, password: str, public_key: str, secret: str, package: str = "small") -> dict[str, Any]:
    """Return what WHMCS hands to a module: the server with the database's account, the product, the service."""
    place = {"serverhostname": "127.0.0.1", "serverport": port, "serverid": 3}
    account = {"serverusername": "billing", "serverpassword": password}
    product = {"configoption1": package, "configoption2": "standard", "configoption3": "split"}
    service = {"serviceid": 1001, "domain": "shop.test", "password": secret, "configoption5": ""}
    more = {"configoption4": "web,mail,dns", "serveraccesshash": public_key, "status": "Active"}
    return place | account | product | service | more


class Whmcs:
    """Calls the module's functions as WHMCS does."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def answer(self, function: str, **more: Any) -> dict[str, Any]:
        """Return result, log and updates of one call."""
        return self._run({"function": function, "params": self.params | more})

    def call(self, function: str, **more: Any) -> Any:
        """Return what the function returned; the password is in no log of WHMCS's."""
        found = self.answer(function, **more)
        assert "canary" not in json.dumps(found["log"])
        return found["result"]

    def refusals(self, statements: tuple[str, ...]) -> list[int]:
        """Return the error number of each statement, 0 for one that was carried out."""
        found: list[int] = self._run({"statements": statements, "params": self.params})["result"]
        return found

    @staticmethod
    def _run(asked: dict[str, Any]) -> dict[str, Any]:
        done = subprocess.run(["php", str(CALL)], input=json.dumps(asked), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found
