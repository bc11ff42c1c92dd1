"""Every value that reaches a path or a configuration file of a web node has passed a whole-value grammar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import grammar, web_names
from ansible_collections.tenantry.hosting.plugins.module_utils.step import StepFailed

HOSTILE = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "-x",
    "a;b",
    "a b",
    "a\nb",
    "shop.test\n",
    "a\0b",
    "a{b}",
    "$host",
    "`id`",
    "$(id)",
    "a'b",
    'a"b',
    "a#b",
    "a\\b",
    "%2e%2e",
    "{{ 7*7 }}",
    "{% x %}",
    "a\u2028b",
    "shop\uff0etest",
    "SHOP.TEST",
    "*.shop.test",
    "shop.test.",
    "x" * 64 + ".test",
    "a." * 130 + "test",
    "192.0.2.1",
    "[::1]",
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "check",
    [
        grammar.domain,
        web_names.username,
        web_names.document_root,
        web_names.php_version,
        web_names.upstream,
        lambda value: web_names.php_functions([value]),
        lambda value: web_names.site_names("shop.test", [value]),
    ],
)
def test_hostile_text_is_refused_as_invalid(check: Callable[[str], Any], value: str) -> None:
    with pytest.raises(StepFailed) as failure:
        check(value)
    assert failure.value.reason == "invalid"
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("value", ["root\n", "s1001;x", "S1001", "../s1001", "1001"])
def test_a_hostile_owner_is_refused(value: str) -> None:
    with pytest.raises(StepFailed):
        grammar.owner(value)


def test_good_values_come_back_as_they_are() -> None:
    assert grammar.domain("xn--bcher-kva.example") == "xn--bcher-kva.example"
    assert web_names.username("w1001") == "w1001"
    assert web_names.document_root("www/public/v1.2_a") == "www/public/v1.2_a"
    assert (grammar.owner(None), grammar.owner(""), grammar.owner("s1001")) == ("", "", "s1001")
    assert web_names.site_names("a.test", ["www.a.test", "a.test", "b.test"]) == ["a.test", "www.a.test", "b.test"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://127.0.0.1:3000", ("127.0.0.1", 3000)),
        ("http://localhost:65535/", ("127.0.0.1", 65535)),
        ("http://[::1]:1024", ("[::1]", 1024)),
    ],
)
def test_an_upstream_on_the_loopback_is_taken(value: str, expected: tuple[str, int]) -> None:
    assert web_names.upstream(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1:80",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:03000",
        "http://127.0.0.2:3000",
        "http://10.0.0.1:3000",
        "http://127.0.0.1:3000/path",
        "http://user@127.0.0.1:3000",
        "http://127.0.0.1.evil.test:3000",
        "https://127.0.0.1:3000",
        "unix:/run/tenantry/php/w1002-8.2.sock",
        "http://127.0.0.1:3000;",
    ],
)
def test_any_other_upstream_is_refused(value: str) -> None:
    with pytest.raises(StepFailed):
        web_names.upstream(value)


@pytest.mark.parametrize("value", [-1, 0, 999, 1000, 9999, 60000, 65534, 65535, 2**31])
def test_a_number_of_the_systems_own_is_refused(value: int) -> None:
    with pytest.raises(StepFailed):
        web_names.uid(value)


def test_more_names_than_a_certificate_holds_are_refused() -> None:
    assert len(web_names.site_names("a.test", [f"n{number}.test" for number in range(99)])) == 100
    with pytest.raises(StepFailed):
        web_names.site_names("a.test", [f"n{number}.test" for number in range(100)])
