"""The shipped service unit and cron line on a real machine: hardened, and a step over SSH still succeeds."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import access
from orchestrator.config.settings import PROJECT_ROOT
from tests.acceptance.execute.bench import NODE, Bench, eventually
from tests.acceptance.execute.test_daemon import SLOW

PACKAGES = Path(pytest.__file__).parents[1]
NOT_NEEDED = (
    *(
        "pip",
        "mypy",
        "mypyc",
        "*mypyc*",
        "_pytest",
        "pytest",
        "hypothesis",
        "ruff*",
        "black",
        "molecule",
        "ansible_test",
    ),
    *("setuptools", "pkg_resources", "ansiblelint", "librt", "ast_serialize", "__editable__*", "_editable*"),
)
INSTALL = """
set -e
useradd --system --no-create-home --home-dir /var/lib/tenantry --shell /usr/sbin/nologin tenantry
install -d -o tenantry -g tenantry -m 700 /var/lib/tenantry
python3 -m venv --without-pip /opt/tenantry/.venv
cd /opt/tenantry/.venv
mkdir -p /etc/tenantry
echo /opt/tenantry > lib/python3.11/site-packages/tenantry.pth
for program in "tenantry orchestrator.__main__" "ansible-playbook ansible.cli.playbook"; do
  set -- $program
  printf '#!/opt/tenantry/.venv/bin/python\\nfrom %s import main\\nmain()\\n' "$2" > "bin/$1"
  chmod 755 "bin/$1"
done
"""
COMMAND = "env TENANTRY_HOME=/var/lib/tenantry TENANTRY_DATABASE_URL=sqlite:////var/lib/tenantry/tenantry.db"
RUN = f"runuser -u tenantry -- {COMMAND} /opt/tenantry/.venv/bin/tenantry"
STATUS = """
import sqlite3
database = sqlite3.connect('/var/lib/tenantry/tenantry.db')
print(*[status for (status,) in database.execute('SELECT status FROM tasks')])
"""
INSERT = """
import sqlite3
with sqlite3.connect('/var/lib/tenantry/tenantry.db') as database:
    database.execute("INSERT INTO tasks (action, server_id) VALUES ('server.prepare', 1)")
"""


def send(bench: Bench, source: Path, names: tuple[str, ...], target: str) -> None:
    """Copy folders to the node."""
    exclude = [f"--exclude=./{name}" for name in NOT_NEEDED]
    packed = subprocess.Popen(["tar", "-C", str(source), *exclude, "-c", *names], stdout=subprocess.PIPE)
    remote = f"sudo mkdir -p {target} && sudo tar -C {target} --no-same-owner -x"
    subprocess.run(access.command(bench.lab, NODE, remote), stdin=packed.stdout, check=True)
    assert packed.wait() == 0


def shell(bench: Bench, script: str) -> str:
    """Run a script as root on the node."""
    return access.on(bench.lab, NODE, "sh", stdin=script, timeout=120).stdout


@pytest.fixture(scope="module")
def machine(bench: Bench) -> Iterator[Bench]:
    """Yield a bench whose node has the orchestrator installed as the documentation says, with itself as its server."""
    shell(bench, INSTALL)
    send(bench, PACKAGES, ("./",), "/opt/tenantry/.venv/lib/python3.11/site-packages")
    send(bench, PROJECT_ROOT, ("orchestrator", "playbooks", "roles", "collections"), "/opt/tenantry")
    for name, path in (
        ("deploy/systemd/tenantry.service", "/etc/systemd/system/tenantry.service"),
        ("deploy/systemd/tenantry-api.service", "/etc/systemd/system/tenantry-api.service"),
        ("deploy/cron/tenantry", "/etc/cron.d/tenantry.off"),
    ):
        access.on(bench.lab, NODE, "tee", path, stdin=(PROJECT_ROOT / name).read_text())
    access.on(bench.lab, NODE, "tee", "/opt/tenantry/playbooks/server/prepare.yml", stdin=SLOW)
    keep = "install -o tenantry -m 600 /dev/stdin /var/lib/tenantry/id_ed25519"
    access.on(bench.lab, NODE, *keep.split(), stdin=bench.lab.key.read_text())
    host = bench.host()
    shell(
        bench,
        f"set -e\\ncd /opt/tenantry\\n{RUN} init\\n{RUN} group add standard\\n{RUN} settings set usage.interval_minutes 0\\n"
        f"{RUN} server add {NODE} --address {host.address} --roles web --group standard --hostname {NODE}.lab.test "
        f"--login {host.login} --host-key '{host.host_keys[0]}'\\nsystemctl daemon-reload\\n".replace("\\n", "\n"),
    )
    yield bench
    shell(bench, "systemctl stop tenantry; rm -rf /opt/tenantry /var/lib/tenantry; userdel tenantry")


def statuses(bench: Bench) -> list[str]:
    """Return the status of every task."""
    return access.on(bench.lab, NODE, "python3", "-", stdin=STATUS).stdout.split()


def prop(bench: Bench, name: str) -> str:
    """Return a property of the unit."""
    return bench.on("systemctl", "show", "--value", "-p", name, "tenantry").strip()


@pytest.mark.parametrize("unit", ["tenantry.service", "tenantry-api.service"])
def test_the_unit_is_correct_and_hardened(machine: Bench, unit: str) -> None:
    said = access.on(machine.lab, NODE, "systemd-analyze", "verify", f"/etc/systemd/system/{unit}", check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    table = machine.on("systemd-analyze", "security", "--no-pager", unit)
    (verdict,) = [line for line in table.splitlines() if "Overall exposure level" in line]
    assert float(verdict.split(f"{unit}:")[1].split()[0]) <= 2.0, table


def test_the_api_as_a_service_answers_who_has_a_token_and_writes_a_request(machine: Bench) -> None:
    token = shell(machine, f"cd /opt/tenantry && {RUN} token add test --scope read,write,monitor").split()[-1]
    machine.on("systemctl", "start", "tenantry-api")
    try:
        ask = f"curl -s -m 10 -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {token}' http://127.0.0.1:8731"
        eventually(lambda: shell(machine, f"{ask}/ready || true") == "200", 60, "the API is ready")
        assert shell(machine, "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8731/ready") == "401"
        wish = '{"action": "service.redeploy", "service_id": 9}'
        code = shell(machine, f"{ask}/v1/tasks -H 'Content-Type: application/json' -d '{wish}'")
        assert code == "202", machine.on("journalctl", "-u", "tenantry-api", "-o", "cat")
        assert "127.0.0.1:8731" in machine.on("ss", "-Hltn")
    finally:
        machine.on("systemctl", "stop", "tenantry-api")
    assert machine.on("systemctl", "show", "--value", "-p", "Result", "tenantry-api").strip() == "success"


def test_the_service_runs_a_step_over_ssh_and_stops_cleanly(machine: Bench) -> None:
    machine.on("systemctl", "start", "tenantry")
    try:
        access.on(machine.lab, NODE, "runuser", "-u", "tenantry", "--", "python3", "-", stdin=INSERT)
        eventually(lambda: statuses(machine)[-1] in ("done", "error"), 60, "the task ends")
        assert statuses(machine)[-1] == "done", machine.on("journalctl", "-u", "tenantry", "-o", "cat")
        kept = machine.on("find", "/run/tenantry", "-mindepth", "1", "-name", "a-*")
        assert kept.split() == []
        machine.on("systemctl", "stop", "tenantry")
        machine.on("test", "!", "-e", "/run/tenantry")  # systemd's RuntimeDirectory goes with the service
    finally:
        machine.on("systemctl", "stop", "tenantry")
    assert (prop(machine, "Result"), prop(machine, "ExecMainStatus")) == ("success", "0")


def test_a_stop_during_a_step_waits_for_it(machine: Bench) -> None:
    machine.on("systemctl", "start", "tenantry")
    access.on(machine.lab, NODE, "runuser", "-u", "tenantry", "--", "python3", "-", stdin=INSERT)
    eventually(lambda: statuses(machine)[-1] == "running", 30, "the step runs")
    eventually(lambda: machine.on("pgrep", "-f", "sleep 3", check=False), 30, "it has reached the server")
    machine.on("systemctl", "stop", "tenantry")
    assert statuses(machine)[-1] == "done"
    assert (prop(machine, "Result"), prop(machine, "ExecMainStatus")) == ("success", "0")


def test_a_killed_service_comes_back_and_finishes(machine: Bench) -> None:
    machine.on("systemctl", "start", "tenantry")
    access.on(machine.lab, NODE, "runuser", "-u", "tenantry", "--", "python3", "-", stdin=INSERT)
    eventually(lambda: machine.on("pgrep", "-f", "sleep 3", check=False), 30, "the step has reached the server")
    machine.on("systemctl", "kill", "--kill-who=main", "--signal=KILL", "tenantry")
    eventually(lambda: statuses(machine)[-1] == "done", 60, "the task is done")
    machine.on("systemctl", "stop", "tenantry")


def test_crons_line_works_as_it_stands(machine: Bench) -> None:
    lines = machine.on("cat", "/etc/cron.d/tenantry.off").splitlines()
    (line,) = [line for line in lines if line.startswith("* * * * * tenantry ")]
    variables = [line for line in lines if "=" in line and not line.startswith(("#", "*"))]
    access.on(machine.lab, NODE, "runuser", "-u", "tenantry", "--", "python3", "-", stdin=INSERT)
    command = line.removeprefix("* * * * * tenantry ")
    machine.on("runuser", "-u", "tenantry", "--", "env", "-i", *variables, "/bin/sh", "-c", command)
    assert statuses(machine)[-1] == "done"
    assert "1 tasks" in machine.on("journalctl", "-t", "tenantry-tick", "-o", "cat")
