#!/usr/bin/env bash
# The demo: two agents in microVMs, the servers that they may reach, and what the host wrote down.
# usage: demo.sh PATH/OF/openshell
set -euo pipefail
openshell=$1
here=$(cd "$(dirname "$0")" && pwd)
say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

servers=
stop() { if [ -n "$servers" ]; then kill "$servers" 2>/dev/null || true; wait "$servers" 2>/dev/null || true; fi; }
trap stop EXIT

say "hello: where does an agent run?"
"$openshell" vm run "$here/hello/agent.yaml"

say "the researcher's upstreams, on the operator's side"
coproc SERVERS { exec python3 "$here/researcher/upstreams/upstreams.py" run; }
servers=$SERVERS_PID
read -r -t 60 -u "${SERVERS[0]}" line || { echo "demo: the upstreams did not start" >&2; exit 1; }
echo "$line"

say "the researcher: an unmodified agent, allowed exactly what its policy names"
status=0
"$openshell" vm run "$here/researcher/agent.yaml" || status=$?

say "what the host wrote down"
"$openshell" audit tail -n 40
"$openshell" audit verify

say "what the upstreams saw"
python3 "$here/researcher/upstreams/upstreams.py" witness || status=$?
exit "$status"
