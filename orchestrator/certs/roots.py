"""The roots that browsers and mail programs of this system trust."""

from __future__ import annotations

import ssl
from functools import lru_cache

from cryptography import x509

from orchestrator.core.errors import Unavailable
from orchestrator.plan.certificates.chain import Trust


@lru_cache(maxsize=1)
def of_system() -> Trust:
    """Return the system's roots (OpenSSL's own, or SSL_CERT_FILE); Unavailable when there is none."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    roots = tuple(x509.load_der_x509_certificate(one) for one in found)
    if not roots:
        raise Unavailable("this machine trusts no certificate authority; install the package ca-certificates")
    return Trust(roots=roots)
