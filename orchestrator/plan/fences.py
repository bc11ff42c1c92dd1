"""After a restored backup: what the database has to catch up with, so that no server takes its work for overtaken."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

# Servers that cannot be asked now may have seen tokens that are a little higher than those of the others.
MARGIN = 1_000_000
# No installation has come this far since its backup: a server that says more is wrong, or lies to use the numbers up.
_FARTHEST = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one server remembers."""

    server: str
    token: int  # highest of all services
    uid: int  # highest UNIX user id of an account of ours
    generations: Mapping[int, int] = field(default_factory=dict)  # by service


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the database remembers."""

    token: int
    uid: int
    generations: Mapping[int, int]


@dataclass(frozen=True, kw_only=True)
class CatchUp:
    """What the database has to take over. Nothing in it when the database is ahead of every server."""

    token: int  # that the counter has to be raised to; 0: it is high enough
    uid: int  # the same for UNIX user ids
    ahead: Mapping[int, int]  # services of which servers know a newer request: generation
    unknown: Mapping[int, int]  # services that the database does not know at all
    disbelieved: tuple[str, ...]  # servers whose numbers cannot be ours


def catch_up(known: Known, seen: Collection[Seen]) -> CatchUp:
    """Return what the servers are ahead in."""
    believed = [one for one in seen if _is_credible(known, one)]
    newest: dict[int, int] = {}
    for one in believed:
        for service, generation in one.generations.items():
            newest[service] = max(generation, newest.get(service, 0))
    token = max((one.token for one in believed), default=0)
    uid = max((one.uid for one in believed), default=0)
    return CatchUp(
        token=token + MARGIN if token > known.token else 0,
        uid=uid if uid > known.uid else 0,
        ahead={id_: number for id_, number in newest.items() if number > known.generations.get(id_, number)},
        unknown={id_: number for id_, number in newest.items() if id_ not in known.generations},
        disbelieved=tuple(one.server for one in seen if one not in believed),
    )


def _is_credible(known: Known, one: Seen) -> bool:
    farthest = max(one.generations.values(), default=0)
    return one.token <= known.token + _FARTHEST and one.uid <= known.uid + _FARTHEST and farthest <= _FARTHEST
