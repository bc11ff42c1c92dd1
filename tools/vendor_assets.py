"""Fetches the browser-side libraries anew from the npm registry: `python -m tools.vendor_assets`.

They are part of the package, so that neither an installation nor a page needs another host. `vendor.json` beside them says what
lies there: version, and the SHA-256 of each file. `--check` compares without fetching.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

FOLDER = Path(__file__).resolve().parents[1] / "orchestrator" / "web" / "assets" / "vendor"
REGISTRY = "https://registry.npmjs.org"
_SECONDS = 60
_LARGEST = 20 * 2**20


@dataclass(frozen=True)
class Library:
    """What is taken of one package: files in it, and what they are called here."""

    name: str
    version: str
    licence: str
    files: dict[str, str]


LIBRARIES = (
    Library("htmx.org", "2.0.8", "0BSD", {"dist/htmx.min.js": "htmx.min.js", "LICENSE": "htmx.LICENSE.txt"}),
    Library("@picocss/pico", "2.1.1", "MIT", {"css/pico.min.css": "pico.min.css", "LICENSE.md": "pico.LICENSE.txt"}),
    Library(
        "uplot",
        "1.6.32",
        "MIT",
        {
            "dist/uPlot.iife.min.js": "uplot.min.js",
            "dist/uPlot.min.css": "uplot.min.css",
            "LICENSE": "uplot.LICENSE.txt",
        },
    ),
)


def main() -> int:
    """Fetch, or check; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.vendor_assets", description=__doc__)
    parser.add_argument("--check", action="store_true", help="say whether the files are those of vendor.json")
    if parser.parse_args().check:
        return check()
    FOLDER.mkdir(parents=True, exist_ok=True)
    entries = [fetch(library) for library in LIBRARIES]
    (FOLDER / "vendor.json").write_text(json.dumps(entries, indent=2) + "\n")
    return 0


def fetch(library: Library) -> dict[str, Any]:
    """Write a library's files and return its entry; the archive must be what the registry says it is."""
    document = requests.get(f"{REGISTRY}/{library.name}/{library.version}", timeout=_SECONDS)
    document.raise_for_status()
    dist = document.json()["dist"]
    archive = requests.get(dist["tarball"], timeout=_SECONDS)
    archive.raise_for_status()
    verify(library.name, archive.content, dist["integrity"])
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive.content)) as opened:
        for inside, here in library.files.items():
            content = _member(opened, f"package/{inside}")
            (FOLDER / here).write_bytes(content)
            files[here] = hashlib.sha256(content).hexdigest()
    entry = {"name": library.name, "version": library.version, "licence": library.licence}
    return {**entry, "integrity": dist["integrity"], "files": files}


def verify(name: str, content: bytes, integrity: str) -> None:
    """End with a message unless the archive has the digest of the registry's document (Subresource Integrity)."""
    kind, _, wanted = integrity.partition("-")
    found = base64.b64encode(hashlib.new(kind, content).digest()).decode()
    if len(content) > _LARGEST or found != wanted:
        sys.exit(f"{name}: the archive is not what the registry describes; fetch again, and look closely")


def _member(opened: tarfile.TarFile, path: str) -> bytes:
    handle = opened.extractfile(path)
    if handle is None:
        sys.exit(f"{path} is no file of the archive")
    return handle.read()


def check() -> int:
    """Return 0 when every file has the digest that vendor.json gives, and no other lies there."""
    entries = json.loads((FOLDER / "vendor.json").read_text())
    wanted = {name: digest for entry in entries for name, digest in entry["files"].items()}
    present = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.iterdir()}
    present.pop("vendor.json", None)
    for name in sorted(wanted.keys() | present.keys()):
        if wanted.get(name) != present.get(name):
            print(f"{name} is not what vendor.json says; run `python -m tools.vendor_assets`")
    return int(wanted != present)


if __name__ == "__main__":
    sys.exit(main())
