-- Delivering what stands in the outbox, one row for each way out; which ticket belongs to which failed operation; access to the HTTP API.

ALTER TABLE outbox ${add_column} spread_at ${datetime} NULL;

-- Notices of before there was anything that delivers them are not sent now.
UPDATE outbox SET spread_at = ${now}, delivered_at = ${now} WHERE spread_at IS NULL AND delivered_at IS NULL;

CREATE INDEX IF NOT EXISTS outbox_spread ON outbox (spread_at, id);
CREATE INDEX IF NOT EXISTS outbox_subject ON outbox (subject_key, event);

CREATE TABLE IF NOT EXISTS deliveries (
    id ${bigserial},
    outbox_id BIGINT NOT NULL,
    subject_key VARCHAR(160) NOT NULL,
    channel VARCHAR(16) NOT NULL,
    target VARCHAR(254) NOT NULL DEFAULT '',
    state VARCHAR(12) NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    run_after ${datetime} NOT NULL DEFAULT ${now},
    lease_until ${datetime} NULL,
    lease_token VARCHAR(32) NULL,
    ended_at ${datetime} NULL,
    error TEXT NULL,
    UNIQUE (outbox_id, channel, target)
)${table};

CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (state, run_after);
CREATE INDEX IF NOT EXISTS deliveries_order ON deliveries (state, channel, subject_key, id);
CREATE INDEX IF NOT EXISTS deliveries_ended ON deliveries (ended_at);

CREATE TABLE IF NOT EXISTS tickets (
    id ${bigserial},
    subject_key VARCHAR(160) NOT NULL UNIQUE,
    outbox_id BIGINT NOT NULL,
    marker VARCHAR(32) NOT NULL,
    ticket_id BIGINT NULL,
    ticket_number VARCHAR(32) NOT NULL DEFAULT '',
    updated_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE INDEX IF NOT EXISTS tickets_updated ON tickets (updated_at);

-- Tokens of the HTTP API: only a digest of each, and what each was used for.
CREATE TABLE IF NOT EXISTS api_tokens (
    id ${serial},
    name VARCHAR(48) NOT NULL UNIQUE,
    digest VARCHAR(64) NOT NULL UNIQUE,
    scopes VARCHAR(64) NOT NULL,
    created_by VARCHAR(64) NOT NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    expires_at ${datetime} NOT NULL,
    revoked_at ${datetime} NULL
)${table};

CREATE TABLE IF NOT EXISTS api_audit (
    id ${bigserial},
    at ${datetime} NOT NULL DEFAULT ${now},
    token VARCHAR(48) NOT NULL,
    method VARCHAR(8) NOT NULL,
    path VARCHAR(200) NOT NULL,
    status INTEGER NOT NULL
)${table};

CREATE INDEX IF NOT EXISTS api_audit_at ON api_audit (at);
