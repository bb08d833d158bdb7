#!/bin/sh
# What SPIRE is told before it knows this demo: a join token for the agent, and who may have which identity. Run again, it adds only what is
# missing, and a fresh token, which an agent that is attested already does not use.
set -eu

socket=/run/spire/server/private/api.sock
agent=spiffe://example.org/agent/compose
out=/run/spire-agent

server() {
  command=$1 action=$2
  shift 2
  /opt/spire/bin/spire-server "$command" "$action" -socketPath "$socket" "$@"
}

tries=60
until /opt/spire/bin/spire-server healthcheck -socketPath "$socket" >/dev/null 2>&1; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || { echo "bootstrap: spire-server does not answer on $socket: look at its log" >&2; exit 1; }
  sleep 1
done

# The uid as the agent sees it: where the engine maps users (rootless, userns-remap), another number must stand here.
register() {
  if server entry show -spiffeID "spiffe://example.org/$1" | grep -q '^Found 0 entries'; then
    server entry create -parentID "$agent" -spiffeID "spiffe://example.org/$1" -x509SVIDTTL 120 \
      -selector "unix:uid:${SIDECAR_UID:-65532}" -selector "docker:label:spiffe-sds.workload:$1"
  else
    echo "bootstrap: spiffe://example.org/$1 is registered already"
  fi
}
register backend
register frontend

umask 027
server bundle show >"$out/bundle.pem"
# The token's agent gets a second name, that the entries above have as their parent whatever the token is.
token=$(server token generate -spiffeID "$agent" -ttl 600 | sed -n 's/^Token: //p')
[ -n "$token" ] || { echo "bootstrap: spire-server made no token" >&2; exit 1; }
sed "s/@JOIN_TOKEN@/$token/" /spire/agent.conf >"$out/agent.conf.new"
mv "$out/agent.conf.new" "$out/agent.conf"
# For the development Workload API, that then does not serve there.
: >/run/workload-api/spire
echo "bootstrap: done"
