"""The lab's CA: Let's Encrypt's test server on the node `acme`, which asks the lab's resolver and the nodes' ports 80 and 443.

It signs with a root that it makes anew at each of its starts, and forgets accounts and orders with it. Like the public
one it takes no name that leads elsewhere: what it cannot reach from its node it does not sign.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from pathlib import Path

from lab import access, addresses
from lab.config import Lab
from lab.errors import LabError

NODE = "acme"
PORT, _MANAGEMENT = 14000, 15000
_FOLDER = "/etc/pebble-lab"
_LIFETIME = 90 * 24 * 3600  # seconds, as of a public certificate
_START_LIMIT = 20.0

_UNIT = """\
[Unit]
Description=The lab's CA
After=network.target

[Service]
Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=5 PEBBLE_AUTHZREUSE=0
ExecStart=/usr/bin/pebble -config {folder}/config.json -dnsserver {resolver}:53
Restart=on-failure
DynamicUser=yes
AmbientCapabilities=CAP_NET_BIND_SERVICE
LoadCredential=key.pem:{folder}/key.pem

[Install]
WantedBy=multi-user.target
"""


def directory(lab: Lab) -> str:
    """Return the URL of the CA's directory (RFC 8555 section 7.1.1); the machine's own resolver need not know the lab."""
    return f"https://{addresses.of(lab, NODE).ipv4}:{PORT}/dir"


def api_root(lab: Lab) -> Path:
    """Return the file that a client trusts when it talks to the CA."""
    return lab.state / "acme" / "api.pem"


def issuing_root(lab: Lab) -> Path:
    """Return the file that a browser of the lab trusts: the root of what the CA signs."""
    return lab.state / "acme" / "root.pem"


def up(lab: Lab) -> None:
    """Ensure that the CA runs on its node and that its roots lie in the lab's state."""
    unit = _UNIT.format(folder=_FOLDER, resolver=lab.gateway)
    names = f"DNS:{addresses.of(lab, NODE).fqdn},IP:{addresses.of(lab, NODE).ipv4}"
    script = _SCRIPT.format(folder=_FOLDER, config=json.dumps(_configuration()), unit=unit, names=names)
    access.on(lab, NODE, "sh", "-eu", stdin=script)
    api_root(lab).parent.mkdir(exist_ok=True)
    access.replace(api_root(lab), access.on(lab, NODE, "cat", f"{_FOLDER}/cert.pem").stdout)
    access.replace(issuing_root(lab), _await_root(lab))


def down(lab: Lab) -> None:
    """Remove the roots of a CA whose node is gone."""
    for path in (api_root(lab), issuing_root(lab)):
        path.unlink(missing_ok=True)
    if api_root(lab).parent.exists():
        api_root(lab).parent.rmdir()


def _configuration() -> dict[str, object]:
    settings = {
        "listenAddress": f"0.0.0.0:{PORT}",
        "managementListenAddress": f"0.0.0.0:{_MANAGEMENT}",
        "certificate": f"{_FOLDER}/cert.pem",
        "privateKey": "/run/credentials/pebble-lab.service/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        "certificateValidityPeriod": _LIFETIME,
    }
    return {"pebble": settings}


# The certificate of its own interface is made once; a changed file lets it start anew, and nothing else does.
_SCRIPT = """\
mkdir -p {folder}
if [ ! -s {folder}/cert.pem ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -days 3650 -subj "/CN=The lab's CA" \\
    -addext subjectAltName={names} -keyout {folder}/key.pem -out {folder}/cert.pem 2>/dev/null
fi
put() {{ if ! cmp -s "$1" "$1.new"; then mv "$1.new" "$1"; changed=1; else rm "$1.new"; fi; }}
changed=
cat >{folder}/config.json.new <<'END'
{config}
END
put {folder}/config.json
cat >/etc/systemd/system/pebble-lab.service.new <<'END'
{unit}END
put /etc/systemd/system/pebble-lab.service
if [ -n "$changed" ]; then
  systemctl daemon-reload
  systemctl enable --quiet pebble-lab.service
  systemctl restart pebble-lab.service
else
  systemctl start pebble-lab.service
fi
"""


def _await_root(lab: Lab) -> str:
    trusted = ssl.create_default_context(cafile=str(api_root(lab)))
    url = f"https://{addresses.of(lab, NODE).ipv4}:{_MANAGEMENT}/roots/0"
    deadline = time.monotonic() + _START_LIMIT
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5, context=trusted) as answer:
                return str(answer.read().decode("ascii"))
        except OSError as error:
            if time.monotonic() > deadline:
                raise LabError(
                    "the lab's CA", str(error), f"see `python3 -m lab ssh {NODE} journalctl -u pebble-lab`"
                ) from None
            time.sleep(0.1)
