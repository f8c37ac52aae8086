"""Has a scoring service score one text, and compares the scores, as ``helm test`` does.

``score_text.py ADDRESS``; TLS and the token are what the ``expart`` command's variables say.
Exit code 1: it is not there, or scores otherwise.
"""

import sys
from typing import cast

import grpc

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as rpc
from services.cli.connection_options import Connection
from services.cli.settings import CliSettings
from services.core.errors import ExpArtError
from services.rpc.channel import open_blocking_channel
from services.rpc.status import error_from_rpc

_TIMEOUT_S = 60.0
# Of the two entities the text names one, and as it is written: half are covered.
_ENTITIES = ("Louvre", "Leonardo da Vinci")
_TEXT = "It hangs in the Louvre."
_REFERENCE = "A portrait by Leonardo da Vinci, which hangs in the Louvre."
_METRIC, _COVERED = "ec_exact", 0.5


def main(address: str) -> int:
    """Prints the scores, or what is wrong."""
    item = pb.ScoringItem(candidate=_TEXT, reference=_REFERENCE, entities=_ENTITIES)
    request = pb.ScoreExplanationRequest(item=item, metrics=[_METRIC])
    try:
        security = Connection().security(CliSettings(), scoring=address)
        with open_blocking_channel(address, security) as channel:
            answer = rpc.ScoringServiceStub(channel).ScoreExplanation(request, timeout=_TIMEOUT_S)
    except ExpArtError as error:
        print(error.message, file=sys.stderr)
        return 1
    except grpc.RpcError as failure:
        print(error_from_rpc(cast("grpc.Call", failure)).message, file=sys.stderr)
        return 1
    for score in answer.scores:
        print(score.metric, score.value, score.signature)
    return 0 if [score.value for score in answer.scores] == [_COVERED] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
