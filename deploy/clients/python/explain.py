"""Asks for an explanation and prints it as it grows, with the typed client of this repository.

``python explain.py ADDRESS MODEL IMAGE INSTRUCTION``; EXPART_CA names a file with the authorities
to trust, EXPART_TOKEN_FILE one with the token to send with every call.
"""

import os
import sys
from pathlib import Path

from services.core.errors import InvalidRequestError, OverloadedError, ServiceError
from services.rpc.generation_client import ClientSecurity, Sampling, TextDelta, connect


def main(address: str, model: str, image: str, instruction: str) -> int:
    """Prints the explanation, or what is wrong."""
    security = ClientSecurity(tls_ca_file=path("EXPART_CA"), token_file=path("EXPART_TOKEN_FILE"))
    with connect(address, security) as client:
        try:
            for event in client.stream(
                model, instruction, Path(image), sampling=Sampling(max_tokens=100, temperature=0)
            ):
                if isinstance(event, TextDelta):
                    print(event.text, end="", flush=True)
                else:
                    tokens, ran = event.usage.generated_token_count, event.provenance
                    print(f"\n{event.finish_reason}, {tokens} tokens, {ran.revision}")
        except ServiceError as error:
            print(f"{error.reason}: {error.message}", file=sys.stderr)
            if isinstance(error, InvalidRequestError):
                for wrong in error.violations:
                    print(f"  {wrong.field} {wrong.description}", file=sys.stderr)
            if isinstance(error, OverloadedError):
                print(f"  try again in {error.retry_after_s} s", file=sys.stderr)
            return 1
    return 0


def path(variable: str) -> Path | None:
    """The file that a variable of the environment names, if it does."""
    name = os.environ.get(variable)  # noqa: TID251 - an example that stands for itself
    return Path(name) if name else None


if __name__ == "__main__":
    if len(sys.argv) != 5:  # noqa: PLR2004 - this program and its four arguments
        sys.exit("usage: python explain.py ADDRESS MODEL IMAGE INSTRUCTION")
    sys.exit(main(*sys.argv[1:]))
