#!/usr/bin/env bash
# Gets the reverse proxies and the load generator that `cargo bench -p deploy-benches --bench proxy` compares with:
# nginx, HAProxy and wrk by apt-get (needs root), kamal-proxy by Go into $DEPLOY_CACHE/tools/bin.
# proxies.sh [KAMAL_PROXY_VERSION]; with KAMAL_PROXY_SOURCE=FOLDER it builds a checkout instead. Needs Go for that.
set -euo pipefail
tools=${DEPLOY_CACHE:-$HOME/.cache/deploy}/tools
missing=()

apt=()
command -v nginx >/dev/null || apt+=(nginx-light)
command -v haproxy >/dev/null || apt+=(haproxy)
command -v wrk >/dev/null || apt+=(wrk)
command -v taskset >/dev/null || apt+=(util-linux)
if ((${#apt[@]})); then
  # What a package starts by itself would hold port 80.
  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
  { apt-get update -q && apt-get install -qy --no-install-recommends "${apt[@]}"; } || missing+=("${apt[@]}")
fi

if [ ! -x "$tools/bin/kamal-proxy" ]; then
  mkdir -p "$tools/bin"
  if ! command -v go >/dev/null; then
    missing+=("kamal-proxy (there is no Go)")
  elif [ -n "${KAMAL_PROXY_SOURCE:-}" ]; then
    (cd "$KAMAL_PROXY_SOURCE" && CGO_ENABLED=0 go build -trimpath -o "$tools/bin/kamal-proxy" ./cmd/kamal-proxy) || missing+=(kamal-proxy)
  else
    CGO_ENABLED=0 GOBIN="$tools/bin" go install -trimpath "github.com/basecamp/kamal-proxy/cmd/kamal-proxy@${1:-v0.9.2}" || missing+=(kamal-proxy)
  fi
fi

if ((${#missing[@]})); then
  printf 'missing: %s\n' "${missing[@]}" >&2
  exit 1
fi
echo "all there"
