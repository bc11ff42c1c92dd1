"""Job values are data: no template, no type and no key in them is ever carried out, and they arrive byte for byte."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.states import Outcome
from tests.acceptance.execute.bench import Bench

CANARY = "/tmp/tenantry-canary-of-the-tests"
TEXTS = {
    "lookup": f"{{{{ lookup('ansible.builtin.pipe', 'touch {CANARY}') }}}}",
    "query": f"{{{{ {{'a': 1}}['a'] and lookup('pipe', 'touch {CANARY}') }}}}",
    "arithmetic": "{{ 7*7 }}",
    "statement": f"{{% set x = lookup('pipe', 'touch {CANARY}') %}}{{{{ x }}}}",
    "comment": "a{# gone #}c",
    "open": "x{{y",
    "header": f"#jinja2: variable_start_string:'['\n[ lookup('pipe', 'touch {CANARY}') ]",
    "unsafe": "!unsafe x",
    "shell": f"$(touch {CANARY})",
    "backticks": f"`touch {CANARY}`",
    "quotes": "a'b\"c\\d",
    "lines": "first\nsecond\r\nthird\t",
    "letters": "żółć ☃ \u2028 \U0001f600",
    "yaml": "- a: &x 1\n  b: *x",
    "long": "p" * 200_000,
}
NAMES = (
    "ansible_connection",
    "ansible_host",
    "ansible_ssh_common_args",
    "ansible_become_password",
    "ansible_python_interpreter",
    "hosts",
    "{{ lookup('pipe','touch " + CANARY + "') }}",
)


@pytest.fixture(scope="module")
def echo(bench: Bench) -> str:
    """Return an action that writes the job's parameters on the node: as content, as an argument, as JSON, and reports them."""
    tasks = """
    - name: Ensure that the texts arrive
      ansible.builtin.command:
        argv: [/usr/bin/dd, of=/run/tenantry-texts]
        stdin: "{{ job.params.texts | join('') }}"
        stdin_add_newline: false
      changed_when: true
    - name: Ensure that the whole job arrives
      ansible.builtin.copy:
        content: "{{ job.params | to_json }}"
        dest: /run/tenantry-job
        mode: "0600"
    - name: Check that a text is one argument
      ansible.builtin.command:
        argv: [/usr/bin/printf, "%s", "{{ job.params.texts | map('truncate', 400, true, '', 0) | join('') }}"]
      register: said
      changed_when: false
    """
    facts = """ "{{ [{'facts': {'said': said.stdout, 'texts': job.params.texts[:14]}}] }}" """
    return bench.play("echo", tasks, results=facts.strip(), become=True)


def canary(bench: Bench) -> bool:
    """True when something was carried out, here or on the node."""
    return Path(CANARY).exists() or bench.on("find", CANARY, check=False) != ""


def test_texts_arrive_byte_for_byte(bench: Bench, echo: str) -> None:
    texts = list(TEXTS.values())
    result = bench.run(echo, {"params": {"texts": texts}})
    assert result.outcome is Outcome.CHANGED, result.message
    arrived = base64.b64decode(bench.on("base64", "/run/tenantry-texts")).decode()
    assert arrived == "".join(texts)
    assert json.loads(bench.on("cat", "/run/tenantry-job")) == {"texts": texts}
    assert result.facts["said"] == "".join(text[:400] for text in texts)
    assert result.facts["texts"] == texts[:14]  # without the long one, which no report may hold
    assert not canary(bench)


def test_keys_are_data_too(bench: Bench, echo: str) -> None:
    params: dict[str, Any] = {"texts": [], **dict.fromkeys(NAMES, f"touch {CANARY}"), "ansible_connection": "local"}
    result = bench.run(echo, {"params": params, "ansible_connection": "local", "ansible_host": "127.0.0.1"})
    assert result.outcome is Outcome.CHANGED, result.message
    assert json.loads(bench.on("cat", "/run/tenantry-job")) == params
    assert not canary(bench)


@pytest.mark.parametrize("key", ["__ansible_type", "__ansible_unsafe", "__ansible_vault"])
def test_a_key_that_means_a_type_to_ansible_is_refused(bench: Bench, echo: str, key: str) -> None:
    result = bench.run(echo, {"params": {"texts": [], "more": [{key: {"value": TEXTS["lookup"]}}]}})
    assert (result.outcome, result.events) == (Outcome.INVALID, ())
    assert key in result.message


def test_what_a_node_says_is_no_template(bench: Bench) -> None:
    tasks = """
    - name: Check what the node says
      ansible.builtin.raw: cat /run/tenantry-said
      register: said
      changed_when: false
    - name: Check that it stays what it is
      ansible.builtin.debug:
        msg: "{{ said.stdout }}"
    """
    action = bench.play("said", tasks, results="\"{{ [{'facts': {'said': said.stdout}}] }}\"")
    bench.on("sh", "-c", f'echo "{TEXTS["lookup"]}" > /run/tenantry-said; chmod 644 /run/tenantry-said')
    result = bench.run(action)
    assert result.facts["said"].strip() == TEXTS["lookup"]
    assert not canary(bench)
