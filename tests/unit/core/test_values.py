"""What customers give for databases, logins, jobs, addresses: the orchestrator never lets through what a node refuses."""

from __future__ import annotations

import pytest
from ansible_collections.tenantry.hosting.plugins.module_utils import mail_names, web_keys, web_names
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from orchestrator.core import values
from orchestrator.core.errors import InvalidInput


def line(key: ed25519.Ed25519PublicKey | rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    """Return a key as a .pub file has it."""
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


KEYS = [
    line(ed25519.Ed25519PrivateKey.generate().public_key()),
    line(rsa.generate_private_key(65537, 2048).public_key()),
    *(line(ec.generate_private_key(curve).public_key()) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.split()[0])
def test_a_key_loses_its_comment_and_nothing_else(key: str) -> None:
    assert values.public_key(f" {key} me@home and more\n") == key
    assert web_keys.public_keys([values.public_key(key)]) == [key]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.split()[0])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-6],
        lambda key: key + "AAAA",
        lambda key: 'no-pty,command="id" ' + key,
        lambda key: key.replace(" AAAA", " AAAB", 1),
        lambda key: key.replace(" ", "\t", 1),
        lambda key: key.split()[1],
        lambda key: "ssh-ed25519-cert-v01@openssh.com " + key.split()[1],
    ],
)
def test_a_key_that_is_not_whole_is_refused(key: str, spoil: object) -> None:
    with pytest.raises(InvalidInput):
        values.public_key(spoil(key))  # type: ignore[operator]


def test_the_names_of_objects_fit_the_nodes() -> None:
    assert web_names.database(values.below("w1", "a_1", 64), "w1") == "w1_a_1"
    longest = values.below("w1", "a" * 61, values.DATABASE_MAXIMUM)
    assert web_names.database(longest, "w1") == longest
    login = values.below("w1001", "a" * 26, values.LOGIN_MAXIMUM)
    assert web_names.login(login, "w1001") == login
    with pytest.raises(InvalidInput):
        values.below("w1001", "a" * 27, values.LOGIN_MAXIMUM)


@pytest.mark.parametrize("value", ["www", "www/a", "www/a.b/C-d_e", "www/" + "a" * 64])
def test_a_folder_fits_the_node(value: str) -> None:
    assert web_names.folder(values.folder(value)) == value


@pytest.mark.parametrize("value", ["http://127.0.0.1:1024", "http://[::1]:65535", "http://localhost:3000/"])
def test_an_upstream_fits_the_node(value: str) -> None:
    assert web_names.upstream(values.upstream(value))[1] >= 1024


@pytest.mark.parametrize("value", ["a", "a-1", "0", "a" * 32])
def test_a_cron_name_fits_the_node(value: str) -> None:
    assert web_names.job(values.cron_name(value)) == value


@pytest.mark.parametrize("value", ["true", 'php -r \'echo "%";\' > "$HOME/x" 2>&1', "echo Zoë", " x" * 500])
def test_a_command_fits_the_node(value: str) -> None:
    assert web_names.command(values.command(value)) == value


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("me@Else.Example", "me@else.example"),
        ("O'Neil+tag@bücher.example", "O'Neil+tag@xn--bcher-kva.example"),
        ("a=b~c_@x.example", "a=b~c_@x.example"),
    ],
)
def test_a_destination_fits_the_node(given: str, canonical: str) -> None:
    assert values.destination(given) == canonical
    assert mail_names.destination(canonical) == canonical
