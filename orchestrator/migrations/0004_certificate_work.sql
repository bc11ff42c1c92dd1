-- What the automation of certificates remembers beside them.

-- The account key's thumbprint that a web or mail server answers challenges with; empty: not known to answer.
ALTER TABLE servers ${add_column} challenge VARCHAR(64) NOT NULL DEFAULT '';

-- Whether requests in clear are sent to HTTPS while there is a valid certificate.
ALTER TABLE services ${add_column} https_redirect BOOLEAN NOT NULL DEFAULT 0;

CREATE INDEX IF NOT EXISTS certificates_state ON certificates (state);
