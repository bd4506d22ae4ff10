#!/bin/bash
# The same rehearsal as an operator would do it by hand with docker and psql, with nothing watched and nothing proven:
# dump, network and server, restore, roles and grants, a harness container, the phases, removal. docker_dry_run.py
# measures drydock against it. Same dump options, server settings and images; what is asked of production is read only.
#
#   DOCKER_HOST=… docker_by_hand.sh PRODUCTION POSTGRES_IMAGE PYTHON_IMAGE WORK_FOLDER DRIVER_FOLDER
#
# DRIVER_FOLDER holds psycopg for the image's Python. Prints the number of rows that the phases left, which is 15.
set -eu -o pipefail
production=$1 postgres_image=$2 python_image=$3 work=$4 driver=$5
checkout=$(cd "$(dirname "$0")/../.." && pwd)
pack=$checkout/scenarios/cutter_dry_run
copy=by-hand-copy harness=by-hand-harness network=by-hand-net volume=by-hand-data

remove() {
    docker rm --force --volumes "$harness" "$copy" >/dev/null 2>&1 || true
    docker volume rm "$volume" >/dev/null 2>&1 || true
    docker network rm "$network" >/dev/null 2>&1 || true
    rm -rf "$work/by-hand"
}
trap remove EXIT
umask 077
mkdir "$work/by-hand"
password=$(head -c 24 /dev/urandom | base64 | tr -d '/+=\n')

docker exec "$production" pg_dump --username=workflow_admin --dbname=directus --format=custom --compress=1 \
    --no-publications --no-subscriptions | tee "$work/by-hand/source.dump" | sha256sum >"$work/by-hand/source.sha256"

docker network create --internal --opt com.docker.network.bridge.inhibit_ipv4=true "$network" >/dev/null
docker volume create "$volume" >/dev/null
docker create --name "$copy" --network "$network" --volume "$volume:/var/lib/postgresql/data" \
    --env POSTGRES_PASSWORD_FILE=/etc/superuser "$postgres_image" postgres \
    -c fsync=off -c full_page_writes=off -c max_wal_size=4GB -c wal_level=logical -c log_statement=all >/dev/null
printf %s "$password" >"$work/by-hand/superuser"
chmod 644 "$work/by-hand/superuser"
docker cp --quiet "$work/by-hand/superuser" "$copy:/etc/superuser" >/dev/null
docker start "$copy" >/dev/null
until docker exec "$copy" pg_isready --quiet --host=127.0.0.1; do sleep 0.1; done

sql() { docker exec --interactive "$copy" psql --no-psqlrc --quiet --username=postgres --set=ON_ERROR_STOP=1 "$@"; }
sql --dbname=postgres --command='CREATE DATABASE directus TEMPLATE template0'
# workflow_admin, context_pack_readonly and the cutter's roles, as production has them; 050 grants what it can.
sql --dbname=directus <"$pack/demo/010_roles.sql"
docker exec --interactive "$copy" pg_restore --username=postgres --dbname=directus <"$work/by-hand/source.dump"
# A restore into a database that exists leaves its own privileges out.
sql --dbname=directus <<<"GRANT CONNECT ON DATABASE directus TO cutter_exec, cutter_verify; ALTER ROLE cutter_exec PASSWORD '$password';
    ALTER ROLE cutter_verify PASSWORD '$password'"
sql --dbname=directus --tuples-only --command='SELECT count(*) FROM directus_activity' >/dev/null

docker create --name "$harness" --network "$network" --interactive --user 65532 --workdir /tmp --tmpfs /tmp \
    --env PYTHONPATH=/driver:/subject "$python_image" python3 - >/dev/null
docker cp --quiet "$driver" "$harness:/driver" >/dev/null
docker cp --quiet "$pack/subject" "$harness:/subject" >/dev/null
docker start --attach --interactive "$harness" <<PYTHON
from cutter_agent.db_adapter import RealPostgresAdapter
from cutter_agent.phases import CutterPhases, MarkRequest
from cutter_agent.principals import Principal

env = {"DOT_CUTTER_DB_HOST": "$copy", "DOT_CUTTER_DB_PORT": "5432", "DOT_CUTTER_DB_NAME": "directus",
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
sql --dbname=directus --tuples-only --no-align --command="SELECT sum(n) FROM (${query% UNION ALL }) AS every"
