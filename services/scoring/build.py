"""Puts the scorer together as the settings say."""

from services.scoring.budget import Budget
from services.scoring.checks import ItemLimits
from services.scoring.encoder_spec import EncoderSpec
from services.scoring.fair_queue import BatchBounds
from services.scoring.scorer import Scorer
from services.scoring.settings import ScoringSettings
from services.scoring.worker import worker_command
from services.scoring.worker_pool import PoolSpec, WorkerPool
from services.telemetry.instruments import Metrics

_START_TIMEOUT_S = 60.0


def build_scorer(settings: ScoringSettings, metrics: Metrics | None = None) -> Scorer:
    """Makes the scorer, with the pools of workers that it needs; nothing runs before its start.

    Args:
        settings: The settings.
        metrics: Where Prometheus finds what is counted; by default nowhere.
    """
    pool = PoolSpec(
        name="cpu",
        command=worker_command(),
        workers=settings.workers,
        batch=BatchBounds(settings.batch_items, settings.batch_bytes),
        answer_timeout_s=settings.answer_timeout_s,
        withdrawn_grace_s=settings.withdrawn_grace_s,
        start_timeout_s=_START_TIMEOUT_S,
    )
    encoder = _encoder_spec(settings)
    single_budget, stream_budget = (
        Budget(settings.max_pending_items // 2, settings.max_pending_bytes // 2) for _ in range(2)
    )
    return Scorer(
        WorkerPool(pool, metrics),
        None if encoder is None else WorkerPool(_encoder_pool(settings, encoder), metrics),
        single_budget=single_budget,
        stream_budget=stream_budget,
        max_wait_s=settings.max_wait_s,
        good_batch_items=settings.batch_items,
        metrics=metrics,
    )


def item_limits(settings: ScoringSettings) -> ItemLimits:
    """How large an item may be."""
    return ItemLimits(settings.max_text_chars, settings.max_entities, settings.max_entity_chars)


def _encoder_pool(settings: ScoringSettings, encoder: EncoderSpec) -> PoolSpec:
    return PoolSpec(
        name="encoder",
        command=worker_command(encoder),
        workers=settings.encoder_workers,
        batch=BatchBounds(settings.encoder_batch_items, settings.batch_bytes),
        answer_timeout_s=settings.answer_timeout_s,
        # Its encoder's limit on tokens bounds the time of every text, and loading takes longer.
        withdrawn_grace_s=None,
        start_timeout_s=settings.encoder_start_timeout_s,
    )


def _encoder_spec(settings: ScoringSettings) -> EncoderSpec | None:
    if not settings.encoder:
        return None
    return EncoderSpec(
        model=settings.encoder,
        revision=settings.encoder_revision,
        layer=settings.encoder_layer,
        device=settings.encoder_device,
        threads=settings.encoder_threads,
        batch_tokens=settings.encoder_batch_tokens,
        cache_bytes=settings.encoder_cache_bytes,
        local_files_only=settings.encoder_local_files_only,
    )
