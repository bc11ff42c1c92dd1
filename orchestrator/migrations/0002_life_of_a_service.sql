-- What a service has beyond its first deploy: a wanted state, objects of the customer's own, parents of vanity services, and
-- the ledger of what could not be removed.

ALTER TABLE services ${add_column} desired VARCHAR(12) NOT NULL DEFAULT 'active';
ALTER TABLE services ${add_column} held BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE services ${add_column} withdrawn BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE services ${add_column} deployed BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE services ${add_column} suspend_reason VARCHAR(255) NOT NULL DEFAULT '';
ALTER TABLE services ${add_column} suspended_at ${datetime} NULL;
ALTER TABLE services ${add_column} terminate_at ${datetime} NULL;
ALTER TABLE services ${add_column} former_domains TEXT NULL;
ALTER TABLE services ${add_column} parent_id INTEGER NULL;
ALTER TABLE services ${add_column} vanity_name VARCHAR(63) NOT NULL DEFAULT '';
ALTER TABLE services ${add_column} reset_code VARCHAR(16) NOT NULL DEFAULT '';
ALTER TABLE services ${add_column} reset_until ${datetime} NULL;

UPDATE services SET deployed = 1 WHERE status = 'active';

CREATE INDEX IF NOT EXISTS services_terminate ON services (terminate_at);

-- An object that the customer no longer wants stays until every server has removed it.
ALTER TABLE domain_names ${add_column} removing BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE mailboxes ${add_column} removing BOOLEAN NOT NULL DEFAULT 0;
ALTER TABLE dns_records ${add_column} removing BOOLEAN NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS service_databases (
    id ${serial},
    service_id BIGINT NOT NULL,
    name VARCHAR(64) NOT NULL UNIQUE,
    password_hash VARCHAR(64) NOT NULL,
    removing BOOLEAN NOT NULL DEFAULT 0,
    created_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE INDEX IF NOT EXISTS service_databases_service ON service_databases (service_id);

CREATE TABLE IF NOT EXISTS sftp_accounts (
    id ${serial},
    service_id BIGINT NOT NULL,
    name VARCHAR(32) NOT NULL UNIQUE,
    password_hash VARCHAR(255) NOT NULL DEFAULT '',
    public_keys TEXT NOT NULL,
    folder VARCHAR(255) NOT NULL DEFAULT 'www',
    removing BOOLEAN NOT NULL DEFAULT 0,
    created_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE INDEX IF NOT EXISTS sftp_accounts_service ON sftp_accounts (service_id);

CREATE TABLE IF NOT EXISTS cron_jobs (
    id ${serial},
    service_id BIGINT NOT NULL,
    name VARCHAR(32) NOT NULL,
    schedule VARCHAR(128) NOT NULL,
    command TEXT NOT NULL,
    enabled BOOLEAN NOT NULL DEFAULT 1,
    removing BOOLEAN NOT NULL DEFAULT 0,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    UNIQUE (service_id, name)
)${table};

CREATE TABLE IF NOT EXISTS mail_aliases (
    id ${serial},
    service_id BIGINT NOT NULL,
    domain VARCHAR(253) NOT NULL,
    local_part VARCHAR(64) NOT NULL,
    destinations TEXT NOT NULL,
    enabled BOOLEAN NOT NULL DEFAULT 1,
    removing BOOLEAN NOT NULL DEFAULT 0,
    created_at ${datetime} NOT NULL DEFAULT ${now},
    UNIQUE (domain, local_part)
)${table};

CREATE INDEX IF NOT EXISTS mail_aliases_service ON mail_aliases (service_id);

-- A provider's domain under which vanity services have a name each. The owners are the labels that the shared objects carry
-- on the nodes; they are never touched.
CREATE TABLE IF NOT EXISTS parent_domains (
    id ${serial},
    name VARCHAR(253) NOT NULL UNIQUE,
    mail_server_id INTEGER NULL,
    mail_user VARCHAR(32) NOT NULL DEFAULT '',
    mail_domain VARCHAR(253) NOT NULL DEFAULT '',
    dns_mode VARCHAR(8) NOT NULL DEFAULT 'external',
    zone_owner VARCHAR(32) NOT NULL DEFAULT '',
    group_id INTEGER NULL,
    web_servers TEXT NOT NULL,
    reserved TEXT NOT NULL,
    zone_serial BIGINT NOT NULL DEFAULT 0,
    created_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

-- What was left on a server that could not be reached when its service was closed out by force.
CREATE TABLE IF NOT EXISTS orphans (
    id ${serial},
    service_id BIGINT NOT NULL,
    server_id INTEGER NOT NULL,
    action VARCHAR(64) NOT NULL,
    step VARCHAR(160) NOT NULL,
    domain VARCHAR(253) NOT NULL,
    username VARCHAR(32) NOT NULL,
    generation INTEGER NOT NULL,
    params TEXT NOT NULL,
    task_id BIGINT NULL,
    removed_at ${datetime} NULL,
    created_at ${datetime} NOT NULL DEFAULT ${now}
)${table};

CREATE INDEX IF NOT EXISTS orphans_open ON orphans (removed_at, server_id);

CREATE INDEX IF NOT EXISTS orphans_service ON orphans (service_id);
