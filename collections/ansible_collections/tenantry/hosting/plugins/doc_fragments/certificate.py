# SPDX-License-Identifier: Apache-2.0
"""What the documentation of the modules that install a certificate has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of module_utils/certificate_pair.py."""

    DOCUMENTATION = r"""
options:
  certificate:
    description: The certificate and its chain, PEM, the leaf first.
    type: str
    default: ""
  private_key:
    description: The certificate's key, PEM, without a passphrase.
    type: str
    default: ""
  serial:
    description: The certificate's serial in lower-case hexadecimal digits.
    type: str
    default: ""
"""
