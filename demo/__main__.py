"""`make demo` and `make demo-down`."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from pathlib import Path

from demo import certificates, outside
from demo.installation import GROUP, PACKAGE, PROJECT, Failed, Installation, Node
from lab import acme, addresses, config, nodes
from lab.errors import LabError

NODES = tuple(Node(name=name) for name in ("web1", "mail1", "dns1", "dns2"))
_ELSEWHERE = os.environ.get("TENANTRY_DEMO_FOLDER")  # everything of the demo lies there; default: in the repository
FOLDER = Path(_ELSEWHERE or PROJECT / ".tenantry")
DATABASE = (FOLDER if _ELSEWHERE else PROJECT) / "tenantry.db"
_OURS = FOLDER / "demo"  # marks a database that the demo made and may remove


def main() -> int:
    """Run the demo, or remove it; returns the exit code."""
    try:
        return down() if sys.argv[1:] == ["down"] else up()
    except (Failed, LabError, outside.Unproven) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def up() -> int:
    """Boot the lab, order a service and prove it from outside."""
    if DATABASE.exists() and not _OURS.exists():
        raise Failed(f"{DATABASE.name} exists and is not the demo's; move it away first")
    lab = config.load()
    _say("Booting the lab: web1 mail1 dns1 dns2 acme")
    nodes.up(lab)
    site = Installation(FOLDER, lab, f"sqlite:///{DATABASE}")
    _OURS.touch()
    _say("Creating the database and adding four servers, their host keys pinned")
    site.set_up(NODES)
    certificates.use_lab(site)
    if site.pid() is None:
        site.start()
    _say("Preparing the servers (the first time takes a minute)")
    site.prepare(node.name for node in NODES)
    number = len(site.json("service", "list")) + 1
    domain, password = f"shop{number}.test", secrets.token_urlsafe(12)
    _say(f"Ordering service {1000 + number}, {domain}")
    began = time.monotonic()
    order = (
        "service",
        "create",
        "--id",
        str(1000 + number),
        "--domain",
        domain,
        "--package",
        PACKAGE,
        "--group",
        GROUP,
    )
    if site.watch(*order, "--password-stdin", "--wait", given=f"{password}\n") != 0:
        raise Failed(f"the order did not end in an active service; see {site.log}")
    _say(f"Active after {time.monotonic() - began:.1f} s. Now from outside:")
    _prove(site, domain, password)
    _say("Certificates come by themselves; waiting for those of web and mail")
    _prove_certificates(site, 1000 + number, domain)
    _say(f"The lab is running. Look around: {_command()} service list; end it with `make demo-down`.")
    return 0


def _prove(site: Installation, domain: str, password: str) -> None:
    web, mail, *dns = (addresses.of(site.lab, node.name).ipv4 for node in NODES)
    for tls in (False, True):
        status, body = outside.page(web, f"www.{domain}", tls=tls)
        if status != 200 or outside.WELCOME not in body:
            raise outside.Unproven(f"the page of www.{domain} answers {status}")
        _done(f"{'https' if tls else 'http'}://www.{domain}/ answers 200, {len(body)} bytes")
    one, other = (outside.zone(server, domain, outside.DEFAULT_NAMES) for server in dns)
    if one != other:
        raise outside.Unproven(f"dns1 and dns2 answer differently for {domain}")
    _done(f"dns1 and dns2 give the same {sum(map(len, one.values()))} answers for {domain}")
    box = f"postmaster@{domain}"
    identity = outside.send(mail, box, password, box, "Hello from the demo.")
    raw = outside.read(mail, box, password, identity)
    _done(f"a message sent over SMTP arrived in {box} and was read over IMAP")
    _done(f"its DKIM signature matches the published key: {outside.signature(raw, dns[0])}")


def _prove_certificates(site: Installation, service: int, domain: str) -> None:
    began = time.monotonic()
    certificates.await_active(site, service)
    _done(f"both are in use {time.monotonic() - began:.1f} s later")
    web, mail, root = (
        addresses.of(site.lab, "web1").ipv4,
        addresses.of(site.lab, "mail1").ipv4,
        acme.issuing_root(site.lab),
    )
    for name in (domain, f"www.{domain}"):
        certificates.https(web, name, root)
        _done(f"https://{name}/ is trusted by a client that knows only the lab's CA")
    certificates.imaps(mail, f"mail.{domain}", root)
    certificates.submission(mail, f"mail.{domain}", root)
    _done(f"IMAPS and submission of mail.{domain} are trusted, too")


def down() -> int:
    """End the orchestrator and the lab, and remove what the demo made."""
    lab = config.load()
    if _OURS.exists():
        Installation(FOLDER, lab).end()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{DATABASE}{suffix}").unlink(missing_ok=True)
        shutil.rmtree(FOLDER)
    removed = nodes.down(lab)
    _say(f"Removed {' '.join(removed) or 'nothing: the lab was not running'}")
    return 0


def _command() -> str:
    return f"TENANTRY_HOME={FOLDER.name} {os.path.relpath(Path(sys.executable).parent)}/tenantry"


def _say(text: str) -> None:
    print(f"\n▸ {text}", flush=True)


def _done(text: str) -> None:
    print(f"  ✓ {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
