"""The command line: one noun a file. It parses, calls and prints."""

from __future__ import annotations
