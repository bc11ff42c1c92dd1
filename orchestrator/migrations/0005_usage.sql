-- What services use. Raw figures and day counters by server, what is derived from them for people and billing, and history.
-- Days are YYYYMMDD and months YYYYMM in the time zone of usage.timezone.

CREATE TABLE IF NOT EXISTS usage_figures (
    service_id BIGINT NOT NULL,
    metric VARCHAR(32) NOT NULL,
    server_id INTEGER NOT NULL,
    value BIGINT NOT NULL,
    collected_at ${datetime} NOT NULL,
    PRIMARY KEY (service_id, metric, server_id)
)${table};

-- A counter that fell was begun anew on its server: what it had reached is kept in base.
CREATE TABLE IF NOT EXISTS usage_days (
    service_id BIGINT NOT NULL,
    day INTEGER NOT NULL,
    metric VARCHAR(32) NOT NULL,
    server_id INTEGER NOT NULL,
    base BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (service_id, day, metric, server_id)
)${table};

CREATE INDEX IF NOT EXISTS usage_days_day ON usage_days (day);

CREATE TABLE IF NOT EXISTS usage_mailboxes (
    service_id BIGINT NOT NULL,
    address VARCHAR(320) NOT NULL,
    bytes BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    collected_at ${datetime} NOT NULL,
    PRIMARY KEY (service_id, address)
)${table};

CREATE TABLE IF NOT EXISTS usage_history (
    service_id BIGINT NOT NULL,
    day INTEGER NOT NULL,
    figures TEXT NOT NULL,
    PRIMARY KEY (service_id, day)
)${table};

CREATE INDEX IF NOT EXISTS usage_history_day ON usage_history (day);

CREATE TABLE IF NOT EXISTS usage_months (
    service_id BIGINT NOT NULL,
    month INTEGER NOT NULL,
    figures TEXT NOT NULL,
    PRIMARY KEY (service_id, month)
)${table};

-- Sums of the whole platform and of each server, package and group, a row a day.
CREATE TABLE IF NOT EXISTS usage_totals (
    scope VARCHAR(8) NOT NULL,
    scope_id INTEGER NOT NULL,
    day INTEGER NOT NULL,
    figures TEXT NOT NULL,
    PRIMARY KEY (scope, scope_id, day)
)${table};

CREATE TABLE IF NOT EXISTS usage_collections (
    server_id INTEGER NOT NULL,
    role VARCHAR(8) NOT NULL,
    collected_at ${datetime} NULL,
    through INTEGER NULL,
    problems TEXT NOT NULL,
    PRIMARY KEY (server_id, role)
)${table};

CREATE TABLE IF NOT EXISTS usage_requests (
    server_id INTEGER NOT NULL,
    action VARCHAR(64) NOT NULL,
    requested_at ${datetime} NOT NULL,
    PRIMARY KEY (server_id, action)
)${table};

CREATE TABLE IF NOT EXISTS usage_alerts (
    service_id BIGINT NOT NULL,
    subject VARCHAR(340) NOT NULL,
    level INTEGER NOT NULL,
    raised_at ${datetime} NOT NULL,
    PRIMARY KEY (service_id, subject)
)${table};

CREATE TABLE IF NOT EXISTS server_status (
    server_id INTEGER NOT NULL PRIMARY KEY,
    collected_at ${datetime} NOT NULL,
    status TEXT NOT NULL
)${table};

CREATE INDEX IF NOT EXISTS usage_current_metric ON usage_current (metric, period, value);
