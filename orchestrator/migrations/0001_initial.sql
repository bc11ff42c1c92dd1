-- The first schema. ${...} are the words in which SQLite and MariaDB differ; see orchestrator/store/schema.py.
-- Statements end with a semicolon at the end of a line.

CREATE TABLE IF NOT EXISTS servers (
    id ${serial},
    name VARCHAR(63) NOT NULL UNIQUE,
    address VARCHAR(253) NOT NULL,
    port INTEGER NOT NULL DEFAULT 22,
    login VARCHAR(32) NOT NULL DEFAULT 'deploy',
    hostname VARCHAR(253) NOT NULL DEFAULT '',
    ipv4 VARCHAR(15) NOT NULL DEFAULT '',
    ipv6 VARCHAR(45) NOT NULL DEFAULT '',
    roles VARCHAR(63) NOT NULL,
    status VARCHAR(16) NOT NULL DEFAULT 'active',
    concurrency INTEGER NULL,
    capacity INTEGER NOT NULL DEFAULT 0,
    host_keys TEXT NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    circuit_until ${datetime} NULL,
    last_seen_at ${datetime} NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE TABLE IF NOT EXISTS server_groups (
    id ${serial},
    name VARCHAR(63) NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE TABLE IF NOT EXISTS group_members (
    group_id INTEGER NOT NULL,
    server_id INTEGER NOT NULL,
    PRIMARY KEY (group_id, server_id)
)${table};

CREATE TABLE IF NOT EXISTS packages (
    id ${serial},
    name VARCHAR(63) NOT NULL UNIQUE,
    limits TEXT NOT NULL,
    active BOOLEAN NOT NULL DEFAULT 1,
    created_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE TABLE IF NOT EXISTS counters (
    name VARCHAR(32) NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
)${table};

${insert_or_ignore} INTO counters (name, value) VALUES ('fence', 0), ('uid', 20000);

CREATE TABLE IF NOT EXISTS settings (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    value VARCHAR(255) NOT NULL,
    changed_by VARCHAR(64) NOT NULL,
    changed_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE TABLE IF NOT EXISTS services (
    id BIGINT NOT NULL PRIMARY KEY,
    domain VARCHAR(253) NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'pending',
    mode VARCHAR(16) NOT NULL,
    roles VARCHAR(63) NOT NULL,
    group_id INTEGER NOT NULL,
    package_id INTEGER NOT NULL,
    limits TEXT NOT NULL,
    username VARCHAR(32) NOT NULL UNIQUE,
    uid INTEGER NOT NULL UNIQUE,
    password_hash VARCHAR(255) NOT NULL DEFAULT '',
    contact_email VARCHAR(254) NOT NULL DEFAULT '',
    php_version VARCHAR(8) NOT NULL DEFAULT '',
    proxy_template VARCHAR(16) NOT NULL DEFAULT 'php',
    proxy_upstream VARCHAR(255) NOT NULL DEFAULT '',
    dkim_selector VARCHAR(63) NOT NULL DEFAULT '',
    dkim_public_key TEXT NOT NULL,
    zone_serial BIGINT NOT NULL DEFAULT 0,
    zone_digest VARCHAR(64) NOT NULL DEFAULT '',
    generation INTEGER NOT NULL DEFAULT 0,
    operation_id BIGINT NULL,
    error TEXT NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    updated_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE INDEX IF NOT EXISTS services_status ON services (status);

CREATE TABLE IF NOT EXISTS placements (
    service_id BIGINT NOT NULL,
    role VARCHAR(8) NOT NULL,
    server_id INTEGER NOT NULL,
    PRIMARY KEY (service_id, role, server_id)
)${table};

CREATE INDEX IF NOT EXISTS placements_server ON placements (server_id, role);

CREATE TABLE IF NOT EXISTS domain_names (
    name VARCHAR(253) NOT NULL PRIMARY KEY,
    service_id BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL DEFAULT 'primary'
)${table};

CREATE INDEX IF NOT EXISTS domain_names_service ON domain_names (service_id);

CREATE TABLE IF NOT EXISTS mailboxes (
    id ${serial},
    service_id BIGINT NOT NULL,
    domain VARCHAR(253) NOT NULL,
    local_part VARCHAR(64) NOT NULL,
    password_hash VARCHAR(255) NOT NULL,
    quota_mb INTEGER NOT NULL DEFAULT 0,
    display_name VARCHAR(128) NOT NULL DEFAULT '',
    enabled BOOLEAN NOT NULL DEFAULT 1,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    UNIQUE (domain, local_part)
)${table};

CREATE INDEX IF NOT EXISTS mailboxes_service ON mailboxes (service_id);

CREATE TABLE IF NOT EXISTS dns_records (
    id ${serial},
    service_id BIGINT NOT NULL,
    name VARCHAR(254) NOT NULL,
    type VARCHAR(8) NOT NULL,
    ttl INTEGER NOT NULL,
    contents TEXT NOT NULL,
    UNIQUE (name, type)
)${table};

CREATE INDEX IF NOT EXISTS dns_records_service ON dns_records (service_id);

CREATE TABLE IF NOT EXISTS operations (
    id ${bigserial},
    intent VARCHAR(64) NOT NULL,
    intent_task_id BIGINT NOT NULL,
    service_id BIGINT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    status VARCHAR(16) NOT NULL DEFAULT 'running',
    requested_by VARCHAR(64) NOT NULL,
    error TEXT NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    finished_at ${datetime} NULL
)${table};

CREATE INDEX IF NOT EXISTS operations_service ON operations (service_id, id);

CREATE INDEX IF NOT EXISTS operations_finished ON operations (finished_at);

CREATE TABLE IF NOT EXISTS tasks (
    id ${bigserial},
    action VARCHAR(64) NOT NULL,
    service_id BIGINT NULL DEFAULT NULL,
    params ${json} NOT NULL DEFAULT ${empty_object},
    idempotency_key VARCHAR(128) NULL DEFAULT NULL UNIQUE,
    requested_by VARCHAR(64) NOT NULL DEFAULT 'billing',
    priority INTEGER NOT NULL DEFAULT 100,
    run_after ${datetime} NOT NULL DEFAULT ${now},
    server_id INTEGER NULL DEFAULT NULL,
    operation_id BIGINT NULL DEFAULT NULL,
    step VARCHAR(160) NOT NULL DEFAULT '',
    generation INTEGER NOT NULL DEFAULT 0,
    status VARCHAR(12) NOT NULL DEFAULT 'queued',
    attempts INTEGER NOT NULL DEFAULT 0,
    unreachable INTEGER NOT NULL DEFAULT 0,
    lease_owner VARCHAR(160) NULL DEFAULT NULL,
    lease_until ${datetime} NULL DEFAULT NULL,
    lease_token BIGINT NULL DEFAULT NULL,
    cancel_requested BOOLEAN NOT NULL DEFAULT 0,
    blocked_by BIGINT NULL DEFAULT NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    started_at ${datetime} NULL DEFAULT NULL,
    finished_at ${datetime} NULL DEFAULT NULL,
    result TEXT NULL DEFAULT NULL,
    error TEXT NULL DEFAULT NULL,
    lane VARCHAR(42) ${generated_lane}${task_checks}
)${table};

-- A lane is the work of one service on one server; the claim looks at the head of each lane, so one service's flood hides nobody.
CREATE INDEX IF NOT EXISTS tasks_lane ON tasks (status, lane, priority, run_after, id);

CREATE INDEX IF NOT EXISTS tasks_lease ON tasks (status, lease_until);

CREATE INDEX IF NOT EXISTS tasks_service ON tasks (service_id, status);

CREATE INDEX IF NOT EXISTS tasks_operation ON tasks (operation_id);

CREATE INDEX IF NOT EXISTS tasks_finished ON tasks (finished_at);

CREATE TABLE IF NOT EXISTS task_dependencies (
    task_id BIGINT NOT NULL,
    needs_id BIGINT NOT NULL,
    PRIMARY KEY (task_id, needs_id)
)${table};

CREATE INDEX IF NOT EXISTS task_dependencies_needs ON task_dependencies (needs_id);

CREATE TABLE IF NOT EXISTS operation_log (
    id ${bigserial},
    at ${datetime} NOT NULL DEFAULT ${now},
    kind VARCHAR(24) NOT NULL,
    task_id BIGINT NULL,
    operation_id BIGINT NULL,
    service_id BIGINT NULL,
    server_id INTEGER NULL,
    action VARCHAR(64) NOT NULL DEFAULT '',
    attempt INTEGER NOT NULL DEFAULT 0,
    started_at ${datetime} NULL,
    outcome VARCHAR(16) NOT NULL DEFAULT '',
    reason VARCHAR(32) NOT NULL DEFAULT '',
    message TEXT NOT NULL,
    detail ${longtext} NULL,
    actor VARCHAR(64) NOT NULL DEFAULT ''
)${table};

CREATE INDEX IF NOT EXISTS operation_log_operation ON operation_log (operation_id, id);

CREATE INDEX IF NOT EXISTS operation_log_service ON operation_log (service_id, id);

CREATE INDEX IF NOT EXISTS operation_log_task ON operation_log (task_id);

CREATE INDEX IF NOT EXISTS operation_log_at ON operation_log (at);

CREATE TABLE IF NOT EXISTS outbox (
    id ${bigserial},
    event VARCHAR(32) NOT NULL,
    subject_key VARCHAR(160) NOT NULL,
    payload TEXT NOT NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    run_after ${datetime} NOT NULL DEFAULT ${now},
    attempts INTEGER NOT NULL DEFAULT 0,
    delivered_at ${datetime} NULL,
    error TEXT NULL
)${table};

CREATE INDEX IF NOT EXISTS outbox_due ON outbox (delivered_at, run_after);

CREATE TABLE IF NOT EXISTS usage_current (
    service_id BIGINT NOT NULL,
    metric VARCHAR(32) NOT NULL,
    value BIGINT NOT NULL,
    unit VARCHAR(16) NOT NULL,
    period VARCHAR(16) NOT NULL,
    collected_at ${datetime} NOT NULL,
    PRIMARY KEY (service_id, metric, period)
)${table};

CREATE TABLE IF NOT EXISTS certificates (
    service_id BIGINT NOT NULL,
    role VARCHAR(8) NOT NULL,
    state VARCHAR(16) NOT NULL,
    source VARCHAR(8) NOT NULL DEFAULT 'auto',
    names TEXT NOT NULL,
    not_after ${datetime} NULL,
    error TEXT NULL,
    updated_at ${datetime} NOT NULL DEFAULT ${now},
    PRIMARY KEY (service_id, role)
)${table};

CREATE VIEW IF NOT EXISTS v_services AS
SELECT s.id, s.domain, s.status, s.mode, s.error,
       (SELECT GROUP_CONCAT(${server_of_role}) FROM placements p JOIN servers n ON n.id = p.server_id
        WHERE p.service_id = s.id) AS servers,
       s.updated_at
FROM services s;

CREATE VIEW IF NOT EXISTS v_tasks AS
SELECT t.id, t.action, t.service_id, n.name AS server, t.operation_id, t.status, t.attempts, t.priority, t.run_after,
       t.requested_by, t.cancel_requested, t.created_at, t.started_at, t.finished_at, t.error
FROM tasks t LEFT JOIN servers n ON n.id = t.server_id;

CREATE VIEW IF NOT EXISTS v_timeline AS
SELECT t.operation_id, t.service_id, t.action AS step, n.name AS server, t.status, t.attempts, t.started_at,
       t.finished_at, t.error
FROM tasks t LEFT JOIN servers n ON n.id = t.server_id
WHERE t.operation_id IS NOT NULL;

CREATE VIEW IF NOT EXISTS v_usage AS
SELECT service_id, metric, value, unit, period, collected_at FROM usage_current;

CREATE VIEW IF NOT EXISTS v_certificates AS
SELECT service_id, role, state, source, names, not_after, error, updated_at FROM certificates;
