-- The wildcard of a provider's domain, which the vanity services below it show, and what an order that fails gives back.

-- Tokens of the order under way that count certificates and not orders: given back when none comes of it.
ALTER TABLE certificates ${add_column} taken TEXT NULL;

-- The certificate that this one shows; it is never ordered for itself.
ALTER TABLE certificates ${add_column} shared_id INTEGER NULL;

-- What we have published for a CA in the DNS and not yet taken back: value -> operation.
ALTER TABLE certificates ${add_column} answers TEXT NULL;

CREATE INDEX IF NOT EXISTS certificates_shared ON certificates (shared_id);
