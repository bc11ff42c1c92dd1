"""A year of many certificates on an injected clock: the automation's own rules against a CA that keeps its limits."""
