"""What a restored database takes over from the servers, and whom it does not believe."""

from __future__ import annotations

from orchestrator.plan.fences import MARGIN, Known, Seen, catch_up

KNOWN = Known(token=500, uid=20_010, generations={1: 3, 2: 1})


def test_a_database_that_is_ahead_takes_nothing_over() -> None:
    found = catch_up(KNOWN, [Seen(server="web1", token=500, uid=20_010, generations={1: 3, 2: 1})])
    assert (found.token, found.uid, found.ahead, found.unknown, found.disbelieved) == (0, 0, {}, {}, ())
    assert catch_up(KNOWN, []).token == 0


def test_the_highest_of_all_servers_counts() -> None:
    seen = [
        Seen(server="web1", token=700, uid=20_012, generations={1: 5, 3: 2}),
        Seen(server="mail1", token=900, uid=0, generations={1: 4, 2: 1, 3: 4}),
    ]
    found = catch_up(KNOWN, seen)
    assert (found.token, found.uid) == (900 + MARGIN, 20_012)
    assert (found.ahead, found.unknown) == ({1: 5}, {3: 4})


def test_a_server_that_would_use_the_numbers_up_is_not_believed() -> None:
    liars = [
        Seen(server="token", token=2**63 - 1, uid=0),
        Seen(server="uid", token=0, uid=2**31 - 1),
        Seen(server="generation", token=0, uid=0, generations={1: 2**40}),
    ]
    honest = Seen(server="honest", token=501, uid=0)
    found = catch_up(KNOWN, [*liars, honest])
    assert found.disbelieved == ("token", "uid", "generation")
    assert (found.token, found.uid, found.ahead) == (501 + MARGIN, 0, {})
