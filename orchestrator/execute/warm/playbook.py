"""ansible-playbook's command line in a process that has it in memory, without starting it.

What ansible remembers of a command for the rest of its process is listed here, and forgotten between the priming play and
the forks. The names are ansible-core's own and not promised by it: where one is missing, or a setting differs that is read
only once, nothing is run here and the attempt starts ansible the plain way.
"""

from __future__ import annotations

import functools
import gc
import inspect
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ansible.cli
from ansible import constants, context
from ansible.cli.arguments import option_helpers
from ansible.cli.playbook import PlaybookCLI
from ansible.executor.task_queue_manager import TaskQueueManager
from ansible.parsing.vault import VaultSecretsContext
from ansible.plugins import loader
from ansible.utils import vars as command_variables
from ansible.utils.context_objects import CLIArgs, GlobalCLIArgs
from ansible.vars import plugins as vars_plugins

# Read anew for every command; everything else must be as it was when this process started.
EACH_ITS_OWN = frozenset(
    {
        *("ANSIBLE_CONFIG", "ANSIBLE_HOME", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_SSH_ARGS", "ANSIBLE_PRIVATE_KEY_FILE"),
        *("ANSIBLE_TIMEOUT", "ANSIBLE_SSH_RETRIES", "AWX_ISOLATED_DATA_DIR"),
        *("HOME", "TMPDIR", "JOB_ID", "MAX_EVENT_RES", "PWD", "TENANTRY_ATTEMPT"),
    }
)
_CACHE = "ansiballz_cache"  # ansible's name for it, below its temporary folder
_WORKER_SECONDS = 10.0
# New objects after which a fork looks for garbage. It lives for a second: with Python's 700 a tenth of that went into looking.
_OBJECTS = 50_000
_PRELOADED = (
    (loader.connection_loader, "ssh"),
    (loader.become_loader, "sudo"),
    (loader.shell_loader, "sh"),
    (loader.action_loader, "normal"),
    (loader.action_loader, "ansible.builtin.validate_argument_spec"),
    (loader.lookup_loader, "ansible.builtin.file"),
)


def differs(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the variables that must not differ and do."""
    return sorted(
        name for name in before.keys() | now.keys() if before.get(name) != now.get(name) and name not in EACH_ITS_OWN
    )


def run(arguments: Sequence[str], environment: Mapping[str, str], cache: Path | None = None) -> int:
    """Run a command line of ansible-playbook in this process and return its exit code.

    ``cache`` is the folder in which modules are kept as they are sent; they hold no arguments.
    """
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    _read_settings()
    _send_events_to_this_attempt()
    if cache:
        Path(constants.DEFAULT_LOCAL_TMP, _CACHE).symlink_to(cache)
    sys.argv = list(arguments)
    try:
        PlaybookCLI.cli_executor(list(arguments))
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
    return 0


def _send_events_to_this_attempt() -> None:
    """Make ansible-runner's callback begin anew: the folder of its events was read when it was imported."""
    for events in _event_contexts():
        events.__init__()


def _event_contexts() -> list[Any]:
    loaded = vars(loader.callback_loader)["_module_cache"].values()
    return [module.event_context for module in loaded if hasattr(module, "event_context")]


def _read_settings() -> None:
    """Set what ansible reads once, when it is imported, and what is another for every attempt: paths of private folders."""
    for name in _own_settings():
        constants.set_constant(name, constants.config.get_config_value(name, variables=vars(constants)))


@functools.cache
def _own_settings() -> list[str]:
    definitions = constants.config.get_configuration_definitions()
    return [name for name, about in definitions.items() if _is_own(about)]


def _is_own(about: Mapping[str, Any]) -> bool:
    """True for a setting that differs; folders of plugins below ansible's home do not: the plugins' loaders have theirs."""
    variables = {entry.get("name") for entry in about.get("env") or ()}
    is_at_home = "ANSIBLE_HOME" in str(about.get("default")) and about.get("type") != "pathspec"
    return bool(variables & EACH_ITS_OWN) or is_at_home


def preload() -> None:
    """Import what the priming play has not, or only in a process of its own that has ended."""
    for plugins, name in _PRELOADED:
        plugins.get(name, class_only=True)
    # asked for once for every option of the command line, of which there are forty in five kinds
    option_helpers.inspect = types.SimpleNamespace(signature=functools.cache(inspect.signature))


def forget() -> None:
    """Forget the command that has run, so that the next is the first of its process. RuntimeError when that is not possible."""
    GlobalCLIArgs._Singleton__instance = None
    context.CLIARGS = CLIArgs({})
    VaultSecretsContext._current = None
    for remembered in (command_variables.load_extra_vars, command_variables.load_options_vars):
        vars(remembered).clear()
    for function in vars(vars_plugins).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    ansible.cli.init_plugin_loader = _initialised
    if not _event_contexts():
        raise RuntimeError("ansible-runner's callback is not where it is looked for")
    if threading.active_count() != 1:
        raise RuntimeError("the play that was run has left a thread behind")
    _forget_workers()
    gc.freeze()  # a collection in a fork does not touch, and so copy, what was there before
    gc.set_threshold(_OBJECTS, 10, 10)


def _forget_workers() -> None:
    """Take leave of the play's processes: what is left of one closes, in a fork, open files that are not its own.

    ansible's handlers of signals hold the last of them.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for worker in multiprocessing.active_children():
        worker.join(_WORKER_SECONDS)
    gc.collect()
    left = [one for one in gc.get_objects() if issubclass(type(one), (multiprocessing.Process, TaskQueueManager))]
    if left:
        raise RuntimeError(f"the play that was run has left {left[0]!r}")


def _initialised(prefix_collections_path: Sequence[str] | None = None) -> None:
    """The collections' loader is there already; a second one is refused with a warning."""
    del prefix_collections_path
