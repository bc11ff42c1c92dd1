"""Schemathesis asks every route with data of every kind: no 5xx, no answer that the document does not describe."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.integration.queue.test_order import order
from tests.support import fleet
from tests.support.bench import Bench
from tests.support.http_api import serving, token


def test_schemathesis_finds_nothing(bench: Bench, tmp_path: Path) -> None:
    fleet.build()
    order(1)
    bench.settle()
    secret = token("all", "read", "write", "monitor", "link")
    with serving(bench.app) as api:
        document = tmp_path / "openapi.json"
        document.write_text(json.dumps(api.ask("GET", "/v1/openapi.json", secret).json()))
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "run",
                str(document),
                f"--url={api.url}",
                f"--header=Authorization: Bearer {secret}",
                "--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
                "--max-examples=10",
                "--seed=1",
                "--phases=examples,coverage,fuzzing",
                "--request-timeout=20",
                "--no-color",
            ],
            capture_output=True,
            text=True,
            timeout=300,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    counted = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert counted is not None and counted[1] == counted[2] and int(counted[1]) > 100, done.stdout[-3000:]
