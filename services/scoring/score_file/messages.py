"""Rows as the scoring contract's messages, and scores from them.

Rows go through these messages on this machine too, so that a row is judged by the same rules.
"""

from expart.common.v1 import content_pb2
from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import ErrorReason, InternalError, ServiceError, service_error_classes
from services.metrics import Score, ScoringOptions, Unscorable, UnscorableReason
from services.scoring.score_file.row import FileRow
from services.scoring.score_file.row_scorer import ScoreFileError, Scores


def options_to_pb(options: ScoringOptions) -> pb.ScoringOptions:
    """Writes the choices; the contract names its values as the enums do."""
    return pb.ScoringOptions(
        case_rule=pb.CaseRule.Value(f"CASE_RULE_{options.case.name}"),
        boundary_rule=pb.BoundaryRule.Value(f"BOUNDARY_RULE_{options.boundary.name}"),
        tokenizer_rule=pb.TokenizerRule.Value(f"TOKENIZER_RULE_{options.tokenizer.name}"),
        partial_match_rule=pb.PartialMatchRule.Value(
            f"PARTIAL_MATCH_RULE_{options.partial_match.name}"
        ),
        no_pairs_rule=pb.NoPairsRule.Value(f"NO_PAIRS_RULE_{options.no_pairs.name}"),
        generated_entities_rule=pb.GeneratedEntitiesRule.Value(
            f"GENERATED_ENTITIES_RULE_{options.generated_entities.name}"
        ),
    )


def row_to_pb(
    row: FileRow, metrics: tuple[str, ...], options: pb.ScoringOptions
) -> pb.ScoreExplanationsRequest:
    """Writes a row as an item of a stream, under its number."""
    return pb.ScoreExplanationsRequest(
        item_id=str(row.number),
        item=pb.ScoringItem(
            candidate=row.candidate,
            reference=row.reference,
            entities=row.entities,
            candidate_entities=row.candidate_entities,
        ),
        metrics=metrics,
        options=options,
    )


def scores_from_pb(scores: pb.ItemScores) -> Scores:
    """Reads the scores of an item.

    Raises:
        ScoreFileError: A score has a reason that this version does not know.
    """
    return tuple(map(_score_from_pb, scores.scores))


def _score_from_pb(score: pb.Score) -> Score:
    outcome: float | Unscorable = score.value
    if score.WhichOneof("outcome") != "value":
        name = pb.UnscorableReason.Name(score.unscorable).removeprefix("UNSCORABLE_REASON_")
        try:
            outcome = Unscorable(UnscorableReason(name))
        except ValueError as error:
            raise ScoreFileError(
                f"the service gives {score.metric} the outcome {name}, which this version of "
                "expart does not know"
            ) from error
    return Score(score.metric, outcome, tuple(score.statistics), score.signature)


def item_error_from_pb(error: content_pb2.ItemError) -> ServiceError:
    """Reads why an item could not be scored."""
    try:
        kind = service_error_classes()[ErrorReason(error.reason)]
    except ValueError:
        return InternalError(f"{error.reason}: {error.message}")  # of a newer service
    return kind(error.message, **dict(error.metadata))
