"""One attempt: a fresh directory, a connection, one helper process and one run of ansible-playbook.

The helper is forked from a process that has everything in memory already, or started anew: the plain way, always there.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

from orchestrator.core.records import Host
from orchestrator.execute import environment, orders, supervise, target, workspace
from orchestrator.execute.base import Cancelled
from orchestrator.execute.checks import Checked
from orchestrator.execute.settings import WARM, ExecutorSettings
from orchestrator.execute.supervise import Cause, Ended, Helper, See
from orchestrator.execute.text import Mask
from orchestrator.execute.warm.connections import Connections, Lent
from orchestrator.execute.warm.launcher import Launcher
from orchestrator.execute.warm.process import Template

logger = structlog.get_logger(__name__)

_PRIMING = Path(__file__).parent / "warm" / "priming.yml"
_TEMPLATE_SECONDS = 5.0
_NOBODY = Host(name="nobody", address="127.0.0.1", login="nobody", roles=("web",), host_keys=())
_NOTHING = Checked(
    host=_NOBODY,
    playbooks=(_PRIMING,),
    documents=(('{"action": "execute.prime", "params": {}}',),),
    timeouts=(60,),
    check=False,
)


class Attempts:
    """Makes attempts, and holds what they share. Threads may share one."""

    def __init__(self, settings: ExecutorSettings) -> None:
        self._settings = settings
        is_warm = settings.mode == WARM
        self.warm = Launcher(self._template, settings.project_root) if is_warm else None
        self.connections = Connections(self._directory, self._open_connection) if is_warm else None

    def make(self, checked: Checked, cancelled: Cancelled, see: See, is_plain: bool = False) -> Ended:
        """Run the playbooks once; raises OSError when this machine cannot."""
        ended = self._make(checked, cancelled, see, None if is_plain else self.warm)
        if ended.complaint:
            jobs = [json.loads(text) for row in checked.documents for text in row]
            ended.complaint = Mask({"jobs": jobs}).text(ended.complaint)
        if ended.survivors:
            logger.error("processes survived SIGKILL", playbook=str(checked.playbooks[-1]), processes=ended.survivors)
        return ended

    def counts(self) -> Counter[str]:
        """Return what has happened; see Launcher and Pool for the words."""
        found: Counter[str] = Counter()
        for one in (self.warm, self.connections):
            found += one.counts if one else Counter()
        return found

    def close(self) -> None:
        """End the process that attempts are forked from, and the open connections."""
        if self.warm:
            self.warm.close()
        if self.connections:
            self.connections.close()

    def _make(self, checked: Checked, cancelled: Cancelled, see: See, warm: Launcher | None) -> Ended:
        """Make an attempt: forked from a template where there is one, the plain way otherwise."""
        settings = self._settings
        if warm and len(checked.playbooks) > 1:  # to start ansible for each of them takes longer than the template
            warm.is_ready(_TEMPLATE_SECONDS)

        def start(order: Mapping[str, Any], variables: Mapping[str, str], directory: Path) -> Helper:
            channel = lent.interpreter.channel.fileno() if lent.interpreter else None
            helper = warm.start(order, variables, directory, channel) if warm else None
            return helper or supervise.start(order, variables, directory)

        plugin = target.SSH_WITH_INTERPRETER if warm else target.SSH
        with (
            workspace.attempt(
                settings.run_root, checked.host, checked.documents, orders.RUNNER_SETTINGS, connection=plugin
            ) as directory,
            self._connection(checked.host, directory, warm) as lent,
        ):
            order, variables = orders.order(settings, checked, directory), orders.variables(settings, directory)
            ended = supervise.supervise(order, variables, self._limits(checked), cancelled, start, see)
            lent.is_over = ended.cause is Cause.EXIT and not ended.broke_off
            return ended

    def _limits(self, checked: Checked) -> supervise.Limits:
        return supervise.Limits(
            timeout_seconds=checked.timeouts,
            idle_seconds=self._settings.idle_timeout,
            grace_seconds=self._settings.grace_seconds,
            maximum_bytes=self._settings.maximum_bytes + 1_000_000,
            received_bytes=self._settings.received_bytes,
        )

    def _connection(
        self, host: Host, directory: Path, warm: Launcher | None
    ) -> contextlib.AbstractContextManager[Lent]:
        if self.connections and warm:
            return self.connections.shared_with(host, directory)
        return contextlib.nullcontext(Lent())

    def _directory(self, host: Host) -> contextlib.AbstractContextManager[Path]:
        return workspace.attempt(self._settings.run_root, host, [["{}"]], {}, "c")

    def _open_connection(self, host: Host, directory: Path, what: str) -> tuple[list[str], Mapping[str, str]]:
        settings = self._settings
        command = environment.keep_open(directory, host, settings.private_key, settings.connect_timeout, what)
        return command, orders.variables(settings, directory)

    @contextlib.contextmanager
    def _template(self) -> Iterator[Template]:
        """Yield a process that is being primed, and end it."""
        settings, nothing = self._settings, _NOTHING
        with workspace.attempt(
            settings.run_root, nothing.host, nothing.documents, orders.RUNNER_SETTINGS, "t"
        ) as directory:
            order = orders.order(settings, nothing, directory)
            template = Template(order, orders.variables(settings, directory), directory)
            try:
                yield template
            finally:
                template.close()
