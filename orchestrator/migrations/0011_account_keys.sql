-- The key that an account at a CA is being given: written down before the CA is told, so that a crash leaves no account without its key.
ALTER TABLE certificate_authorities ${add_column} next_key TEXT NULL;
