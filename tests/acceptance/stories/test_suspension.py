"""A suspended service answers nobody, loses nothing, and comes back exactly as it was."""

from __future__ import annotations

import imaplib
import smtplib
from typing import NamedTuple

import pytest

from demo import outside
from demo.installation import Installation
from lab import access, snapshot
from tests.acceptance.stories import rows, world
from tests.support import mail

pytestmark = pytest.mark.lab

NAMES = ("shop.test", "www.shop.test", "blog.shop.test")
MARK = "/home/w1001/www/ran"


class Suspended(NamedTuple):
    """A site with a suspended service, and what its nodes held before."""

    site: Installation
    before: dict[str, snapshot.Tree]


@pytest.fixture(scope="module")
def suspended(site: Installation) -> Suspended:
    """Return a site whose service 1001 was suspended while it had a mailbox of its own that was switched off."""
    world.insert(site, 1001, world.order(site, "shop.test"))
    world.insert(site, 1002, world.order(site, "neighbour.test"))
    site.await_service(1001)
    site.await_service(1002)
    rows.done(site, 1001, "web.domain_present", {"domain": "blog.shop.test"})
    secret = {"password_sealed": world.sealed(site, world.PASSWORD)}
    rows.done(site, 1001, "mail.mailbox_present", {"local_part": "off", "enabled": False, **secret})
    rows.done(site, 1001, "web.cron_present", {"name": "tick", "schedule": "* * * * *", "command": "true"})
    page = f"<?php touch('{MARK}'); echo 'alive';"
    access.on(site.lab, "web1", "sh", "-c", "cat > /home/w1001/www/run.php; rm -f " + MARK, stdin=page)
    assert outside.page(world.address(site, "web1"), "shop.test", path="/run.php") == (200, "alive")
    access.on(site.lab, "web1", "rm", MARK)
    before = world.trees(site)
    rows.done(site, 1001, "service.suspend", {"reason": "invoice 17"})
    assert rows.status(site, 1001) == "suspended"
    return Suspended(site, before)


def test_every_name_and_path_answers_503_and_php_never_runs(suspended: Suspended) -> None:
    web = world.address(suspended.site, "web1")
    for name in NAMES:
        for tls in (False, True):
            for path in ("/", "/run.php", "/index.html?x=1", "/.env", "/a/b/c.php/d"):
                status, body = outside.page(web, name, tls=tls, path=path)
                assert status == 503, (name, tls, path, status)
                assert "suspended" in body
                assert "shop.test" in body
    assert access.on(suspended.site.lab, "web1", "test", "-e", MARK, check=False).returncode == 1
    assert access.on(suspended.site.lab, "web1", "pgrep", "-u", "w1001", check=False).stdout == ""
    status, body = outside.page(web, "neighbour.test")
    assert status == 200 and outside.WELCOME in body


def test_no_login_and_what_is_sent_meanwhile_waits(suspended: Suspended) -> None:
    host, box = world.address(suspended.site, "mail1"), "postmaster@shop.test"
    with pytest.raises(imaplib.IMAP4.error), mail.mailbox(host, box, world.PASSWORD):
        pass
    with pytest.raises(smtplib.SMTPException), mail.submission(host, box, world.PASSWORD):
        pass
    code, _ = mail.answer(host, box)
    assert 400 <= code < 500, code


def test_a_client_change_is_refused_with_the_reason(suspended: Suspended) -> None:
    said = rows.refused(suspended.site, 1001, "web.php_present", {"version": "8.2"})
    assert "suspended (invoice 17)" in said


def test_unsuspend_restores_exactly_what_was_there(suspended: Suspended) -> None:
    host, box = world.address(suspended.site, "mail1"), "postmaster@shop.test"
    neighbour = mail.message("postmaster@neighbour.test", box)
    with mail.submission(host, "postmaster@neighbour.test", world.PASSWORD) as connection:
        connection.send_message(neighbour)  # from the same server: it is in the queue, and waits there
    rows.done(suspended.site, 1001, "service.unsuspend")
    changed = world.difference(suspended.before, world.trees(suspended.site))
    assert [
        line for line in changed if not line.startswith("mail1: + /var/vmail/shop.test")
    ] == []  # what waited arrives
    assert outside.page(world.address(suspended.site, "web1"), "shop.test", path="/run.php") == (200, "alive")
    identity = str(neighbour["Message-ID"])
    assert outside.read(host, box, world.PASSWORD, identity)
    with pytest.raises(imaplib.IMAP4.error), mail.mailbox(host, "off@shop.test", world.PASSWORD):
        pass
