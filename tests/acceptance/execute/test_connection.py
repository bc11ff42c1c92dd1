"""Every way in which a server is not reached, and one connection for all the tasks of an attempt."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import access, faults
from lab.errors import MissingError
from orchestrator.core.states import Outcome
from orchestrator.execute.settings import PLAIN, WARM
from tests.acceptance.execute.bench import NODE, Bench, eventually, marked, named

STRANGER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqvXqvJ1c0Wl1r2jTn0o8iK0xQwqvHk4pFzP3o1e9aB"


@pytest.fixture(scope="module")
def simple(bench: Bench) -> str:
    """Return an action that touches the node three times."""
    task = "- name: Check the node\n  ansible.builtin.raw: echo here\n  changed_when: false\n"
    return bench.play("simple", task * 3)


def sessions(bench: Bench) -> int:
    """Return how many logins the node has seen, this very one included."""
    access.leave(bench.lab, NODE)
    return int(bench.on("sh", "-c", "journalctl -u ssh -o cat | grep -c Accepted"))


def test_an_attempt_takes_one_connection(bench: Bench, simple: str) -> None:
    before = sessions(bench)
    assert bench.run(simple).outcome is Outcome.OK
    assert bench.run(simple).outcome is Outcome.OK
    logins = sessions(bench) - before - 1  # without this question
    assert logins == 2 if bench.mode == PLAIN else logins <= 3


def test_warm_attempts_share_one_that_is_open(bench: Bench, simple: str) -> None:
    assert bench.run(simple).outcome is Outcome.OK
    if bench.mode == WARM:
        eventually(lambda: list(bench.run_root.glob("c-*/ssh")), what="the shared connection is open")
    before = sessions(bench)
    results = [bench.run(simple) for _ in range(3)]
    assert {result.outcome for result in results} == {Outcome.OK}
    assert sessions(bench) - before == (1 if bench.mode == WARM else 4)


def test_a_shared_connection_that_died_is_replaced(bench: Bench, simple: str) -> None:
    """Killed here, and ended on the server; the attempt that finds it so makes its own."""
    for kill in (shared_is_killed, server_ends_sessions):
        assert bench.run(simple).outcome is Outcome.OK
        kill(bench)
        assert bench.run(simple).outcome is Outcome.OK


def shared_is_killed(bench: Bench) -> None:
    for number in named("ssh", bench.run_root, "c-"):
        os.kill(number, signal.SIGKILL)


def server_ends_sessions(bench: Bench) -> None:
    """End every login on the node, a second later: this one has to come to its end."""
    open_before = named("ssh", bench.run_root, "c-")
    bench.on("systemd-run", "--quiet", "--on-active=1", "pkill", "-u", "deploy", "-x", "sshd")
    eventually(lambda: not set(open_before) & set(named("ssh", bench.run_root, "c-")), what="the connection is gone")


def test_an_open_connection_outlives_the_thread_that_asked_for_it(bench: Bench, simple: str) -> None:
    before = set(named("ssh", bench.run_root, "c-"))
    thread = threading.Thread(
        target=bench.run, args=(simple,), kwargs={"connect_timeout": 11}
    )  # an executor of its own
    thread.start()
    thread.join()
    opened = set(named("ssh", bench.run_root, "c-")) - before
    assert len(opened) == (1 if bench.mode == WARM else 0)
    assert bench.run(simple, connect_timeout=11).outcome is Outcome.OK
    assert opened <= set(named("ssh", bench.run_root, "c-"))


def test_a_long_path_does_no_harm(bench: Bench, simple: str) -> None:
    root = bench.root / ("long" * 25) / "runs"
    assert bench.run(simple, run_root=root).outcome is Outcome.OK
    assert marked(root) == {}


def test_another_host_key_ends_it_before_any_login(bench: Bench, simple: str) -> None:
    before = sessions(bench)
    result = bench.run(simple, host=bench.host(host_keys=(STRANGER,)))
    assert (result.outcome, result.reason) == (Outcome.UNREACHABLE, "host_key")
    assert NODE in result.message
    assert sessions(bench) - before == 1


def test_without_a_pinned_key_nothing_starts(bench: Bench, simple: str) -> None:
    result = bench.run(simple, host=bench.host(host_keys=()))
    assert (result.outcome, result.reason, result.events) == (Outcome.UNREACHABLE, "host_key", ())
    assert result.duration_seconds < 1


def test_a_refused_login_is_named(bench: Bench, simple: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    result = bench.run(simple, private_key=key)
    assert (result.outcome, result.reason) == (Outcome.UNREACHABLE, "login")
    assert bench.run(simple, private_key=tmp_path / "absent").reason == "login"


def test_a_closed_port_is_named(bench: Bench, simple: str) -> None:
    result = bench.run(simple, host=bench.host(port=9))
    assert (result.outcome, result.reason) == (Outcome.UNREACHABLE, "tcp")


def test_a_name_that_does_not_resolve_is_named(bench: Bench, simple: str) -> None:
    result = bench.run(simple, host=bench.host(address="nobody.lab.test"))
    assert (result.outcome, result.reason) == (Outcome.UNREACHABLE, "dns")


@pytest.mark.parametrize("address", ["-oProxyCommand=touch /tmp/tenantry-canary-of-the-tests", "10.0.0.1 -v", "a/b"])
def test_an_address_that_is_an_option_starts_nothing(bench: Bench, simple: str, address: str) -> None:
    result = bench.run(simple, host=bench.host(address=address))
    assert (result.outcome, result.events) == (Outcome.INVALID, ())
    assert not Path("/tmp/tenantry-canary-of-the-tests").exists()


@pytest.fixture
def cable(bench: Bench) -> Iterator[Bench]:
    """Yield a bench whose node is reachable again afterwards."""
    yield bench
    faults.link_up(bench.lab, NODE)
    eventually(lambda: answers(bench), 20, "the node answers again")


def answers(bench: Bench) -> bool:
    """Say whether the node can be reached; a kernel that has asked for it in vain needs a moment."""
    with contextlib.suppress(MissingError):
        return bench.on("true", check=False) == ""
    return False


def test_a_pulled_cable_is_unreachable_soon(cable: Bench, simple: str) -> None:
    faults.link_down(cable.lab, NODE)
    result = cable.run(simple)
    assert (result.outcome, result.reason in ("timeout", "tcp")) == (Outcome.UNREACHABLE, True)
    assert result.duration_seconds < 30


def test_a_pulled_cable_makes_no_job_of_a_run_wait_for_another(cable: Bench, simple: str) -> None:
    faults.link_down(cable.lab, NODE)
    alone = cable.run(simple)
    found = cable.run_all(simple, [{}, {}, {}])
    assert {one.outcome for one in found} == {Outcome.UNREACHABLE}
    asked = 2 if cable.mode == WARM else 4  # the plain way asks for each of them
    assert max(one.duration_seconds for one in found) < asked * alone.duration_seconds


def test_a_cable_pulled_in_the_middle_is_noticed(cable: Bench) -> None:
    tasks = """
    - name: Check slowly
      ansible.builtin.raw: "sleep 60"
      changed_when: false
    """
    action = cable.play("slowly", tasks)

    def pull() -> None:
        eventually(lambda: any("sleep 60" in line for line in marked(cable.run_root).values()), 30)
        time.sleep(0.5)  # until the command has arrived
        faults.link_down(cable.lab, NODE)

    puller = threading.Thread(target=pull)
    puller.start()
    result = cable.run(action, timeout=90)
    puller.join()
    assert result.outcome is Outcome.UNREACHABLE
    assert result.reason in (
        "lost_connection",
        "timeout",
        "tcp",
    )  # ansible tries once more, and what it says last counts
    assert result.duration_seconds < 45
