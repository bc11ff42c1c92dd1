"""What binds our account at a CA to one that we have there already (RFC 8555 section 7.3.4), from the environment."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.core.errors import InvalidInput

KEY_ID, HMAC_KEY = "TENANTRY_ACME_KEY_ID", "TENANTRY_ACME_HMAC_KEY"


@dataclass(frozen=True, kw_only=True)
class Binding:
    """As the CA has given it; the key is base64url."""

    key_id: str
    hmac_key: str = field(repr=False)


def from_environment(environment: Mapping[str, str] | None = None) -> Binding | None:
    """Return the binding, None when there is none; InvalidInput names the variable that is missing or cannot be used."""
    env = os.environ if environment is None else environment
    key_id, key = env.get(KEY_ID, ""), env.get(HMAC_KEY, "")
    if not key_id and not key:
        return None
    for name, text, other in ((KEY_ID, key_id, HMAC_KEY), (HMAC_KEY, key, KEY_ID)):
        if not text:
            raise InvalidInput(name, f"is not set although {other} is", "set both as the CA has given them, or neither")
    return Binding(key_id=key_id, hmac_key=_checked(key))


def _checked(key: str) -> str:
    try:
        decoded = base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise InvalidInput(HMAC_KEY, "is no base64url text", "copy it as the CA has given it")
    return key.rstrip("=")
