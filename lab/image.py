"""The base image: one read-only Debian tree that every node's disk is laid over."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import locks, packages
from lab.config import LOGIN, Lab
from lab.errors import LabError, MissingError
from lab.process import run

CUSTOMIZE = Path(__file__).parent / "scripts" / "customize.sh"
BUILD_LIMIT = 1800.0
# How the machine reaches its mirror (proxies, certificates, clock checks) has to hold for the build too.
_APT_SETTING = re.compile(r"Acquire::(http|https|ftp|Retries|Check-Valid-Until|Check-Date)\b.*")
_DPKG_EXCLUDES = ("/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")


def key() -> str:
    """Name the image that the present package list and build script make."""
    text = "\n".join([packages.RELEASE, *packages.ALL, LOGIN, CUSTOMIZE.read_text()])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def path(lab: Lab) -> Path:
    """Return where that image is or will be."""
    return lab.cache / f"image-{key()}"


def ensure(lab: Lab) -> tuple[Path, float]:
    """Build the image unless it is there; return its folder and the seconds the build took."""
    lab.cache.mkdir(parents=True, exist_ok=True, mode=0o755)
    with locks.held(lab.cache, wait=BUILD_LIMIT):
        target = path(lab)
        if target.is_dir():
            return target, 0.0
        started = time.monotonic()
        with _scratch(lab.cache) as scratch:
            _build(lab, scratch)
            # The rename is the last step: a build that was interrupted never looks like an image.
            (scratch / "root").rename(target)
        return target, time.monotonic() - started


def prune(lab: Lab) -> list[Path]:
    """Remove the images of older package lists and interrupted builds that no node uses any more."""
    used = {link.resolve() for link in lab.state.glob("nodes/*/image")}
    with locks.held(lab.cache, wait=BUILD_LIMIT):
        found = [*lab.cache.glob("image-*"), *lab.cache.glob("build-*")]
        stale = [folder for folder in found if folder.is_dir() and folder not in used | {path(lab)}]
        for folder in stale:
            shutil.rmtree(folder)
    return stale


@contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache))
    folder.chmod(0o755)  # apt downloads as its own unprivileged user
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _build(lab: Lab, scratch: Path) -> None:
    log = lab.cache / "build.log"
    apt = scratch / "apt.conf"
    apt.write_text("".join(f"{line}\n" for line in _apt_settings()))
    selections = scratch / "debconf"
    selections.write_text("postfix postfix/main_mailer_type select Internet Site\n")
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--logfile={log}",
        f"--aptopt={apt}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _DPKG_EXCLUDES),
        "--include=" + ",".join(packages.ALL),
        f'--essential-hook=chroot "$1" debconf-set-selections <{selections}',
        f'--customize-hook=sh {CUSTOMIZE} "$1" {LOGIN}',
        packages.RELEASE,
        str(scratch / "root"),
        *_sources(lab),
    ]
    try:
        run(argv, timeout=BUILD_LIMIT)
    except LabError as error:
        raise LabError("the base image", error.why, f"read {log}") from None


def _sources(lab: Lab) -> list[str]:
    """Return the apt sources of the release: the machine's own, unless a mirror was named."""
    if lab.mirror:
        return [f"deb {lab.mirror} {packages.RELEASE} main"]
    wanted = (packages.RELEASE, f"{packages.RELEASE}-updates", f"{packages.RELEASE}-security")
    targets = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    )
    rows = sorted({tuple(line.split()) for line in targets.stdout.splitlines()})
    found = [f"deb {row[0]} {row[1]} main" for row in rows if row[1:] and row[1] in wanted and row[2] == "main"]
    if not any(line.split()[2] == packages.RELEASE for line in found):
        raise MissingError(
            "the base image",
            f"this machine's apt has no source for {packages.RELEASE}",
            "set TENANTRY_LAB_MIRROR to a Debian mirror",
        )
    return found


def _apt_settings() -> list[str]:
    dump = run(["apt-config", "dump"]).stdout.splitlines()
    return [line for line in dump if _APT_SETTING.fullmatch(line)]
