"""Print nothing: what a node says must never reach the stream in which ansible-runner looks for its events."""

from __future__ import annotations

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: tenantry_silent
type: stdout
short_description: Print nothing
version_added: "1.0.0"
description:
  - Base of ansible-runner's own callback in the orchestrator's runs. Results travel as event files only.
  - A diff or a message that holds terminal sequences could otherwise pass for an event.
extends_documentation_fragment:
  - default_callback
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible has no type information
    """Every event is accepted and none is shown."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "tenantry_silent"
