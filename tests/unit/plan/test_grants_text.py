"""Rights read from what SHOW GRANTS prints and from grants.sql."""

from __future__ import annotations

from orchestrator.plan.grants import Right, describe, only_reads, parse, statements

SHOWN = [
    "GRANT USAGE ON *.* TO `billing`@`%` IDENTIFIED BY PASSWORD '*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29'",
    "GRANT SELECT ON `tenantry`.`v_services` TO `billing`@`%`",
    "GRANT SELECT (`status`, `id`), UPDATE (`cancel_requested`) ON `tenantry`.`tasks` TO `billing`@`%`",
]


def test_what_the_server_prints_equals_what_the_file_says() -> None:
    file = """-- GRANT ALL ON everything TO nobody;
CREATE USER IF NOT EXISTS billing@'%';
GRANT SELECT (id, status),
      UPDATE (cancel_requested)
ON tasks TO billing@'%';
GRANT SELECT ON v_services TO billing@'%';"""
    wanted = parse(statements(file), "tenantry")
    assert wanted == parse(SHOWN, "tenantry")
    assert Right("SELECT", "tenantry.tasks", "status") in wanted
    assert describe(wanted, parse(SHOWN, "tenantry")) == ""


def test_more_less_a_role_and_the_right_to_hand_on_are_told() -> None:
    wanted = parse(SHOWN, "tenantry")
    more = [*SHOWN[:2], "GRANT `boss` TO `billing`@`%`", "GRANT ALL PRIVILEGES ON `tenantry`.* TO x WITH GRANT OPTION"]
    told = describe(wanted, parse(more, "tenantry"))
    for part in (
        "may also ALL PRIVILEGES on tenantry.*",
        "GRANT OPTION on tenantry.*",
        "role boss",
        "lacks SELECT (id) on",
    ):
        assert part in told, told
    assert "94BD" not in told


def test_an_account_that_makes_backups_only_reads() -> None:
    assert only_reads(parse(["GRANT SELECT, LOCK TABLES, SHOW VIEW ON `tenantry`.* TO b"], "tenantry"))
    assert not only_reads(parse(["GRANT SELECT, INSERT ON `tenantry`.* TO b"], "tenantry"))
    assert not only_reads(parse(SHOWN, "tenantry"))
