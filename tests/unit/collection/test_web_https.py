"""What sends requests in clear to HTTPS, and what may never be sent there."""

from __future__ import annotations

from ansible_collections.tenantry.hosting.plugins.module_utils import web_render

NAMES = ["shop.test", "www.shop.test"]


def test_only_the_names_of_the_certificate_are_sent_to_https() -> None:
    text, mark = web_render.https_snippet("shop.test", "s1", NAMES)
    assert [
        name for name in NAMES if f'if ($site_https = "http {name}") {{ set $site_https redirect; }}' in text
    ] == NAMES
    assert text.count("set $site_https redirect") == len(NAMES)
    assert "return 301 https://$host$request_uri;" in text
    assert f'set $site_https_mark "{mark}";' in text and mark.startswith(web_render.HTTPS_WORD)


def test_questions_of_a_ca_come_before_the_redirect() -> None:
    text, _ = web_render.https_snippet("shop.test", "s1", NAMES)
    kept = text.index('if ($uri ~ "^/[.](?:well-known/(?:acme-challenge/|tenantry-loaded\\z)|tenantry-suspended\\z)")')
    assert kept < text.index("return 301")


def test_a_site_is_suspended_before_it_redirects_and_keeps_its_redirect_out_of_its_own_file() -> None:
    text, _ = web_render.site("shop.test", NAMES, "w1", "s1", "www")
    order = [
        text.index(part) for part in ("tenantry/suspended/w1", "snippets/site.conf", "tenantry/https/shop.test.con[f]")
    ]
    assert order == sorted(order)
