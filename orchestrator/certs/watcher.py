"""Takes certificates that are due and looks at each; several orchestrators share them by leases."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta

import structlog

from orchestrator.certs import looks
from orchestrator.certs.office import Office
from orchestrator.core.errors import LeaseLost, TenantryError
from orchestrator.models.certificate import CertificateRow
from orchestrator.plan.certificates import machine
from orchestrator.store import certificates
from orchestrator.store.database import session

logger = structlog.get_logger(__name__)

_AT_ONCE = 16  # looks
# Waiting or under way: with 16, the looks at 100,000 working certificates (4.6 a second, each every six hours) would come ever
# later and new ones behind them, for no more than those are begun every five seconds.
_TAKEN = 64
_LEASE = timedelta(minutes=5)  # far longer than four looks one after another may take
_LOST = 50  # orders taken up again in one pass
_PAUSE = timedelta(minutes=5)  # after a look that could not be made


class Watcher:
    """Looks at certificates in threads of its own, so that no other job waits for the DNS."""

    def __init__(self, office: Office, owner: str) -> None:
        self._office, self._owner = office, owner
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="certificates")
        self._lock = threading.Lock()
        self._running: set[Future[None]] = set()

    def poke(self) -> None:
        """Begin to look at what is due, as far as there is room. Nothing due costs two short queries."""
        with self._lock:
            self._running = {one for one in self._running if not one.done()}
            room = _TAKEN - len(self._running)
        with session():
            certificates.lost(_LOST, self._office.now)
            taken = certificates.claim(self._owner, _LEASE, room, self._office.now)
        for row in taken:
            with self._lock:
                self._running.add(self._pool.submit(self._look, row))

    def settle(self, seconds: float) -> None:
        """Wait for the looks that have begun."""
        with self._lock:
            running = set(self._running)
        wait(running, seconds)

    def _look(self, row: CertificateRow) -> None:
        try:
            with session():
                self._carefully(row)
        except TenantryError as error:  # the lease ends by itself
            logger.warning("look not recorded", action="certificate", certificate=row.id, error=str(error))
        except Exception:
            logger.exception("look crashed", action="certificate", certificate=row.id)

    def _carefully(self, row: CertificateRow) -> None:
        """One certificate that cannot be looked at waits a while and keeps no other from its turn."""
        try:
            looks.look(self._office, row)
        except LeaseLost:
            raise
        except TenantryError as error:
            certificates.write(row, machine.deferred(self._office.now + _PAUSE), error=str(error)[:2000])
