"""What the web steps write and read: vhosts, pools, quota figures, listening sockets, FastCGI."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import (
    web_listeners,
    web_probe,
    web_quota,
    web_render,
    web_sites,
)

MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
/dev/vdb1 /home ext4 rw,relatime,{} 0 0
/dev/vdc1 /homes ext4 rw,usrquota 0 0
"""
QUOTA = """\
Disk quotas for user #20001 (uid 20001):
     Filesystem   blocks   quota   limit   grace   files   quota   limit   grace
     /dev/vdb1 /home     2048*       0 1048576       0     123       0   50000       0
"""
SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 20001        0 1 1 0 100 0 0 10 0
   1: 0100007F:0CEA 0100007F:9999 01 00000000:00000000 00:00000000 00000000   101        0 2 1 0 100 0 0 10 0
"""


def test_a_site_names_its_parts_and_its_owner() -> None:
    text, mark = web_render.site("shop.test", ["shop.test", "www.shop.test"], "w1001", "s1001", "www/public")
    assert web_render.parse_header(text) == {"domain": "shop.test", "owner": "s1001", "username": "w1001"}
    for line in (
        "server_name shop.test www.shop.test;",
        "set $site_root /home/w1001/www/public;",
        f'set $site_mark "{mark}";',
        "ssl_certificate /etc/tenantry/tls/web/shop.test/current/fullchain.pem;",
        "listen [::]:443 ssl http2;",
    ):
        assert f"    {line}\n" in text
    assert text.count("{") == text.count("}") == 2  # the header's JSON and the server


def test_a_mark_follows_every_change() -> None:
    marks = {
        web_render.site("a.test", names, user, owner, root)[1]
        for names in (["a.test"], ["a.test", "b.test"])
        for user in ("w1", "w2")
        for owner in ("s1", "s2")
        for root in ("www", "www/x")
    }
    marks |= {web_render.pool("w1", "s1", "8.2", memory, workers, [])[1] for memory in (64, 128) for workers in (1, 2)}
    marks |= {web_render.proxy_snippet("w1", "s1", template, None)[1] for template in ("static", "php")}
    marks |= {web_render.proxy_snippet("w1", "s1", "reverse", ("127.0.0.1", port))[1] for port in (3000, 3001)}
    assert len(marks) == 16 + 4 + 2 + 2


@pytest.mark.parametrize("text", ["", "server {}", "# tenantry nonsense\n", "# tenantry [1]\n", "# tenantry \n"])
def test_a_file_that_is_not_ours_has_no_header(text: str) -> None:
    assert web_render.parse_header(text) is None


def test_server_names_are_found_wherever_they_stand() -> None:
    text = "server { listen 80; server_name A.test\n  b.test; }\n# server_name c.test;\nserver{server_name d.test;}"
    assert web_sites.Site("/x", text).names == ["a.test", "b.test", "d.test"]


def test_a_package_is_a_slice_of_memory_and_processes() -> None:
    text, shown = web_render.slice_unit("w1001", 128, 5)
    assert "MemoryMax=832M\n" in text
    assert shown == {"MemoryMax": str(832 * 2**20), "TasksMax": "72"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [("usrquota", "/home"), ("usrjquota=aquota.user", "/home"), ("uquota", "/home"), ("noquota", ""), ("grpquota", "")],
)
def test_quota_counts_where_the_homes_lie(options: str, expected: str) -> None:
    assert web_quota.mount_with_quota(MOUNTS.format(options).splitlines(), "/home") == expected


def test_quota_figures_are_read() -> None:
    assert web_quota.parse_limits(QUOTA) == (1048576, 50000)
    assert web_quota.parse_limits("Disk quotas for user #20001 (uid 20001): none\n") == (0, 0)


def test_only_listening_sockets_count() -> None:
    assert web_listeners.parse(SOCKETS.splitlines()) == [(3000, 20001)]


def test_fastcgi_output_is_put_together(tmp_path: Path) -> None:
    def record(kind: int, body: bytes, padding: int = 0) -> bytes:
        return struct.pack(">BBHHBx", 1, kind, 1, len(body), padding) + body + b"\0" * padding

    answer = (
        record(6, b"Content-type: text/plain\r\n\r", 5)
        + record(7, b"noise")
        + record(6, b"\nmark")
        + record(3, b"\0" * 8)
    )
    assert web_probe._fastcgi_output(answer) == b"Content-type: text/plain\r\n\r\nmark"
    assert web_probe._fastcgi_output(answer[:20])[:3] == b"Con"
    assert web_probe.php_mark(str(tmp_path / "nobody.sock")) == ""
