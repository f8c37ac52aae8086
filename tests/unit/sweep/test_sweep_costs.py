"""What answers took, worked out by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.sweep.progress.costs import ModelCost, costs_csv, stored_costs
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.rows import GenerationRow
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import PriceSpec, PricesSpec

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def answer(key: str, end_s: float, total_s: float, model: str = "alpha") -> GenerationRow:
    texts = dict.fromkeys(GenerationRow.__dataclass_fields__, "")
    row = GenerationRow(**texts)  # type: ignore[arg-type]
    return replace(
        row,
        key=key,
        model=model,
        prompt_token_count=1000,
        image_token_count=600,
        generated_token_count=200,
        queue_s=0.0,
        prefill_s=1.0,
        decode_s=2.0,
        elapsed_s=total_s,
        attempts=1,
        generated_at=_NOON + timedelta(seconds=end_s),
        control="none",
        replicate=0,
        admission_s=0.0,
        first_token_s=1.0,
        total_s=total_s,
        truncated=False,
        gpu_count=2.0,
    )


def stored(path: Path, shards: dict[Shard, list[GenerationRow]]) -> ResultStore:
    store = ResultStore(str(path))
    for shard, rows in shards.items():
        with hold_shard(store, shard) as tables:
            tables.append(rows)
    return store


def test_answers_side_by_side_take_the_gpus_once(tmp_path: Path) -> None:
    # From 0 to 4 s, from 2 to 6 s, and from 10 to 11 s: busy for 6 + 1 s, on 2 GPUs.
    rows = [answer("a", 4, 4), answer("b", 6, 4), answer("c", 11, 1)]
    [cost] = stored_costs(stored(tmp_path, {Shard(): rows}), PricesSpec())
    assert (cost.label, cost.questions) == ("alpha", 3)
    assert (cost.prompt_tokens, cost.generated_tokens) == (3000, 600)
    assert cost.model_s == 9.0  # 1 s of prefill and 2 s of decoding each
    assert cost.busy_s == pytest.approx(7.0)
    assert cost.gpu_s == pytest.approx(14.0)
    assert cost.money is None


def test_money_is_that_of_tokens_and_of_gpu_hours(tmp_path: Path) -> None:
    price = PriceSpec(
        input_per_million_tokens=5.0, output_per_million_tokens=10.0, per_gpu_hour=3.6
    )
    store = stored(tmp_path, {Shard(): [answer("a", 5, 5), answer("b", 5, 5, model="beta")]})
    alpha, beta = stored_costs(store, PricesSpec(models={"alpha": price}))
    # 1000 tokens at 5 and 200 at 10 a million, 10 GPU-seconds at 3.6 an hour: 0.005 + 0.002 + 0.01
    assert alpha.money == pytest.approx(0.017)
    assert alpha.money_per_thousand == pytest.approx(17.0)
    assert beta.money is None


def test_shards_add_up_and_a_key_counts_once(tmp_path: Path) -> None:
    shards = {Shard(): [answer("a", 4, 4)], Shard(0, 2): [answer("a", 4, 4), answer("b", 8, 4)]}
    [cost] = stored_costs(stored(tmp_path, shards), PricesSpec())
    assert cost.questions == 2


def test_nothing_stored_costs_nothing(tmp_path: Path) -> None:
    assert stored_costs(ResultStore(str(tmp_path)), PricesSpec()) == ()


def test_the_table_has_figures_for_1000_questions() -> None:
    cost = ModelCost("alpha", 4, 400, 80, 2.0, 1.5, 3.0, money=0.02)
    heading, line = costs_csv([cost], "EUR").splitlines()
    row = dict(zip(heading.split(","), line.split(","), strict=True))
    # a thousand questions are 250 times four
    assert row["prompt_tokens_per_1000"] == "100000.0"
    assert row["generated_tokens_per_1000"] == "20000.0"
    assert row["gpu_s_per_1000"] == "750.0"
    assert (row["currency"], row["money"], row["money_per_1000"]) == ("EUR", "0.02", "5.0")
