"""python -m orchestrator, and the console script `tenantry`."""

from __future__ import annotations

from orchestrator.cli.main import cli, main
from orchestrator.web.serve import serve

cli.command("serve")(serve)

if __name__ == "__main__":
    main()
