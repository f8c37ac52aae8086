"""Scores rows on this machine, by the scoring service's own worker processes."""

import asyncio
import os
import re
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from expart.scoring.v1 import scoring_service_pb2 as pb
from services.core.errors import InvalidRequestError, MetricNotFoundError, UserInputError
from services.metrics import find_metrics
from services.scoring.build import build_scorer, item_limits
from services.scoring.convert import task_from_pb
from services.scoring.fair_queue import Caller, Lane
from services.scoring.score_file.messages import options_to_pb, row_to_pb, scores_from_pb
from services.scoring.score_file.row import FileRow
from services.scoring.score_file.row_scorer import (
    ScoredMetric,
    ScoreFileError,
    Scores,
    ScoringChoice,
)
from services.scoring.settings import DEVICE_PATTERN, ScoringSettings
from services.scoring.worker_process import WorkerLostError


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """BERTScore's encoder as the command line names it; what is left out is the service's.

    Attributes:
        model: A folder, or a model of the hub.
        layer: Whose output is compared, counted from 1.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
    """

    model: str = ""
    layer: int | None = None
    device: str = ""


def local_settings(
    settings: ScoringSettings,
    choice: ScoringChoice,
    encoder: EncoderChoice,
    *,
    workers: int | None,
) -> ScoringSettings:
    """Adapts the service's settings to the scoring of a file.

    Args:
        settings: The service's.
        choice: What every row is asked for.
        encoder: BERTScore's encoder.
        workers: Worker processes; None for one a processor, for nothing else is to be done here.

    Raises:
        UserInputError: No metric has one of the names, one needs an encoder and there is none, or
            something is said about an encoder where there is none.
    """
    model = encoder.model or settings.encoder
    try:
        metrics = find_metrics(choice.metrics, replace(choice.options, encoder="to be loaded"))
    except MetricNotFoundError as error:
        raise UserInputError(error.message) from error
    needing = [metric.name for metric in metrics if metric.needs_encoder]
    if not model and choice.metrics and needing:
        raise UserInputError(
            f"{needing[0]} needs a text encoder: name a folder or a model of the hub by --encoder, "
            "or by EXPART_SCORING_ENCODER"
        )
    _check_encoder(encoder, model)
    return settings.model_copy(
        update={
            "workers": workers or len(os.sched_getaffinity(0)),
            "encoder": model if needing else "",
            "encoder_layer": encoder.layer or settings.encoder_layer,
            "encoder_device": encoder.device or settings.encoder_device,
        }
    )


def _check_encoder(encoder: EncoderChoice, model: str) -> None:
    for option, value in (("layer", encoder.layer), ("device", encoder.device)):
        if value and not model:
            raise UserInputError(
                f"--encoder-{option} says something of an encoder: name it too, by --encoder"
            )
    if encoder.device and not re.fullmatch(DEVICE_PATTERN, encoder.device):
        raise UserInputError(
            f"--encoder-device: must be cpu, cuda or cuda:N, is {encoder.device[:80]!r}"
        )


class LocalRowScorer:
    """Scores rows by worker processes that it starts and ends.

    Args:
        choice: What every row is asked for.
        settings: How many workers, and how large a row may be.

    Attributes:
        place: Where rows are scored, for people.
        metrics: What rows are scored by, in the order of their scores; known once entered.
    """

    def __init__(self, choice: ScoringChoice, settings: ScoringSettings) -> None:
        self.place = "this machine"
        self.metrics: tuple[ScoredMetric, ...] = ()
        self._choice = choice
        self._names: tuple[str, ...] = ()
        self._options = options_to_pb(choice.options)
        self._limits = item_limits(settings)
        self._scorer = build_scorer(settings)
        self._rows = Caller(Lane.STREAM)

    async def submit(self, row: FileRow) -> asyncio.Future[Scores]:
        """Takes a row to be scored."""
        scores: asyncio.Future[Scores] = asyncio.get_running_loop().create_future()
        request = row_to_pb(row, self._names, self._options)
        try:
            task = task_from_pb(request, self._limits, self._scorer.encoder)
        except InvalidRequestError as error:
            scores.set_exception(error)
            return scores
        answer = await self._scorer.submit(task, self._rows)
        answer.add_done_callback(lambda answer: _pass_on(answer, scores))
        return scores

    async def __aenter__(self) -> Self:
        """Starts the workers.

        Raises:
            UserInputError: The encoder cannot be loaded.
            ScoreFileError: The workers do not start.
        """
        try:
            await self._scorer.start()
        except WorkerLostError as error:
            raise ScoreFileError(f"the scoring workers did not start: {error}") from error
        options = replace(self._choice.options, encoder=self._scorer.encoder)
        self.metrics = tuple(
            ScoredMetric(m.name, m.sign(options), m.statistic_names, m.max_value)
            for m in find_metrics(self._choice.metrics, options)
        )
        self._names = tuple(metric.name for metric in self.metrics)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._scorer.stop()


def _pass_on(answer: asyncio.Future[pb.ItemScores], scores: asyncio.Future[Scores]) -> None:
    """Has a row's scores come out as its worker's answer does."""
    if scores.done():  # withdrawn
        if not answer.cancelled():
            answer.exception()  # nobody else will look at it
        return
    if answer.cancelled():
        scores.cancel()
    elif error := answer.exception():
        scores.set_exception(error)
        scores.exception()  # when all ends there is nobody left to look at it
    else:
        scores.set_result(scores_from_pb(answer.result()))
