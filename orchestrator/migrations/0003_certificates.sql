-- Certificates that issue and renew by themselves. The table of the first version was never filled.

DROP VIEW IF EXISTS v_certificates;

DROP TABLE IF EXISTS certificates;

-- One row for each role of a service, and one for the wildcard of each parent of vanity services.
CREATE TABLE IF NOT EXISTS certificates (
    id ${serial},
    service_id BIGINT NULL,
    parent_id INTEGER NULL,
    role VARCHAR(8) NOT NULL,
    state VARCHAR(16) NOT NULL,
    before_state VARCHAR(16) NOT NULL DEFAULT '',
    names TEXT NOT NULL,
    misses TEXT NOT NULL,
    provisioned_at ${datetime} NOT NULL,
    next_check_at ${datetime} NOT NULL,
    fast_left INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    freeze_level INTEGER NOT NULL DEFAULT 0,
    frozen_until ${datetime} NULL,
    fingerprint VARCHAR(64) NOT NULL DEFAULT '',
    thaws TEXT NOT NULL,
    manual TEXT NOT NULL,
    serial VARCHAR(64) NOT NULL DEFAULT '',
    issued_names TEXT NULL,
    not_before ${datetime} NULL,
    not_after ${datetime} NULL,
    renewal_id VARCHAR(128) NOT NULL DEFAULT '',
    window_start ${datetime} NULL,
    window_end ${datetime} NULL,
    renew_at ${datetime} NULL,
    poll_at ${datetime} NULL,
    blind_at ${datetime} NULL,
    custom_not_after ${datetime} NULL,
    warned VARCHAR(160) NOT NULL DEFAULT '',
    account_url VARCHAR(255) NOT NULL DEFAULT '',
    order_url VARCHAR(255) NOT NULL DEFAULT '',
    operation_id BIGINT NULL,
    lease_owner VARCHAR(128) NULL,
    lease_until ${datetime} NULL,
    version INTEGER NOT NULL DEFAULT 0,
    verdict VARCHAR(16) NOT NULL DEFAULT '',
    error TEXT NULL,
    updated_at ${datetime} NOT NULL DEFAULT ${now},
    UNIQUE (service_id, role),
    UNIQUE (parent_id)
)${table};

CREATE INDEX IF NOT EXISTS certificates_due ON certificates (next_check_at);

CREATE INDEX IF NOT EXISTS certificates_custom ON certificates (custom_not_after);

-- What was issued or uploaded. The key is encrypted with a key of the installation's own; kinds: auto, previous, custom, pending.
CREATE TABLE IF NOT EXISTS certificate_material (
    certificate_id INTEGER NOT NULL,
    kind VARCHAR(8) NOT NULL,
    certificate TEXT NOT NULL,
    chain TEXT NOT NULL,
    private_key TEXT NOT NULL,
    serial VARCHAR(64) NOT NULL DEFAULT '',
    created_at ${datetime} NOT NULL DEFAULT ${now},
    PRIMARY KEY (certificate_id, kind)
)${table};

-- A CA and our account there. An account that is lost is never replaced silently: exemptions and CAA records depend on it.
CREATE TABLE IF NOT EXISTS certificate_authorities (
    id ${serial},
    directory VARCHAR(190) NOT NULL UNIQUE,
    account_url VARCHAR(255) NOT NULL DEFAULT '',
    account_key TEXT NOT NULL,
    thumbprint VARCHAR(64) NOT NULL,
    halted TEXT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    open_until ${datetime} NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

-- Token buckets: the theoretical arrival time of the next token (docs/concepts/certificates.md).
CREATE TABLE IF NOT EXISTS certificate_buckets (
    authority_id INTEGER NOT NULL,
    bucket VARCHAR(270) NOT NULL,
    tat ${datetime} NOT NULL,
    PRIMARY KEY (authority_id, bucket)
)${table};

CREATE INDEX IF NOT EXISTS certificate_buckets_full ON certificate_buckets (tat);

CREATE VIEW IF NOT EXISTS v_certificates AS
SELECT service_id, role, state, CASE state WHEN 'custom' THEN 'custom' ELSE 'auto' END AS source, names,
       CASE state WHEN 'custom' THEN custom_not_after ELSE not_after END AS not_after, error, updated_at
FROM certificates WHERE service_id IS NOT NULL;
