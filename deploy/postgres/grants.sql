-- The grants of all services in one page: what each login may do, and nothing more. Runs after the migrations, as the
-- database's administrator, any number of times. tests/system/test_grants.py tries to break every line.

-- intake: files, reads and answers; changes a report only in its state and its receipt; never changes or deletes what is
-- sealed, granted or logged.
GRANT USAGE ON SCHEMA intake TO adal_intake;
GRANT SELECT ON intake.alembic_version TO adal_intake;
GRANT SELECT, INSERT ON intake.reports, intake.parts, intake.grants, intake.shares, intake.states, intake.assignments TO adal_intake;
GRANT UPDATE (state, lookup_mac, pending_lookup_mac, pending_part, pending_n, code_replaced_on) ON intake.reports TO adal_intake;
GRANT UPDATE (ended) ON intake.assignments TO adal_intake;
GRANT SELECT, INSERT ON intake.log_records, intake.log_entries, intake.log_tiles, intake.log_checkpoints TO adal_intake;
GRANT SELECT, INSERT ON intake.directories TO adal_intake;
GRANT SELECT, INSERT, DELETE ON intake.spent_challenges TO adal_intake;
-- A draft and its uploads are deleted when they are filed or too old. PostgreSQL lets only who may update lock a row.
GRANT SELECT, INSERT, DELETE, UPDATE (expires) ON intake.drafts TO adal_intake;
GRANT SELECT, INSERT, DELETE, UPDATE (received, stored, segments, sha256) ON intake.uploads TO adal_intake;
GRANT SELECT, INSERT, DELETE, UPDATE (answer) ON intake.idempotency_keys TO adal_intake;
GRANT SELECT, INSERT, UPDATE ON intake.job_runs TO adal_intake;

-- accounts: adds people and never changes or deletes them; changes credentials, own keys and counters; forgets ended sessions.
GRANT USAGE ON SCHEMA accounts TO adal_accounts;
GRANT SELECT ON accounts.alembic_version TO adal_accounts;
GRANT SELECT, INSERT ON accounts.people, accounts.credentials, accounts.keys, accounts.certificates, accounts.group_keys TO adal_accounts;
GRANT UPDATE (password_phc, totp_box, totp_last_step, totp_confirmed, enrolment_hash, enrolment_expires) ON accounts.credentials TO adal_accounts;
GRANT UPDATE (wrapped, recipient, verify_key) ON accounts.keys TO adal_accounts;
GRANT UPDATE (added) ON accounts.certificates TO adal_accounts;
GRANT UPDATE (data) ON accounts.group_keys TO adal_accounts;
GRANT SELECT, INSERT, DELETE, UPDATE (revoked) ON accounts.sessions TO adal_accounts;
GRANT SELECT, INSERT, DELETE, UPDATE (window_start, count) ON accounts.sign_in_throttle TO adal_accounts;
GRANT SELECT, INSERT, UPDATE ON accounts.job_runs TO adal_accounts;

-- rewards
GRANT USAGE ON SCHEMA rewards TO adal_rewards;
GRANT SELECT ON rewards.alembic_version, rewards.mci_values TO adal_rewards;
GRANT SELECT, INSERT, UPDATE ON rewards.job_runs TO adal_rewards;

-- registry
GRANT USAGE ON SCHEMA registry TO adal_registry;
GRANT SELECT ON registry.alembic_version, registry.publication TO adal_registry;
GRANT SELECT, INSERT, UPDATE ON registry.job_runs TO adal_registry;
