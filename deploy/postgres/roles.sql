-- Logins and schemas: for each service an owner (migrations only) and the service's own login. Runs as the database's
-- administrator, any number of times. Passwords are set apart (deploy/runbook.md), never here.
DO $$
DECLARE
    service text;
BEGIN
    FOREACH service IN ARRAY ARRAY['intake', 'rewards', 'registry', 'accounts'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'adal_' || service || '_owner') THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT CONNECTION LIMIT 4', 'adal_' || service || '_owner');
        END IF;
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'adal_' || service) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', 'adal_' || service);
        END IF;
        EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I', service, 'adal_' || service || '_owner');
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', service);
        EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', 'adal_' || service, '30s');
        EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', 'adal_' || service, '60s');
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, %I', current_database(), 'adal_' || service, 'adal_' || service || '_owner');
    END LOOP;
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
END
$$;
