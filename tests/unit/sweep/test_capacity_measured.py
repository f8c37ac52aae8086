"""Paces and sizes as an earlier sweep's tables have them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.sweep.capacity.measured import measure
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.rows import GenerationRow, ScoreRow
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.finished_sweep import GENERATION, NOW


def answers(model: str, count: int, every_s: float) -> list[GenerationRow]:
    """One after the other: 0.5 s of prefill and 1.5 s of decoding for 200 tokens each."""
    return [
        replace(
            GENERATION,
            key=f"{model}{number:032}",
            model=model,
            prompt_token_count=700,
            image_token_count=600,
            generated_token_count=200,
            prefill_s=0.5,
            decode_s=1.5,
            total_s=2.0,
            elapsed_s=2.0,
            generated_at=NOW + timedelta(seconds=every_s * (number + 1)),
        )
        for number in range(count)
    ]


def scores(answered: list[GenerationRow]) -> list[ScoreRow]:
    return [
        ScoreRow(
            key=answer.key,
            reference_digest="d1",
            signatures_digest="s1",
            metric=metric,
            value=0.5,
            unscorable=None,
            statistics=(1.0, 2.0),
            signature=f"{metric}|v1",
            scored_at=answer.generated_at,
        )
        for answer in answered
        for metric in ("ef1", "rouge_l")
    ]


def test_paces_are_those_of_the_time_when_questions_were_on_their_way(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    # Two seconds of work every 4 s: 20 answers took 40 s, and 40 s lay between them.
    answered = answers("alpha", 20, every_s=4)
    with hold_shard(store, Shard()) as tables:
        tables.append(answered)
        tables.append(scores(answered))
    found = measure(store)
    assert found.pace["alpha"].answers == 20
    assert found.pace["alpha"].tokens_per_s == pytest.approx(20 * 200 / 40)
    assert found.pace["alpha"].s_per_token == pytest.approx(2 / 200)
    assert found.tokens["alpha"].output_tokens == 200
    # 19 steps of 4 s from the first to the last; the two metrics of an answer are one scoring.
    assert found.scored_per_s == pytest.approx(1 / 4)
    size = sum(file.stat().st_size for file in tmp_path.rglob("*.parquet"))
    assert found.bytes_per_answer == pytest.approx(size / 20)
    assert size > 0


def test_waiting_for_a_model_to_load_is_no_work(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    # The first question woke the model, which took 300 s.
    first, *others = answers("alpha", 20, every_s=2)
    with hold_shard(store, Shard()) as tables:
        tables.append([replace(first, total_s=302.0, elapsed_s=302.0), *others])
    assert measure(store).pace["alpha"].tokens_per_s == pytest.approx(100)


def test_all_shards_count_and_models_with_few_answers_do_not(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    alpha, beta = answers("alpha", 20, every_s=2), answers("beta", 19, every_s=2)
    for index, rows in enumerate((alpha[:10], alpha[10:] + beta)):
        with hold_shard(store, Shard(index, 2)) as tables:
            tables.append(rows)
    found = measure(store)
    assert list(found.pace) == ["alpha"]
    assert found.pace["alpha"].tokens_per_s == pytest.approx(100)
    assert found.scored_per_s is None


def test_an_empty_output_tells_nothing(tmp_path: Path) -> None:
    found = measure(ResultStore(tmp_path))
    assert (found.pace, found.scored_per_s, found.bytes_per_answer) == ({}, None, None)


def test_answers_that_took_no_time_tell_no_pace(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    instant = [
        replace(answer, prefill_s=0.0, decode_s=0.0) for answer in answers("alpha", 20, every_s=2)
    ]
    with hold_shard(store, Shard()) as tables:
        tables.append(instant)
    assert measure(store).pace == {}
