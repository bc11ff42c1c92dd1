"""Root never writes through a link in a home: for every step, at every path it touches, planted and swapped in a loop.

A customer cannot even plant them there, because his home is root's; these are planted by root, as if he could.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.core.records import RunResult
from orchestrator.core.states import Outcome
from tests.acceptance.web.conftest import GOOD, LIMITS, Web, unchanged

pytestmark = pytest.mark.lab

NUMBER, DOMAIN = 1051, "traps.test"
HOME = f"/home/w{NUMBER}"
SENTINEL = "cd /srv/sentinel && find . -printf '%p %U:%G %m %i %y %n %s\\n' | sort && cat file folder/index.html"
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("package_present", {"uid": 19000 + NUMBER, "limits": LIMITS}),
    ("user_present", {"uid": 19000 + NUMBER}),
    ("domain_present", {"domain": DOMAIN, "names": [DOMAIN], "document_root": "www"}),
    ("php_present", {"version": "8.2", "memory_mb": 128, "workers": 5}),
    ("proxy_present", {"template": "php"}),
    ("account_suspended", {"page": "<p>asleep</p>", "retry_after": 60}),
    ("account_active", {}),
    ("domain_absent", {"domain": DOMAIN}),
    ("account_absent", {"uid": 19000 + NUMBER}),
)
FOLDERS = ("www", "tmp", "sessions", "logs", ".www.new")
FILES = ("www/index.html", "logs/php.log", ".www.new")
# Exchanges a folder and a link to the sentinel in one step of the kernel, so that both are seen at every moment.
SWAPPER = f"""
import ctypes, os
library = ctypes.CDLL(None)
os.chdir("{HOME}")
os.makedirs("/srv/links", exist_ok=True)
links = {{}}
for name in ("www", "tmp", "sessions", "logs"):
    links[name] = f"/srv/links/{{name}}"
    os.symlink("/srv/sentinel/folder", links[name])
os.symlink("/srv/sentinel/file", "/srv/links/page")
www = os.open("www", os.O_RDONLY)  # the real one, or the exchange below would itself go through the link
while True:
    for name, link in links.items():
        library.renameat2(-100, name.encode(), -100, link.encode(), 2)
    library.renameat2(www, b"index.html", -100, b"/srv/links/page", 2)
"""


def act(web: Web, action: str, params: dict[str, Any]) -> RunResult:
    return web.steps.run(web.node, f"web.{action}", {"username": f"w{NUMBER}", **params}, service=NUMBER)


@pytest.fixture
def planted(web: Web) -> Iterator[Web]:
    """Yield the node with an account and a sentinel; in the end neither is left."""
    before = web.tree()
    web.run("mkdir -p /srv/sentinel/folder && cd /srv/sentinel && echo kept >file && echo kept >folder/index.html")
    web.run("chmod 640 /srv/sentinel/file; chown 1:1 /srv/sentinel/folder")
    assert [result.message for result in web.chain(NUMBER, DOMAIN) if result.outcome not in GOOD] == []
    yield web
    web.run("systemctl stop swapper 2>/dev/null; rm -rf /srv/links", check=False)
    web.run(f"find {HOME} -maxdepth 1 -type l -delete", check=False)
    assert act(web, *STEPS[-1]).outcome in GOOD
    web.run("rm -rf /srv/sentinel")
    assert unchanged(before, web.tree()) == []


def plant(web: Web, name: str, command: str) -> None:
    """Put something in the place of what is there, which waits in a folder of its own."""
    also = f"{HOME}/www" if name == ".www.new" else ""  # it is only made where there is no www
    web.run(f"mkdir -p {HOME}/{name.rpartition('/')[0]}; rm -rf {HOME}/{name} {also}; {command} {HOME}/{name}")


def outcome_is_honest(result: RunResult) -> bool:
    """Whether a step did its work around the trap, or refused it by its name."""
    return result.outcome in GOOD or (result.outcome == Outcome.FAILED and result.reason in ("unsafe_path", "probe"))


@pytest.mark.parametrize("name", FOLDERS)
def test_a_symlink_in_the_place_of_a_folder(planted: Web, name: str) -> None:
    before = planted.run(SENTINEL)
    for step in STEPS:
        plant(planted, name, "ln -s /srv/sentinel/folder")
        result = act(planted, *step)
        assert outcome_is_honest(result), (step[0], result)
        assert planted.run(SENTINEL) == before, step[0]
    assert result.outcome == Outcome.CHANGED


@pytest.mark.parametrize("link", ["ln -s", "ln"])
@pytest.mark.parametrize("name", FILES)
def test_a_link_in_the_place_of_a_file(planted: Web, name: str, link: str) -> None:
    for step in STEPS:
        plant(planted, name, f"{link} /srv/sentinel/file")
        before = planted.run(SENTINEL)
        result = act(planted, *step)
        assert outcome_is_honest(result), (step[0], result)
        after = planted.run(SENTINEL)
        assert without_links(after) == without_links(before), step[0]
    assert result.outcome == Outcome.CHANGED


def without_links(listing: str) -> list[str]:
    """Return a listing without the number of names a file has: the one in the home comes and goes."""
    return [" ".join(line.split(" ")[:5]) for line in listing.splitlines()]


def test_folders_and_links_swapped_in_a_loop(planted: Web) -> None:
    before = planted.run(SENTINEL)
    planted.run(f"systemd-run --quiet --unit swapper python3 -c {shlex.quote(SWAPPER)}")
    for step in [*STEPS[:7], *[STEPS[1]] * 8]:
        result = act(planted, *step)
        assert outcome_is_honest(result), (step[0], result)
        assert planted.run(SENTINEL) == before, step[0]
    assert planted.run("systemctl is-active swapper").strip() == "active"
    removed = act(planted, *STEPS[-1])
    assert removed.outcome in GOOD, removed
    planted.run("systemctl stop swapper", check=False)
    assert planted.run(SENTINEL) == before


def test_the_customer_cannot_plant_them_himself(planted: Web) -> None:
    for name in ("www", "tmp", "sessions", "logs"):
        said = planted.as_user(NUMBER, f"cd {HOME}; mv {name} away; rmdir {name}; ln -sfT /srv/sentinel {name}.new")
        assert said.count("Permission denied") == 3
    said = planted.as_user(NUMBER, f"ln /srv/sentinel/file {HOME}/www/x; ln /etc/shadow {HOME}/www/y")
    assert said.count("Operation not permitted") + said.count("Permission denied") == 2
