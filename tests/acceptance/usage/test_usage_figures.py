"""What a node says an account uses is what the test wrote, to the byte, whatever happens to logs and node in between."""

from __future__ import annotations

import imaplib
import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lab import access, nodes
from orchestrator.core.records import RunRequest
from orchestrator.core.states import Outcome
from orchestrator.plan.usage.days import day_of, window
from tests.acceptance.usage.conftest import DAYS, NODE, OWNER, PASSWORD, ROLES, Node
from tests.support import examples, mail
from tests.support.steps import host

pytestmark = pytest.mark.lab

HOME = "/home/w1001"
LOG = "/var/log/tenantry/web/w1001/access.log"
STATE = "/var/lib/tenantry/usage/web.json"
ROTATE = "logrotate --force /etc/logrotate.d/tenantry-web"
# With copytruncate, as somebody's own configuration may have it.
_SHIFT = (
    f"cd {LOG.rpartition('/')[0]} && for n in 5 4 3 2; do if [ -e access.log.$n.gz ]; then"
    " mv access.log.$n.gz access.log.$((n + 1)).gz; fi; done;"
    " if [ -e access.log.1 ]; then mv access.log.1 access.log.2 && gzip access.log.2; fi;"
)
COPY = f"{_SHIFT} cp access.log access.log.1 && truncate -s 0 access.log"
# Who compresses at once has to wait until the old workers have let go of the file: what they write later is nowhere.
LET_GO = (
    f"for n in $(seq 300); do find /proc/[0-9]*/fd -lname {LOG}.1 2>/dev/null | grep -q . || break; sleep 0.1; done"
)


def test_check_mode_keeps_nothing_and_a_second_run_changes_nothing(node: Node) -> None:
    assert node.collect(check=True).outcome is Outcome.OK
    assert node.root(f"test -e {STATE} && echo there", check=False) == ""
    for _ in range(2):
        result = node.collect()
        assert result.outcome is Outcome.OK, result.message
        assert result.warnings == ()
    zone = result.usage["dns"]["accounts"][OWNER]
    assert zone["zones"] == 1
    assert zone["records"] == int(
        node.root("python3 -c \"import sqlite3; print(sqlite3.connect('/var/lib/powerdns/tenantry.sqlite3')"
                  '.execute(\'select count(*) from records\').fetchone()[0])"')
    )  # fmt: skip
    assert node.root("stat -c %a:%U /var/lib/tenantry/usage /var/lib/tenantry/usage/web.json").split() == [
        "700:root",
        "600:root",
    ]


def test_known_files_are_counted_to_the_byte(node: Node) -> None:
    before = node.usage()["web"]
    node.root(
        f"cd {HOME}/www && head -c 123457 /dev/urandom > one && head -c 7 /dev/urandom > two && ln one three"
        " && ln -s /etc/passwd four && truncate -s 1G five && mkdir -p deep/er && echo -n x > deep/er/six"
        " && printf y > \"$(printf 'new\\nline\\tfile')\""
    )
    after = node.usage()["web"]
    assert after["disk"] - before["disk"] == 123457 + 7 + 1 + 1
    assert after["files"] - before["files"] == 9
    assert after["age"] <= 5
    node.root(f"cd {HOME}/www && rm -r one two three four five deep new*")
    assert (node.usage()["web"]["disk"], node.usage()["web"]["files"]) == (before["disk"], before["files"])


def test_known_rows_of_a_database_are_counted(node: Node) -> None:
    name = examples.params("web.database_present")["name"]
    assert node.usage()["web"]["database_bytes"] == 0
    node.root(
        f"mariadb {name} -e \"CREATE TABLE t (a INT PRIMARY KEY, b CHAR(200)); INSERT INTO t SELECT seq, REPEAT('x', 200)"
        ' FROM seq_1_to_20000; ANALYZE TABLE t; CREATE TABLE m (a CHAR(10)) ENGINE=MyISAM; INSERT INTO m VALUES (1), (2);"'
    )
    web = node.usage()["web"]
    size = int(node.root(f"stat -c %s /var/lib/mysql/{name}/t.ibd"))
    assert web["databases"] == 1
    pages = int(
        node.root(
            f'mariadb -N -B -e "SELECT SUM(clustered_index_size + sum_of_other_index_sizes) * @@innodb_page_size'
            f" FROM mysql.innodb_table_stats WHERE database_name = '{name}'\""
        )
    )
    rows = int(node.root(f"stat -c %s /var/lib/mysql/{name}/m.MYD")) + 1024  # the file and its empty index
    assert web["database_bytes"] == pages + rows
    assert 20000 * 200 < pages <= size


def test_known_messages_are_counted_to_the_byte(node: Node) -> None:
    box = examples.params("mail.mailbox_present")
    address = f"{box['local_part']}@{box['domain']}"
    assert node.usage()["mail"] == {"mailboxes": 1, "boxes": [f"{address} 0 0"], "days": ""}
    for size in (10, 5000, 70000):
        mail.deliver(
            node.address, mail.message("someone@ext9.lab.test", address, "x" * 60 + "\n" + "line\n" * (size // 5))
        )
    with mail.submission(node.address, address, PASSWORD) as connection:
        connection.send_message(mail.message(address, address))
    sizes = stored(node, address, 4)
    assert node.usage()["mail"] == {
        "mailboxes": 1,
        "boxes": [f"{address} {sum(sizes)} 4"],
        "days": f"{DAYS[0]['day']}:1:4",
    }
    node.root("for i in 1 2 3; do logger -t postfix/lmtp -- "
              f"'ABC123: to=<{address}>, relay=x, delay=0, dsn=2.0.0, status=sent (forged)'; done")  # fmt: skip
    assert node.usage()["mail"]["days"] == f"{DAYS[0]['day']}:1:4"  # a tenant's own words are not Postfix's


def stored(node: Node, address: str, count: int) -> list[int]:
    """Wait until so many messages have arrived and return the size of each as IMAP tells it."""
    deadline = time.monotonic() + 60
    while True:
        with mail.mailbox(node.address, address, PASSWORD) as box:
            assert isinstance(box, imaplib.IMAP4)
            box.select("INBOX", readonly=True)
            found = [line for line in box.fetch("1:*", "(RFC822.SIZE)")[1] if isinstance(line, bytes)]
            if len(found) == count:
                return [int(line.split(b"RFC822.SIZE ")[1].rstrip(b")")) for line in found]
        assert time.monotonic() < deadline, f"{len(found)} of {count} messages"
        time.sleep(0.5)


def test_traffic_is_counted_to_the_byte_across_everything_that_may_happen_to_a_log(node: Node) -> None:
    node.root(f"echo hello > {HOME}/www/index.html && head -c 300000 /dev/urandom > {HOME}/www/big")
    node.root(f'echo \'<?php echo strlen(file_get_contents("php://input")), " bytes";\' > {HOME}/www/upload.php')
    begun = node.traffic()
    node.sent = node.received = 0

    def agrees() -> None:
        deadline = time.monotonic() + 10  # nginx writes the line when the last byte is on its way
        while (now := node.traffic()) != (begun[0] + node.sent, begun[1] + node.received):
            assert time.monotonic() < deadline, (now, begun, node.sent, node.received)

    def some() -> None:
        node.ask()
        node.ask("/big?" + "a" * 3000 + '","status":200,"in":999999,"out":999999,')
        assert b"100000 bytes" in node.ask("/upload.php", "POST", b"x" * 100_000)
        node.ask('/{"time":"2020-01-01T00:00:00+00:00"')

    some()
    agrees()
    for rotate in (ROTATE, ROTATE, ROTATE, COPY, COPY, f"{opened(ROTATE)} && {LET_GO} && gzip -f {LOG}.1", ROTATE):
        some()
        node.root(opened(rotate))
        some()
        agrees()
    some()
    node.root("; ".join([opened(ROTATE)] * 3))  # nobody has looked meanwhile, and the lines are compressed by now
    some()
    agrees()
    some()
    ended_in_the_middle(node)
    agrees()
    lines = logged(node)
    some()
    deadline = time.monotonic() + 10
    while (
        logged(node) < lines + 4
    ):  # nginx writes a line when it lets go of the connection; what it never wrote is not ours
        assert time.monotonic() < deadline
    nodes.power_cut(node.lab, NODE)
    nodes.boot(node.lab, NODE)
    nodes.await_ready(node.lab, NODE)
    eventually_served(node)
    some()
    agrees()


def opened(rotation: str) -> str:
    """Return a rotation that ends when nginx writes into the new file."""
    there = f"for n in $(seq 100); do [ -e {LOG} ] && break; sleep 0.1; done; [ -e {LOG} ]"
    return f"( {rotation}; ) && {there}"


def logged(node: Node) -> int:
    """Return the lines of the current log."""
    return int(node.root(f"wc -l < {LOG}"))


def eventually_served(node: Node) -> None:
    """Wait until nginx listens again; a connection that is refused is no request."""
    deadline = time.monotonic() + 30
    while True:
        try:
            node.ask()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


KILLER = """
import os, signal, sys, time
killed, deadline = set(), time.monotonic() + 120
while len(killed) < 3 and time.monotonic() < deadline:
    for number in filter(str.isdigit, os.listdir('/proc')):
        try:
            held = [os.readlink(f'/proc/{number}/fd/{fd}') for fd in os.listdir(f'/proc/{number}/fd')]
            if '/run/tenantry/lock/usage-web' in held:
                os.kill(int(number), signal.SIGKILL)
                killed.add(number)
        except OSError:
            pass
print(len(killed))
"""


def ended_in_the_middle(node: Node) -> None:
    """Kill whatever collects on the node while it holds its notes; what it has noted stays whole."""
    killed: list[str] = []
    command = ["python3", "-c", KILLER]
    thread = threading.Thread(
        target=lambda: killed.append(access.on(node.lab, NODE, *command, timeout=150).stdout.strip())
    )
    thread.start()
    failed = 0
    while thread.is_alive():
        failed += not node.collect().outcome.is_success
        node.ask()
    thread.join()
    assert killed == ["3"] and failed >= 1, (killed, failed)


def test_the_status_of_the_node_is_told(node: Node) -> None:
    params = {"roles": list(ROLES)}
    for look in range(2):
        result = node.steps.run(NODE, "server.sync_status", params, roles=ROLES)
        assert result.outcome is Outcome.OK, result.message
        found = result.usage["server"]
        assert (found["busy"] is None) == (look == 0) or 0 <= found["busy"] <= 1
    assert found["memory"]["total"] > found["memory"]["available"] > 0
    assert 0 < found["disks"]["root"]["free"] < found["disks"]["root"]["total"]
    assert found["packages"]["postfix"] == node.root("dpkg-query -W -f '${Version}' postfix")
    assert found["reboot_needed"] is False
    node.root("touch /run/reboot-required")
    assert node.steps.run(NODE, "server.sync_status", params, roles=ROLES).usage["server"]["reboot_needed"] is True


# Where and when a day is not 24 hours of UTC: the clocks go back and forward, and a month ends elsewhere at another hour.
CALENDARS = (
    ("Europe/Vienna", datetime(2026, 10, 26, 12, tzinfo=UTC), 25 * 3600),
    ("Europe/Vienna", datetime(2026, 3, 30, 12, tzinfo=UTC), 23 * 3600),
    ("America/Los_Angeles", datetime(2026, 11, 2, 12, tzinfo=UTC), 25 * 3600),
    ("Australia/Lord_Howe", datetime(2026, 4, 6, 12, tzinfo=UTC), 24 * 3600 + 1800),
    ("Asia/Kathmandu", datetime(2026, 12, 1, 12, tzinfo=UTC), 24 * 3600),
)


def test_days_are_those_of_the_zone_to_the_second_and_the_byte(node: Node) -> None:
    for name, now, odd in CALENDARS:
        zone = ZoneInfo(name)
        days = window(now, zone, day_of(now - timedelta(days=2), zone))
        assert odd in {later["start"] - one["start"] for one, later in itertools.pairwise(days)}
        before, wanted, lines = by_day(node, days), {}, []
        for number, (one, previous) in enumerate(zip(days[1:], days, strict=False), 1):
            for day, moment, size in ((previous, one["start"] - 1, 10**number), (one, one["start"], 3 * 10**number)):
                lines.append(line_at(moment, zone, size, 7 * size))
                sent, received = wanted.get(day["day"], (0, 0))
                wanted[day["day"]] = (sent + size, received + 7 * size)
        access.on(node.lab, NODE, "tee", "-a", LOG, stdin="".join(lines))
        after = by_day(node, days)
        grown = {day: (pair[0] - before.get(day, (0, 0))[0], pair[1] - before.get(day, (0, 0))[1])
                 for day, pair in after.items()}  # fmt: skip
        assert {day: pair for day, pair in grown.items() if pair != (0, 0)} == wanted, name


def test_a_month_that_ends_between_two_requests_has_the_first_one_only(node: Node) -> None:
    begun = node.traffic()
    end = int(time.time()) + 4
    days = [{"day": 20310131, "start": end - 86_400}, {"day": 20310201, "start": end}]
    node.sent = node.received = 0
    node.ask("/?before")
    old = (node.sent, node.received)
    assert time.time() < end
    while time.time() <= end + 1:  # nginx tells whole seconds
        time.sleep(0.1)
    node.sent = node.received = 0
    node.ask(f"/?after={'x' * 1000}")
    deadline = time.monotonic() + 20
    while (found := by_day(node, days)).get(20310201) != (node.sent, node.received):
        assert time.monotonic() < deadline, (found, node.sent, node.received)
    assert found[20310131] == old
    assert node.traffic() == begun  # of other days, nothing


def by_day(node: Node, days: list[dict[str, int]]) -> dict[int, tuple[int, int]]:
    """Return the bytes in and out of each day."""
    parts = [part.split(":") for part in node.usage(days)["web"]["days"].split()]
    return {int(day): (int(sent), int(received)) for day, sent, received in parts}


def line_at(moment: int, zone: ZoneInfo, sent: int, received: int) -> str:
    """Return a line as nginx would have written it at a moment, on a node whose clock shows that zone."""
    told = datetime.fromtimestamp(moment, zone).isoformat()
    return f'{{"time":"{told}","site":"shop","uri":"/","status":200,"in":{sent},"out":{received},"seconds":0.1}}\n'


def test_bad_days_are_refused(node: Node) -> None:
    for days in ([], [{"day": 1, "start": 1}], [*DAYS, *DAYS]):
        params = {"roles": ["web"], "fresh_seconds": 0, "days": days}
        request = RunRequest(
            action="server.sync_usage",
            host=host(node.lab, NODE, ROLES),
            job={"action": "server.sync_usage", "params": params},
            timeout_seconds=60,
        )
        result = node.steps.executor.run(request, lambda: False)
        assert result.outcome is Outcome.INVALID, (days, result)
