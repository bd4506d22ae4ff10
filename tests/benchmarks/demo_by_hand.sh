#!/bin/bash
# The demo as an operator would do it by hand with PostgreSQL's own programs, with nothing watched and nothing proven:
# a demo production, its dump and hash, a second cluster, restore, roles and grants, an interpreter with the driver, the
# phases, removal. demo_beside_hand.py measures drydock against it. Same dump options and server settings.
#
#   demo_by_hand.sh PROGRAMS WORK_FOLDER PYTHON DRIVER_FOLDER ROWS [USER_ID]
#
# PROGRAMS is the folder with initdb and its like, DRIVER_FOLDER holds psycopg for PYTHON, and USER_ID runs the servers
# and the phases where root calls. Prints the seconds of each part, then the number of rows that the phases left: 15.
set -eu -o pipefail
programs=$1 work=$2/by-hand python=$3 driver=$4 rows=$5 user=${6:-}
pack=$(cd "$(dirname "$0")/../.." && pwd)/scenarios/cutter_dry_run
began=$(date +%s%N) part=
settings="-c listen_addresses= -c unix_socket_permissions=0777 -c fsync=off -c full_page_writes=off -c max_connections=40"
settings+=" -c wal_level=logical -c max_wal_size=4GB -c dynamic_shared_memory_type=mmap -c log_statement=all"

now() { # the part that begins; tells how long the one before took
    local at
    at=$(date +%s%N)
    [ -z "$part" ] || printf '%s %s\n' "$part" $(((at - began) / 1000000))
    began=$at part=$1
}
as_user() { if [ -n "$user" ]; then setpriv --reuid="$user" --regid="$user" --clear-groups -- "$@"; else "$@"; fi; }
cluster() { # NAME
    mkdir "$work/$1" "$work/$1/socket"
    [ -z "$user" ] || chown -R "$user:$user" "$work/$1"
    as_user "$programs/initdb" --pgdata="$work/$1/data" --username=postgres --auth=scram-sha-256 --no-sync \
        --pwfile="$work/password" --encoding=UTF8 --locale=C --no-instructions >"$work/$1.initdb"
    as_user "$programs/pg_ctl" start --silent --pgdata="$work/$1/data" --log="$work/$1/log" \
        --options="$settings -c unix_socket_directories=$work/$1/socket"
}
sql() { # NAME DATABASE ...
    "$programs/psql" --no-psqlrc --quiet --host="$work/$1/socket" --username=postgres --dbname="$2" \
        --set=ON_ERROR_STOP=1 "${@:3}" >/dev/null
}
stop() { as_user "$programs/pg_ctl" stop --silent --mode=immediate --pgdata="$work/$1/data"; }
remove() {
    for name in production copy; do
        [ ! -f "$work/$name/data/postmaster.pid" ] || stop "$name"
    done
    rm -rf "$work"
}
trap remove EXIT
cd /
mkdir "$work"
chmod 711 "$work"
password=$(head -c 24 /dev/urandom | base64 | tr -d '/+=\n')
printf %s "$password" >"$work/password"
printf '*:*:*:*:%s\n' "$password" >"$work/pass"
chmod 600 "$work/pass" "$work/password"
[ -z "$user" ] || chown "$user" "$work/password"
export PGPASSFILE=$work/pass

now production
cluster production
sql production postgres --command='CREATE DATABASE directus TEMPLATE template0'
for script in "$pack"/demo/*.sql; do
    PGOPTIONS="-c drydock.demo_rows=$rows" sql production directus --single-transaction --file="$script"
done

now dump
"$programs/pg_dump" --host="$work/production/socket" --username=postgres --dbname=directus --format=custom --compress=1 \
    --no-publications --no-subscriptions | tee "$work/source.dump" | sha256sum >"$work/source.sha256"

now cluster
cluster copy

now restore
sql copy postgres --command='CREATE DATABASE directus TEMPLATE template0'
sql copy directus --file="$pack/demo/010_roles.sql"
"$programs/pg_restore" --host="$work/copy/socket" --username=postgres --dbname=directus "$work/source.dump"
# A restore into a database that exists leaves its own privileges out.
sql copy directus <<<"GRANT CONNECT ON DATABASE directus TO cutter_exec, cutter_verify;
    ALTER ROLE cutter_exec PASSWORD '$password'; ALTER ROLE cutter_verify PASSWORD '$password'"

now interpreter
"$python" -m venv --without-pip "$work/venv"
cp -r "$driver"/. "$work"/venv/lib/python3.*/site-packages/
cp -r "$pack/subject" "$work/subject"
chmod -R a+rX "$work/venv" "$work/subject"

now phases
PYTHONPATH=$work/subject as_user "$work/venv/bin/python" - <<PYTHON
from cutter_agent.db_adapter import RealPostgresAdapter
from cutter_agent.phases import CutterPhases, MarkRequest
from cutter_agent.principals import Principal

env = {"DOT_CUTTER_DB_HOST": "$work/copy/socket", "DOT_CUTTER_DB_PORT": "5432", "DOT_CUTTER_DB_NAME": "directus",
       "DOT_CUTTER_DB_SSLMODE": "disable", "DOT_CUTTER_EXEC_DB_USER": "cutter_exec",
       "DOT_CUTTER_VERIFY_DB_USER": "cutter_verify", "DOT_CUTTER_EXEC_DB_PASSWORD": "$password",
       "DOT_CUTTER_VERIFY_DB_PASSWORD": "$password"}
phases = CutterPhases(exec_adapter=RealPostgresAdapter(Principal.EXEC, env=env),
                      verify_adapter=RealPostgresAdapter(Principal.VERIFY, env=env))
entry = phases.mark(MarkRequest(idempotency_key="by-hand", unit_ref="iu:rehearsal/0001", priority=10,
                                depends_on=("iu:rehearsal/0000",), payload={"idempotency_key": "by-hand"})).entry_id
phases.sweep(entry)
phases.review(entry, reviewer="by-hand")
phases.cut(entry)
phases.verify(entry)
PYTHON
tables="decision_backlog_entry decision_backlog_history decision_backlog_dependency sweep_log manifest_envelope \
manifest_unit_block review_decision dot_pair_signature cut_change_set cut_change_set_affected_row verify_result"
query=$(for table in $tables; do printf 'SELECT * FROM (SELECT count(*) AS n FROM %s) AS t UNION ALL ' "$table"; done)
left=$("$programs/psql" --no-psqlrc --host="$work/copy/socket" --username=postgres --dbname=directus --tuples-only \
    --no-align --command="SELECT sum(n) FROM (${query% UNION ALL }) AS every")

now removal
stop copy
stop production
rm -rf "$work"
now end
echo "$left"
