#!/usr/bin/env bash
# Gets the reverse proxies and the load generator that `cargo bench -p deploy-benches --bench proxy` compares with:
# nginx, HAProxy and wrk by apt-get (needs root), kamal-proxy by Go into $DEPLOY_CACHE/tools/bin.
# proxies.sh [KAMAL_PROXY_VERSION]
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

# A module of its own that imports the command: all it needs of a module proxy are the versions that are asked for.
kamal_proxy() {
  local module=github.com/basecamp/kamal-proxy folder
  folder=$(mktemp -d)
  printf 'module build\n\ngo 1.24\n\nrequire %s %s\n' "$module" "$1" >"$folder/go.mod"
  printf '//go:build tools\n\npackage tools\n\nimport _ "%s/cmd/kamal-proxy"\n' "$module" >"$folder/tools.go"
  mkdir -p "$tools/bin"
  (cd "$folder" && go mod tidy && CGO_ENABLED=0 go build -trimpath -o "$tools/bin/" "$module/cmd/kamal-proxy") || return 1
  rm -r "$folder"
}

if [ ! -x "$tools/bin/kamal-proxy" ]; then
  if ! command -v go >/dev/null; then
    missing+=("kamal-proxy (there is no Go)")
  else
    kamal_proxy "${1:-v0.9.2}" || missing+=(kamal-proxy)
  fi
fi

if ((${#missing[@]})); then
  printf 'missing: %s\n' "${missing[@]}" >&2
  exit 1
fi
echo "all there"
