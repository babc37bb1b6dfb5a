#!/bin/sh
# Makes the cluster at the first start, runs /docker-entrypoint-initdb.d/*.sh in it, then becomes the command.
# A cluster is made beside its place and moved there when it is whole: a first start that was cut short leaves none.
set -eu
umask 077
draft="$PGDATA.draft"

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$draft"
    printf '%s\n' "${POSTGRES_PASSWORD:?must be set for the first start}" > /tmp/password
    initdb --pgdata="$draft" --username=postgres --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256 > /dev/null
    rm /tmp/password
    printf 'host all all all scram-sha-256\n' >> "$draft/pg_hba.conf"
    # on its socket only: nobody connects before the roles have their passwords
    pg_ctl --pgdata="$draft" --silent --wait --options="-c listen_addresses='' -k /tmp" start
    for script in /docker-entrypoint-initdb.d/*.sh; do
        PGHOST=/tmp POSTGRES_USER=postgres sh "$script"
    done
    pg_ctl --pgdata="$draft" --silent --wait --mode=fast stop
    mv "$draft" "$PGDATA"
fi
exec "$@" -D "$PGDATA" -k /tmp -c "listen_addresses=*"
