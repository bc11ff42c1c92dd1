-- People who use the console, what they are signed in with, what they did; and the indexes by which its pages turn.

CREATE TABLE IF NOT EXISTS operators (
    id ${serial},
    name VARCHAR(48) NOT NULL UNIQUE,
    role VARCHAR(16) NOT NULL,
    password VARCHAR(190) NOT NULL,
    totp VARCHAR(190) NOT NULL DEFAULT '',
    totp_step BIGINT NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    locked_until ${datetime} NULL,
    active BOOLEAN NOT NULL DEFAULT 1,
    created_by VARCHAR(64) NOT NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    signed_in_at ${datetime} NULL
)${table};

-- Only a digest of what the browser holds.
CREATE TABLE IF NOT EXISTS console_sessions (
    id ${bigserial},
    digest VARCHAR(64) NOT NULL UNIQUE,
    operator_id INTEGER NOT NULL,
    address VARCHAR(45) NOT NULL DEFAULT '',
    created_at ${datetime} NOT NULL,
    seen_at ${datetime} NOT NULL,
    expires_at ${datetime} NOT NULL
)${table};

CREATE INDEX IF NOT EXISTS console_sessions_operator ON console_sessions (operator_id);
CREATE INDEX IF NOT EXISTS console_sessions_expiry ON console_sessions (expires_at);

CREATE TABLE IF NOT EXISTS console_audit (
    id ${bigserial},
    at ${datetime} NOT NULL DEFAULT ${now},
    actor VARCHAR(64) NOT NULL,
    address VARCHAR(45) NOT NULL DEFAULT '',
    action VARCHAR(64) NOT NULL,
    target VARCHAR(190) NOT NULL DEFAULT '',
    detail TEXT NOT NULL
)${table};

CREATE INDEX IF NOT EXISTS console_audit_at ON console_audit (at);
CREATE INDEX IF NOT EXISTS console_audit_actor ON console_audit (actor, id);

-- A page is the 50 rows below an id. Each filter has an index in which those stand side by side, at a million rows too.
CREATE INDEX IF NOT EXISTS tasks_status_id ON tasks (status, id);
CREATE INDEX IF NOT EXISTS tasks_action_id ON tasks (action, status, id);
CREATE INDEX IF NOT EXISTS tasks_server_id ON tasks (server_id, status, id);
CREATE INDEX IF NOT EXISTS operation_log_outcome ON operation_log (outcome, id);
CREATE INDEX IF NOT EXISTS operation_log_server ON operation_log (server_id, id);
CREATE INDEX IF NOT EXISTS certificates_state_id ON certificates (state, id);
CREATE INDEX IF NOT EXISTS certificates_end ON certificates (not_after, id);
