-- What a billing system may do in the database, and no more: insert tasks, ask for a stop, read what is meant for it.
-- MariaDB only; SQLite has no accounts, so there a billing system must not share the file.
--
--   tenantry init                                   creates the tables first
--   mariadb tenantry < orchestrator/migrations/grants.sql
--   mariadb -e "ALTER USER billing@'%' IDENTIFIED BY '…'"
--
-- The account is named billing and comes from anywhere; narrow '%' down to the billing system's address. It is locked
-- until it has a password. A column that is used in WHERE needs SELECT as well. Running the file again is harmless.

CREATE USER IF NOT EXISTS billing@'%' IDENTIFIED BY PASSWORD '*0000000000000000000000000000000000000000';

GRANT INSERT (action, service_id, params, idempotency_key, requested_by, priority, run_after),
      SELECT (id, action, service_id, idempotency_key, requested_by, priority, run_after, operation_id, status, attempts,
              cancel_requested, created_at, started_at, finished_at, error),
      UPDATE (cancel_requested)
ON tasks TO billing@'%';

GRANT SELECT ON v_services TO billing@'%';
GRANT SELECT ON v_tasks TO billing@'%';
GRANT SELECT ON v_timeline TO billing@'%';
GRANT SELECT ON v_usage TO billing@'%';
GRANT SELECT ON v_certificates TO billing@'%';
