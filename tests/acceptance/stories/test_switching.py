"""Another PHP version, and a whole redeploy, while fifty requests a second come in: not one of them fails."""

from __future__ import annotations

import pytest

from demo import outside
from demo.installation import Installation
from lab import access
from tests.acceptance.stories import rows, world
from tests.acceptance.stories.load import under_load

pytestmark = pytest.mark.lab

# Debian 12 has one PHP; for the switch the same program stands under a second version's names.
SECOND_PHP = """
ln -s php-fpm8.2 /usr/sbin/php-fpm8.3
for kind in socket service; do
    sed s/8.2/8.3/g /etc/systemd/system/tenantry-php8.2@.$kind >/etc/systemd/system/tenantry-php8.3@.$kind
done
systemctl daemon-reload
"""
PAGE = "<?php echo 'alive';"


@pytest.fixture(scope="module")
def live(site: Installation) -> Installation:
    """Return a site with a service that has a PHP page, on a node with two versions."""
    world.insert(site, 1001, world.order(site, "shop.test", roles=["web"]))
    site.await_service(1001)
    access.on(site.lab, "web1", "sh", "-c", "cat > /home/w1001/www/live.php", stdin=PAGE)
    access.on(site.lab, "web1", "sh", "-e", stdin=SECOND_PHP)
    return site


def test_a_switch_of_the_version_loses_no_request(live: Installation) -> None:
    with under_load(live, "shop.test", "/live.php", "alive") as wrong:
        rows.done(live, 1001, "web.php_present", {"version": "8.3"})
        rows.done(live, 1001, "web.php_present", {"version": "8.2"})
        rows.done(live, 1001, "web.php_present", {"version": "8.3"})
    assert wrong == []
    sockets = access.on(live.lab, "web1", "ls", "/run/tenantry/php").stdout.split()
    assert [name for name in sockets if name.startswith("w1001")] == ["w1001-8.3.sock"]


def test_a_redeploy_loses_no_request(live: Installation) -> None:
    with under_load(live, "shop.test", "/live.php", "alive") as wrong:
        rows.done(live, 1001, "service.redeploy")
        access.on(live.lab, "web1", "sh", "-c", "echo '# by hand' >>/etc/nginx/tenantry/sites/shop.test.conf")
        rows.done(live, 1001, "service.repair")
    assert wrong == []


def test_a_version_that_is_not_there_leaves_the_old_one(live: Installation) -> None:
    live.tenantry(
        "settings", "set", "tasks.max_attempts", "1"
    )  # somebody may install it meanwhile: not waited for here
    said = rows.failed(live, 1001, "web.php_present", {"version": "7.4"})
    assert "7.4" in said
    assert outside.page(world.address(live, "web1"), "shop.test", path="/live.php")[0] == 200
    rows.done(live, 1001, "service.redeploy")
