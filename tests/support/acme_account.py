"""A client of the test CA with an account of its own."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.certs.acme_client import Authority, Directory
from orchestrator.core.clock import utc_now
from tests.support.pebble import Pebble


def authority(
    pebble: Pebble, url: str = "", key: ec.EllipticCurvePrivateKey | None = None, preferred_chain: str = ""
) -> Authority:
    """Return a client with a fresh account whose challenges the web server answers."""
    directory = Directory(url=url or pebble.directory, ca_file=pebble.ca_file, preferred_chain=preferred_chain)
    found = Authority(directory, key or ec.generate_private_key(ec.SECP256R1()), utc_now)
    pebble.web.thumbprint = found.thumbprint
    return found
