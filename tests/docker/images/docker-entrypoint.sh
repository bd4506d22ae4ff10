#!/bin/bash
# Behaves like the entry point of the official PostgreSQL image, as far as its documentation promises:
# NAME or NAME_FILE for POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and POSTGRES_INITDB_ARGS; PGDATA on a
# volume, made by initdb when it is empty; root becomes the user postgres; files in /docker-entrypoint-initdb.d
# run once, before the server can be reached by network; then PID 1 is the server itself, so signals reach it.
# Like there, the password stands in this shell's environment while the cluster is made, and is gone afterwards.
set -Eeo pipefail

file_env() {
    local name=$1 file_name="$1_FILE" default=${2:-}
    if [ "${!name:-}" ] && [ "${!file_name:-}" ]; then
        echo >&2 "error: both $name and $file_name are set (but are exclusive)"
        exit 1
    fi
    local value=$default
    if [ "${!name:-}" ]; then
        value=${!name}
    elif [ "${!file_name:-}" ]; then
        value=$(<"${!file_name}")
    fi
    export "$name"="$value"
    unset "$file_name"
}

create_folders() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 00700 "$PGDATA" || :
    chmod 03775 /var/run/postgresql || :
    if [ "$(id -u)" = 0 ]; then
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    fi
}

make_cluster() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo >&2 "Error: Database is uninitialized and superuser password is not specified."
        exit 1
    fi
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
    local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption)}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

fill_cluster() {
    export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
    pg_ctl -D "$PGDATA" -o "$(printf '%q ' -c listen_addresses= -p 5432 "${@:2}")" -w start
    local psql=(psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --username "$POSTGRES_USER")
    if [ "$POSTGRES_DB" != postgres ]; then
        "${psql[@]}" --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    local one
    for one in /docker-entrypoint-initdb.d/*; do
        case "$one" in
        *.sh) if [ -x "$one" ]; then "$one"; else . "$one"; fi ;;
        *.sql) "${psql[@]}" --dbname "$POSTGRES_DB" -f "$one" ;;
        *.sql.gz) gunzip -c "$one" | "${psql[@]}" --dbname "$POSTGRES_DB" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
    unset PGPASSWORD
}

if [ "${1:0:1}" = - ]; then
    set -- postgres "$@"
fi
if [ "$1" = postgres ]; then
    create_folders
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
    fi
    if [ -s "$PGDATA/PG_VERSION" ]; then
        printf '\n%s\n\n' 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
    else
        file_env POSTGRES_PASSWORD
        file_env POSTGRES_USER postgres
        file_env POSTGRES_DB "$POSTGRES_USER"
        file_env POSTGRES_INITDB_ARGS
        ls /docker-entrypoint-initdb.d/ >/dev/null
        make_cluster
        fill_cluster "$@"
        unset POSTGRES_PASSWORD
        printf '\n%s\n\n' 'PostgreSQL init process complete; ready for start up.'
    fi
fi
exec "$@"
