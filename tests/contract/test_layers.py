"""One direction: a file imports only from lower levels, never from a sibling, and never inside a function."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "orchestrator"
LEVELS = {
    "core": 0,
    "config": 1,
    "models": 2,
    "plan": 3,
    "store": 4,
    "execute": 5,
    "dispatch": 6,
    "certs": 6,
    "usage": 6,
    "lifecycle": 6,
    "notify": 7,
    "scheduler": 8,
    "logs": 8,
    "app": 9,
    "engine": 10,
    "cli": 11,
    "web": 11,
    "__main__": 12,
}


def package_of(module: str) -> str:
    """Return the package (or top-level module) below `orchestrator`."""
    return module.split(".")[1] if "." in module else ""


def imports(tree: ast.AST) -> list[tuple[str, ast.AST]]:
    """Return every import of the project with the node it stands in."""
    found: list[tuple[str, ast.AST]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("orchestrator"):
            names = [node.module] if "." in str(node.module) else [f"{node.module}.{one.name}" for one in node.names]
            found += [(str(name), node) for name in names]
        elif isinstance(node, ast.Import):
            found += [(one.name, node) for one in node.names if one.name.startswith("orchestrator")]
    return found


def test_every_import_points_downwards() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        relative = path.relative_to(ROOT)
        own = relative.parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for module, _ in imports(ast.parse(path.read_text())):
            other = package_of(module)
            if other in ("", "__version__") or other == own:
                continue
            if LEVELS[other] >= LEVELS[own]:
                wrong.append(f"{relative} imports {module}")
    assert wrong == []


def test_no_import_hides_inside_a_function() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                wrong += [
                    f"{path.name}:{node.name}" for one in ast.walk(node) if isinstance(one, ast.Import | ast.ImportFrom)
                ]
    assert wrong == []


def test_modules_form_no_circle() -> None:
    graph = {}
    for path in ROOT.rglob("*.py"):
        name = ".".join(("orchestrator", *path.relative_to(ROOT).with_suffix("").parts))
        graph[name] = {module for module, _ in imports(ast.parse(path.read_text()))}
    seen: dict[str, str] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if seen.get(name) != "done":
            for module in graph.get(name, ()):
                visit(module, (*trail, name))
            seen[name] = "done"

    for name in graph:
        visit(name, ())


def test_the_levels_name_every_package() -> None:
    packages = {
        path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in ("__pycache__", "migrations")
    }
    assert packages <= set(LEVELS)


def test_a_command_that_only_looks_loads_nothing_that_runs() -> None:
    heavy = ("acme", "ansible_runner", "apscheduler", "dns", "fastapi", "orchestrator.engine", "requests")
    names = ("main", "services", "tasks", "log", "usage", "settings")
    code = (
        f"import sys, {', '.join(f'orchestrator.cli.{name}' for name in names)}; "
        f"print([one for one in {heavy} if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT.parent)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
