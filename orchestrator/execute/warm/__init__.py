"""Attempts that need not start Python and ansible first: a process that has run a play forks one child for each."""
