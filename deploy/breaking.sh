#!/usr/bin/env bash
# Compares the contract with the one on the branch that changes are merged into: a field that
# other teams rely on must not change its number, type or name. The base is origin/main where it
# is known, and the previous commit on a branch's first parent otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
for base in "${PROTO_BASE:-}" origin/main HEAD; do
  [ -n "$base" ] || continue
  if git cat-file -e "$base:protos/buf.yaml" 2>/dev/null; then
    exec buf breaking protos --against ".git#ref=$(git rev-parse "$base"),subdir=protos"
  fi
done
echo "breaking check: no earlier contract to compare with"
