-- Which limits a service's web account is suspended for, with commas; empty: none. It lies beside a suspension by billing.
ALTER TABLE services ${add_column} web_held_for VARCHAR(64) NOT NULL DEFAULT '';

-- The newest sums of a scope, without reading those of all its days.
CREATE INDEX IF NOT EXISTS usage_totals_day ON usage_totals (scope, day);

-- What a DNS server's counter of queries had reached at the last look; it begins anew when the server does.
ALTER TABLE usage_collections ${add_column} queries BIGINT NULL;
