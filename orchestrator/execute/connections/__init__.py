"""Connection plugins of ansible for the orchestrator's own runs."""
