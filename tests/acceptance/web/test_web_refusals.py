"""What a web step refuses: bad input, other accounts' things, a broken node. Nothing is touched and neighbours answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import LIMITS, Web, unchanged

pytestmark = pytest.mark.lab

CANARY = "{{ lookup('pipe', 'touch /tmp/canary') }}"
BAD: list[tuple[str, dict[str, Any]]] = [
    ("package", {"username": "../etc"}),
    ("package", {"limits": {**LIMITS, "memory; rm": 1}}),
    ("package", {"uid": 0}),
    ("user", {"username": CANARY}),
    ("domain", {"domain": "x.test; } server { server_name neighbour.test; root /"}),
    ("domain", {"names": ["ok.test", "two.test\nlisten 81"]}),
    ("domain", {"document_root": "www/../../w1002/www"}),
    ("domain", {"domain": CANARY}),
    ("php", {"version": "8.2/../../x"}),
    ("php", {"memory_mb": 10**9}),
    ("proxy", {"template": "reverse", "upstream": "http://10.81.0.1:8080"}),
    ("proxy", {"template": "reverse", "upstream": "http://127.0.0.1:22"}),
]


def neighbour_answers(web: Web) -> bool:
    """Whether the neighbour's site answers on both ports."""
    return [web.get("neighbour.test", tls=tls)[0] for tls in (False, True)] == [200, 200]


def test_bad_input_is_refused_and_touches_nothing(web: Web) -> None:
    before = web.tree()
    with ThreadPoolExecutor(3) as pool:  # each as another service, so that none overtakes another
        runs = [
            pool.submit(web.step, step, 1001, "shop.test", check=index % 2 == 1, owner=3000 + index, **more)
            for index, (step, more) in enumerate(BAD)
        ]
    found = [(run.result().outcome, bool(run.result().message)) for run in runs]
    assert found == [(Outcome.INVALID, True)] * len(BAD)
    assert unchanged(before, web.tree()) == []
    assert "No such file" in web.run("ls /tmp/canary", check=False)


def test_what_belongs_to_another_account_is_refused(web: Web) -> None:
    before = web.tree()
    web.run("useradd -u 20900 -M stranger; groupadd -g 20901 strangers")
    web.step("package", 1900, uid=20900)
    web.step("package", 1901, uid=20901)
    refused = [
        web.step("domain", 1001, "shop.test", names=["shop.test", "www.neighbour.test"]),
        web.step("domain", 1001, "neighbour.test"),
        web.step("domain", 1001, "other.test", names=["shop.test"]),
        web.step("package", 1001, owner=1002),
        web.step("package", 1001, uid=20002),
        web.step("php", 1001, owner=1002),
        web.step("user", 1900, uid=20900),
        web.step("user", 1901, uid=20901),
    ]
    assert [result.reason for result in refused] == ["conflict"] * len(refused)
    assert {result.outcome for result in refused} == {Outcome.INVALID}
    web.run(
        "userdel stranger; groupdel strangers; rm /etc/systemd/system/tenantry-w190* /etc/tenantry/web/packages/w190*"
    )
    web.run("systemctl daemon-reload")
    assert unchanged(before, web.tree()) == []


def test_a_site_an_administrator_made_keeps_its_names(web: Web) -> None:
    path = "/etc/nginx/conf.d/own.conf"
    web.run(f"echo 'server {{ listen 80; server_name Own.test; return 200 own; }}' >{path}; systemctl reload nginx")
    result = web.step("domain", 1001, "shop.test", names=["shop.test", "own.test"])
    web.run(f"rm {path}; systemctl reload nginx")
    assert (result.reason, "own.conf" in result.message) == ("conflict", True)


def test_an_overtaken_attempt_is_refused(web: Web) -> None:
    params = web.params("domain", 1001, "shop.test")
    result = web.steps.run(web.node, "web.domain_present", params, service=1001, token=0)
    assert result.outcome == Outcome.FENCED


def test_a_php_version_the_node_lacks_is_named_with_those_it_has(web: Web) -> None:
    result = web.step("php", 1001, version="7.4")
    assert (result.outcome, result.reason) == (Outcome.FAILED, "missing_software")
    assert "PHP 7.4 is not installed on this node: it has 8.2" in result.message


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/etc/nginx/nginx.conf", "nonsense on;"),
        ("/etc/nginx/tenantry/sites/neighbour.test.conf", "server { listen 80; broken"),
    ],
)
def test_a_node_broken_by_hand_gets_nothing_and_neighbours_answer(web: Web, path: str, line: str) -> None:
    web.run(f"cp {path} /root/good; echo '{line}' >>{path}")
    before = web.tree()
    try:
        results = [
            web.step("domain", 1001, "shop.test", names=["shop.test", "new.test"]),
            web.step("domain", 1001, "shop.test", check=True),
            web.step("domain", 1001, "shop.test"),
        ]
        assert [(result.outcome, result.reason) for result in results] == [(Outcome.FAILED, "config_broken")] * 3
        assert "broken before this step" in results[0].message
        assert path.rsplit("/", 1)[1] in results[0].message
        assert unchanged(before, web.tree()) == []
        assert neighbour_answers(web)
        assert web.get("new.test")[0] == 404
    finally:
        web.run(f"cp /root/good {path}; rm /root/good")


def test_a_site_broken_by_hand_is_mended_by_its_own_step(web: Web) -> None:
    web.run("echo 'broken {' >>/etc/nginx/tenantry/sites/shop.test.conf")
    assert web.step("domain", 1001, "shop.test").outcome == Outcome.CHANGED
    assert web.run("nginx -t -q") == ""


@pytest.fixture
def broken_certificate(web: Web) -> Iterator[None]:
    """Leave the domain bad.test with a certificate link that leads nowhere."""
    folder = "/etc/tenantry/tls/web/bad.test"
    web.run(f"mkdir -m 700 {folder}; ln -s /nowhere {folder}/current")
    yield
    web.run(f"rm -r {folder}")


@pytest.mark.usefixtures("broken_certificate")
def test_a_site_nginx_does_not_take_never_goes_live(web: Web) -> None:
    before = web.tree()
    result = web.step("domain", 1001, "bad.test")
    assert (result.outcome, result.reason) == (Outcome.FAILED, "rejected")
    # Whose folder it is was noted before the certificate in it was tried; nginx reads nothing of that.
    assert unchanged(before, web.tree()) == ["+ /etc/tenantry/tls/web/bad.test/owner.json"]
    assert web.run("nginx -t -q") == ""
    assert neighbour_answers(web)


def test_a_template_that_cannot_answer_is_put_back(web: Web) -> None:
    assert web.step("proxy", 1001, template="static").outcome == Outcome.CHANGED
    dropin = "/etc/systemd/system/tenantry-php8.2@w1001.service.d"
    web.run(f"mkdir {dropin}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{dropin}/x.conf")
    web.run("systemctl daemon-reload; systemctl stop tenantry-php8.2@w1001.service")
    before = web.tree()
    result = web.step("proxy", 1001, template="php")
    assert (result.outcome, result.reason) == (Outcome.FAILED, "probe")
    assert unchanged(before, web.tree()) == []
    assert web.get("shop.test")[0] == 200
    web.run(f"rm -r {dropin}; systemctl daemon-reload; systemctl stop tenantry-php8.2@w1001.service")
    assert web.step("proxy", 1001).outcome == Outcome.CHANGED


def test_links_planted_by_a_tenant_lead_root_nowhere(web: Web) -> None:
    said = web.as_user(1001, "cd /home/w1001; mv www away; rmdir tmp; ln -s /etc planted; mv logs/ tmp/; chmod 777 www")
    assert said.count("Permission denied") >= 3
    planted = "ln -sf /etc/shadow www/a.html; ln -sf /home/w1002/www/index.html www/b.html; ln -s /etc www/etc"
    web.as_user(1001, f"cd /home/w1001; {planted}; ln /etc/passwd www/c.html; ln -s /etc/shadow logs/php.log")
    sentinels = "stat -c '%n %U %a %i' /etc /etc/shadow /etc/passwd /home/w1002/www /home/w1002/www/index.html"
    before = web.run(sentinels)
    assert web.step("user", 1001).outcome == Outcome.CHANGED  # www has its mode again
    assert web.run("stat -c '%U:%G %a' /home/w1001/www").strip() == "w1001:www-data 2750"
    assert web.run(sentinels) == before
    planted_pages = ("/a.html", "/b.html", "/c.html", "/etc/passwd")
    assert [web.get("shop.test", path)[0] for path in planted_pages] == [404] * 4
    web.as_user(1001, "cd /home/w1001; rm www/a.html www/b.html www/etc logs/php.log")


def test_a_home_that_is_a_link_is_refused(web: Web) -> None:
    web.step("package", 1903)
    web.run("ln -s /etc /home/w1903")
    result = web.step("user", 1903)
    assert (result.outcome, result.reason) == (Outcome.FAILED, "unsafe_path")
    assert web.run("stat -c %a /etc").strip() == "755"
    assert "No such file" in web.run("ls /etc/www", check=False)
    web.run(
        "rm /home/w1903 /etc/tenantry/web/packages/w1903.json /etc/systemd/system/tenantry-w1903.slice; userdel w1903"
    )
