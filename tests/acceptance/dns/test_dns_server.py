"""A DNS server from its first day: prepared, asked, broken by hand, mended, rebooted."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import dns.message
import dns.query
import dns.rcode
import dns.zone
import pytest

from lab import access, addresses, faults, nodes, snapshot
from lab.config import Lab
from orchestrator.core.states import Outcome
from tests.acceptance.dns.support import answers, ask, code, records_params, rrset, serial, tree, zone_params
from tests.support.steps import Steps

pytestmark = pytest.mark.lab

NODE = "dns8"
ZONE = "first.example."
SERVICE = 1801
CONFIG = "/etc/powerdns/pdns.conf"
LIMIT = 15.0


@pytest.fixture(scope="module")
def fresh(lab: Lab) -> Iterator[Lab]:
    """Yield a lab with one factory-new node."""
    nodes.down(lab, [NODE])
    nodes.up(lab, [NODE])
    yield lab
    nodes.down(lab, [NODE])


@pytest.fixture(scope="module")
def before_anything(fresh: Lab, steps: Steps) -> list[str]:
    """Return what check mode changed on the factory-new node."""
    before = snapshot.tree(fresh, NODE)
    record = rrset(f"www.{ZONE}", "A", "192.0.2.1")
    results = [
        steps.prepare(NODE, check=True),
        steps.run(NODE, "dns.zone_present", zone_params(ZONE), service=SERVICE, check=True),
        steps.run(NODE, "dns.records_present", records_params(ZONE, record), service=SERVICE, check=True),
    ]
    bad = records_params(ZONE, rrset("www.other.example.", "A", "192.0.2.1"))
    refused = steps.run(NODE, "dns.record_present", bad, service=SERVICE, check=True)
    assert [result.outcome for result in results] == [Outcome.CHANGED] * 3, results
    assert all(any(event.diff for event in result.events) for result in results)
    assert (refused.outcome, refused.reason) == (Outcome.INVALID, "invalid")
    return snapshot.diff(before, snapshot.tree(fresh, NODE))


@pytest.fixture(scope="module")
def server(fresh: Lab, steps: Steps, before_anything: list[str]) -> Lab:
    """Return the lab with a prepared server that has one zone."""
    del before_anything
    unprepared = steps.run(NODE, "dns.zone_present", zone_params(ZONE), service=SERVICE)
    assert unprepared.reason == "missing_software"
    assert steps.prepare(NODE).outcome.is_success
    assert steps.run(NODE, "dns.zone_present", zone_params(ZONE), service=SERVICE).outcome is Outcome.CHANGED
    record = rrset(f"www.{ZONE}", "A", "192.0.2.1")
    assert steps.run(NODE, "dns.records_present", records_params(ZONE, record), service=SERVICE).outcome.is_success
    return fresh


def on_node(lab: Lab, script: str) -> str:
    return access.on(lab, NODE, "bash", "-ec", script).stdout.strip()


def main_pid(lab: Lab) -> str:
    return on_node(lab, "systemctl show --property=MainPID --value pdns")


def test_check_mode_on_a_factory_new_node_succeeds_and_changes_nothing(before_anything: list[str]) -> None:
    assert before_anything == []


def test_preparing_again_changes_nothing(server: Lab, steps: Steps) -> None:
    before, pid = snapshot.tree(server, NODE), main_pid(server)
    for check in (False, True):
        result = steps.prepare(NODE, check=check)
        assert result.outcome.is_success
        assert [event.task for event in result.events if event.status == "changed"] == []
    assert snapshot.diff(before, snapshot.tree(server, NODE)) == []
    assert main_pid(server) == pid


def test_it_answers_at_both_addresses_of_its_own_zones_only(server: Lab) -> None:
    address = addresses.of(server, NODE)
    for target in (address.ipv4, address.ipv6):
        answer = dns.query.udp(dns.message.make_query(f"www.{ZONE}", "A"), target, timeout=3)
        assert answer.answer[0][0].to_text() == "192.0.2.1"
    assert code(ask(server, NODE, "www.elsewhere.test.", "A")) == "REFUSED"


def test_it_hides_its_version_and_gives_no_zone_away(server: Lab) -> None:
    target = addresses.of(server, NODE).ipv4
    version = dns.query.udp(dns.message.make_query("version.bind.", "TXT", "CH"), target, timeout=3)
    assert version.answer == []
    transfer = dns.message.make_query(ZONE, "AXFR")
    answer = dns.query.tcp(transfer, target, timeout=3)
    assert (answer.rcode() in (dns.rcode.REFUSED, dns.rcode.NOTAUTH), answer.answer) == (True, [])


def test_its_api_is_for_root_of_the_node_only(server: Lab) -> None:
    with pytest.raises(OSError), socket.create_connection((addresses.of(server, NODE).ipv4, 8081), timeout=2):
        pass
    script = """
        stat -c '%a %U %G' /etc/powerdns/tenantry-api.key
        curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8081/api/v1/servers/localhost
        key=$(cat /etc/powerdns/tenantry-api.key)
        curl -s -o /dev/null -w '%{http_code}\\n' -H "X-API-Key: $key" http://127.0.0.1:8081/api/v1/servers/localhost
        grep -rlF -- "$key" /etc /var/lib /run 2>/dev/null
    """
    assert on_node(server, script).split("\n") == ["600 root root", "401", "200", "/etc/powerdns/tenantry-api.key"]


def test_an_old_configuration_in_memory_is_noticed(server: Lab, steps: Steps) -> None:
    """A run that ended between writing and restarting heals with the next one, though the file is right already."""
    on_node(server, f"sed -i s/^max-tcp-connections=.*/max-tcp-connections=7/ {CONFIG}; systemctl restart pdns")
    on_node(server, "echo interrupted >/var/lib/tenantry/dns/loaded")
    on_node(server, f"sed -i s/^max-tcp-connections=.*/max-tcp-connections=200/ {CONFIG}")
    pid = main_pid(server)
    assert steps.prepare(NODE).outcome.is_success
    assert main_pid(server) != pid
    assert answers(server, NODE, f"www.{ZONE}", "A") == ["300 192.0.2.1"]


def test_a_configuration_broken_by_hand_stops_steps_and_no_answers(server: Lab, steps: Steps) -> None:
    on_node(server, f"cp -p {CONFIG} /root/saved; echo 'no-such-setting=1' >>{CONFIG}")
    before = tree(server, NODE)
    bad = records_params(ZONE, rrset(f"www.{ZONE}", "A", "192.0.2.2"))
    for check in (False, True):
        result = steps.run(NODE, "dns.records_present", bad, service=SERVICE, check=check)
        assert result.reason == "config_broken"
        assert "no-such-setting" in result.message
    assert steps.run(NODE, "dns.zone_present", zone_params("second.example."), service=1802).reason == "config_broken"
    assert answers(server, NODE, f"www.{ZONE}", "A") == ["300 192.0.2.1"]
    assert snapshot.diff(before, tree(server, NODE)) == []
    assert steps.prepare(NODE).outcome.is_success  # it writes the whole file, so it mends it
    on_node(server, f"cmp {CONFIG} /root/saved; rm /root/saved")


def test_a_broken_addition_by_hand_is_not_ours_to_mend(server: Lab, steps: Steps) -> None:
    on_node(server, "echo 'no-such-setting=1' >/etc/powerdns/pdns.d/local.conf")
    pid = main_pid(server)
    assert steps.prepare(NODE).reason == "config_broken"
    assert main_pid(server) == pid
    on_node(server, "rm /etc/powerdns/pdns.d/local.conf")


def test_a_server_that_does_not_start_with_the_new_configuration_gets_the_old_one_back(
    server: Lab, steps: Steps
) -> None:
    """Somebody else has port 53 of an address that is added."""
    holder = "import socket,time; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('127.0.0.9', 53))"
    on_node(server, f'systemd-run --quiet --unit=holder python3 -c "{holder}; time.sleep(600)"')
    before = tree(server, NODE)
    address = addresses.of(server, NODE)
    params = {"roles": ["dns"], "hostname": address.fqdn, "addresses": [address.ipv4, address.ipv6, "127.0.0.9"]}
    result = steps.run(NODE, "server.prepare", params)
    assert (result.outcome, result.reason) == (Outcome.FAILED, "probe")
    assert "former configuration is back" in result.message
    on_node(server, "systemctl stop holder")
    assert snapshot.diff(before, tree(server, NODE)) == []
    assert answers(server, NODE, f"www.{ZONE}", "A") == ["300 192.0.2.1"]
    again = steps.prepare(NODE)
    assert again.outcome.is_success


def test_addresses_that_are_not_on_the_node_mean_every_address(server: Lab, steps: Steps) -> None:
    address = addresses.of(server, NODE)
    params = {"roles": ["dns"], "hostname": address.fqdn, "addresses": ["198.51.100.7"]}
    result = steps.run(NODE, "server.prepare", params, check=True)
    shown = "".join(event.diff for event in result.events)
    assert "+local-address=0.0.0.0, ::" in shown
    assert "$scrypt$" not in shown
    refused = steps.run(NODE, "server.prepare", {**params, "addresses": ["fe80::1%eth0"]}, check=True)
    assert (refused.outcome, refused.reason) == (Outcome.INVALID, "invalid")


def test_it_comes_up_at_boot_with_its_zones(server: Lab) -> None:
    faults.power_cut(server, NODE)
    faults.boot(server, NODE)
    assert answers(server, NODE, f"www.{ZONE}", "A") == ["300 192.0.2.1"]
    assert serial(server, NODE, ZONE) > 0


def test_services_that_change_dns_at_the_same_time_do_not_disturb_each_other(server: Lab, steps: Steps) -> None:
    names = [f"crowd{number}.example." for number in range(3)]
    results = []

    def deploy(number: int) -> None:
        service = 1810 + number
        zone = names[number]
        results.append(steps.run(NODE, "dns.zone_present", zone_params(zone), service=service))
        params = records_params(zone, *(rrset(f"h{one}.{zone}", "A", f"192.0.2.{one}") for one in range(1, 30)))
        results.append(steps.run(NODE, "dns.records_present", params, service=service))

    threads = [threading.Thread(target=deploy, args=(number,)) for number in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [result.outcome for result in results] == [Outcome.CHANGED] * 2 * len(names), results
    assert all(answers(server, NODE, f"h29.{zone}", "A") == ["300 192.0.2.29"] for zone in names)


def test_a_server_that_is_down_is_said_to_be_down(server: Lab, steps: Steps) -> None:
    on_node(server, "systemctl stop pdns")
    result = steps.run(NODE, "dns.zone_present", zone_params(ZONE), service=SERVICE)
    assert (result.outcome, result.reason) == (Outcome.FAILED, "command")
    assert "systemctl status pdns" in result.message
    assert steps.prepare(NODE).outcome.is_success
    deadline = time.monotonic() + LIMIT
    while answers(server, NODE, f"www.{ZONE}", "A") != ["300 192.0.2.1"]:
        assert time.monotonic() < deadline
