#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ensure that the node answers ACME's HTTP-01 for an account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: web_challenge
short_description: Ensure that the node answers ACME's HTTP-01 for an account
description:
  - Writes one file that every site includes, the default one too, on port 80 and on port 443, before any redirect and before the
    page of a suspended site. The answer is made of the token that is asked for and the thumbprint of the account's key, so no
    order leaves anything behind and every server of a group can answer.
  - nginx is tested, reloaded and then asked.
options:
  thumbprint:
    description: Thumbprint of the account's key (RFC 7638), 43 characters of base64url.
    type: str
    required: true
extends_documentation_fragment: [tenantry.hosting.step]
"""

EXAMPLES = r"""
- name: Ensure the answer
  tenantry.hosting.web_challenge:
    thumbprint: LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ
"""

RETURN = r"""
facts:
  description: The thumbprint that is answered with.
  type: dict
  returned: success
  sample: {thumbprint: LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ}
"""

from ansible_collections.tenantry.hosting.plugins.module_utils import web_challenge, web_nginx  # noqa: E402
from ansible_collections.tenantry.hosting.plugins.module_utils.step import Step  # noqa: E402


def ensure(step: Step) -> None:
    """Ensure the answer in the running nginx."""
    value = web_challenge.thumbprint(step.params["thumbprint"])
    wanted = {web_challenge.PATH: web_challenge.snippet(value)}
    web_nginx.apply(step, wanted, lambda: web_challenge.is_answered(value))
    step.facts = {"thumbprint": value}


def main() -> None:
    """Run the module."""
    Step({"thumbprint": {"type": "str", "required": True}}).run(ensure)


if __name__ == "__main__":
    main()
