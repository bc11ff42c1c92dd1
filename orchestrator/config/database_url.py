"""What TENANTRY_DATABASE_URL says of a MariaDB server: mysql://user:password@host:port/name?ssl_ca=/path/of/ca.pem"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from orchestrator.core.errors import InvalidInput

_NAME = "TENANTRY_DATABASE_URL"
_EXAMPLE = "use mysql://user:password@host/db, with ?ssl_ca=/path/of/ca.pem for TLS"
SYSTEM_ROOTS = "system"
_HERE = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class MariaPlace:
    """A database and who we are there.

    ``ssl_ca`` names a file, is ``system`` for this machine's roots, or empty: nothing is checked.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str
    ssl_ca: str

    @property
    def is_without_tls(self) -> bool:
        """True on this machine itself when no TLS is asked for: the client would begin it by itself, for nobody's protection."""
        return not self.ssl_ca and self.host in _HERE

    def context(self) -> ssl.SSLContext | None:
        """Return how TLS is spoken: certificate and host name are always checked; InvalidInput when the roots cannot be read."""
        if not self.ssl_ca:
            return None
        try:
            return ssl.create_default_context(cafile=None if self.ssl_ca == SYSTEM_ROOTS else self.ssl_ca)
        except OSError as error:
            reason = f"names {self.ssl_ca} as ssl_ca, which cannot be used ({error.strerror or error})"
            raise InvalidInput(_NAME, reason, "give a PEM file that this user may read, or ssl_ca=system") from None


def read(url: str) -> MariaPlace:
    """Return the parts of a mysql:// or mariadb:// URL; InvalidInput says which cannot be used and never quotes the password."""
    try:
        parts = urlsplit(url)
        port = parts.port or 3306
    except ValueError:
        raise InvalidInput(_NAME, "cannot be read as an address", _EXAMPLE) from None
    if not parts.hostname or not parts.path.strip("/"):
        raise InvalidInput(_NAME, "names no host or no database", _EXAMPLE)
    return MariaPlace(
        host=parts.hostname,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        name=parts.path.strip("/"),
        ssl_ca=_ssl_ca(parts.query),
    )


def _ssl_ca(query: str) -> str:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(set(options) - {"ssl_ca"})
    if unknown:
        raise InvalidInput(_NAME, f"has the unknown option {unknown[0][:40]!r}", _EXAMPLE)
    if options.get("ssl_ca") == "":
        raise InvalidInput(_NAME, "has an empty ssl_ca", "give a PEM file, ssl_ca=system, or leave it out")
    return options.get("ssl_ca", "")
