"""A page asked for fifty times a second while something happens to it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from demo import outside
from demo.installation import Installation
from tests.acceptance.stories import world

RATE = 50  # requests a second


@contextmanager
def under_load(
    site: Installation, name: str, path: str, text: str, schemes: Sequence[str] = ("http",)
) -> Iterator[list[str]]:
    """Ask at a steady rate, by the schemes in turn; the list holds every answer that was not a page with this text."""
    wrong: list[str] = []
    sent: list[float] = []
    stop = threading.Event()
    address = world.address(site, "web1")

    def ask(scheme: str) -> None:
        try:
            status, body = outside.page(address, name, path=path, tls=scheme == "https")
        except OSError as error:
            wrong.append(f"{scheme}: {error}")
            return
        if status != 200 or text not in body:
            wrong.append(f"{scheme}: {status} {body[:120]}")

    def drive() -> None:
        turns = itertools.cycle(schemes)
        with ThreadPoolExecutor(16) as pool:
            begin = time.monotonic()
            while not stop.is_set():
                pool.submit(ask, next(turns))
                sent.append(time.monotonic())
                stop.wait(max(begin + len(sent) / RATE - time.monotonic(), 0))

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield wrong
    finally:
        stop.set()
        thread.join()
    span = sent[-1] - sent[0]
    assert len(sent) / span > RATE * 0.8, f"only {len(sent) / span:.1f} requests a second"
