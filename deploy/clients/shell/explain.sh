#!/usr/bin/env bash
# Asks for an explanation with grpcurl, or with buf if TOOL=buf:
#   [TOOL=buf] explain.sh ADDRESS MODEL IMAGE INSTRUCTION
# EXPART_CA names a file with the authorities to trust, EXPART_TOKEN is sent with every call. Both
# tools learn the contract from the service itself, and print a message a line as JSON.
set -euo pipefail
[ $# = 4 ] || { echo "usage: explain.sh ADDRESS MODEL IMAGE INSTRUCTION" >&2; exit 2; }
address=$1 model=$2 image=$3 instruction=$4
method=expart.generation.v1.GenerationService/StreamExplanation

quoted() { python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$1"; }

# Through a pipe: a picture is longer than a command line may be.
request() {
  printf '{"model": %s, "instruction": %s, "sampling": {"max_tokens": 100}, "image": {"data": "' \
    "$(quoted "$model")" "$(quoted "$instruction")"
  base64 -w0 < "$image"
  printf '"}}'
}

header=()
[ -z "${EXPART_TOKEN:-}" ] || header=(-H "authorization: Bearer $EXPART_TOKEN")

if [ "${TOOL:-grpcurl}" = buf ]; then
  # By itself buf asks for the contract without the token.
  [ -z "${EXPART_TOKEN:-}" ] || header+=(--reflect-header "authorization: Bearer $EXPART_TOKEN")
  url=http://$address security=(--http2-prior-knowledge)
  [ -z "${EXPART_CA:-}" ] || url=https://$address security=(--cacert "$EXPART_CA")
  request | buf curl --protocol grpc "${security[@]}" "${header[@]}" -d @- "$url/$method"
else
  security=(-plaintext)
  [ -z "${EXPART_CA:-}" ] || security=(-cacert "$EXPART_CA")
  request | grpcurl "${security[@]}" "${header[@]}" -max-time 600 -d @ "$address" "$method"
fi
