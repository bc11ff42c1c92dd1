-- Which limits a service's web account is suspended for, with commas; empty: none. It lies beside a suspension by billing.
ALTER TABLE services ${add_column} web_held_for VARCHAR(64) NOT NULL DEFAULT '';
