"""Words of a node, made fit for people: no control characters, bounded, no secrets."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "(hidden)"
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|sealed|hash|private_key|api_key|key_pem)(?:_|$)"
)
_SHORTEST = 6  # a shorter value would hide ordinary words
_SHORTEST_LINE = 16  # of a secret that has several
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)


def clean(text: str, keep_lines: bool = False) -> str:
    """Return ``text`` without terminal sequences and characters that do not print."""
    kept = _ESCAPE.sub("", text)
    return "".join(
        character if unicodedata.category(character)[0] != "C" or (keep_lines and character in "\n\t") else " "
        for character in kept
    )


def sentence(text: str, limit: int = 500) -> str:
    """Return ``text`` as one bounded line."""
    words = " ".join(clean(text[: limit * 8]).split())
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


class Mask:
    """Hides the secrets of one job wherever they turn up."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        forms = {form for secret in _secrets(job, False) for form in _forms(secret)}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """Return ``text`` with every secret replaced."""
        shown = _PEM.sub(HIDDEN, text)
        return self._pattern.sub(HIDDEN, shown) if self._pattern else shown

    def value(self, value: Any) -> Any:
        """Return a JSON value with every secret inside its texts replaced."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(inner) for inner in value]
        return value


def _secrets(value: Any, inside: bool) -> Iterator[str]:
    """Yield the texts below a key that names a secret."""
    if isinstance(value, str) and inside and len(value) >= _SHORTEST:
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets(inner, inside or bool(_SECRET_NAME.search(str(key).lower())))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _secrets(inner, inside)


def _forms(secret: str) -> Iterator[str]:
    """Yield how a secret may be written: as it is, as JSON, without its "{SCHEME}", and line by line."""
    yield secret
    scheme, brace, rest = secret.partition("}")
    if scheme.startswith("{") and brace and len(rest) >= _SHORTEST:
        yield rest
    yield json.dumps(secret)[1:-1]
    lines = [line.strip() for line in secret.splitlines()]
    yield from (line for line in lines if len(line) >= _SHORTEST_LINE and not line.startswith("-----"))
