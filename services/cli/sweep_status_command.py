"""``expart sweep status``: how far a sweep is, from any shell that can read its output."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from services.cli.costs_display import print_costs
from services.cli.interruption import interruptible
from services.cli.standard_output import printing_the_result
from services.cli.stored_sweep import StoredSweep, open_output
from services.core.errors import UserInputError
from services.sweep.progress.costs import ModelCost, stored_costs
from services.sweep.progress.status import DriverState, DriverStatus, read_statuses
from services.sweep.progress.status_sum import added_up
from services.sweep.progress.table import clock, progress_table
from services.sweep.progress.watching import DriverWatch, are_over, unheard
from services.sweep.results.manifest import read_manifest
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import PricesSpec

_SECONDS_UP_TO = 120


def add_to(app: typer.Typer) -> None:
    """Adds the command to the app of sweeps."""
    app.command("status")(status)


@interruptible()
def status(
    sweep: StoredSweep,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Print it again and again until every driver ended.")
    ] = False,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.2, help="Seconds between, with --watch.")
    ] = 3.0,
) -> None:
    """Print how far a sweep is, which drivers run, and what the stored answers cost."""
    store = open_output(sweep)
    console = Console()
    watching = DriverWatch()
    while True:
        drivers = read_statuses(store)
        if not drivers:
            raise UserInputError(f"{store.uri}: no driver has written a status there")
        now = datetime.now(UTC)
        if watch:
            drivers = watching.look(drivers, now)
        is_over = are_over(drivers, now)
        # Reading all answers takes a while: not at every look.
        prices = _prices(store, drivers)
        costs = () if watch and not is_over else stored_costs(store, prices)
        with printing_the_result():
            if as_json:
                print(json.dumps(_document(drivers, costs, now)))
            else:
                _print(drivers, costs, prices.currency, now, console)
        if is_over or not watch:
            return
        time.sleep(interval_s)


def _prices(store: ResultStore, drivers: Sequence[DriverStatus]) -> PricesSpec:
    manifest = read_manifest(store.folder(Shard.parse(drivers[0].shard)))
    given = None if manifest is None else manifest.spec.get("prices")
    try:
        return PricesSpec() if given is None else PricesSpec.model_validate(given)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise UserInputError(f"{store.uri}: prices of another version: {reason}") from error


def _print(
    drivers: Sequence[DriverStatus],
    costs: Sequence[ModelCost],
    currency: str,
    now: datetime,
    console: Console,
) -> None:
    console.print(progress_table(added_up([one.present(now) for one in drivers]), console.width))
    if missing := unheard(drivers):
        console.print(f"shards that have said nothing yet: {missing}", style="yellow")
    for driver in drivers:
        is_well = driver.state is not DriverState.FAILED and not driver.seems_dead(now)
        console.print(
            f"shard {driver.shard} on {driver.host} (process {driver.pid}): {_state(driver, now)}",
            style="" if is_well else "bold red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    if costs:
        print_costs(costs, currency, console)


def _state(driver: DriverStatus, now: datetime) -> str:
    ago = _ago(max(0.0, (now - driver.written_at).total_seconds()))
    if driver.seems_dead(now):
        return f"crashed: silent for {ago} (killed, or it hangs); run again to go on"
    match driver.state:
        case DriverState.RUNNING:
            return f"running, last heard of {ago} ago"
        case DriverState.STOPPED:
            return f"stopped {ago} ago (interrupted; run again to go on)"
        case DriverState.FAILED:
            return f"failed {ago} ago: {driver.reason or 'without a reason'}"
        case DriverState.ENDED:
            left = driver.snapshot.left
            return f"ended {ago} ago" + f", {left:,} questions left; run again to go on" * bool(
                left
            )


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _SECONDS_UP_TO else clock(seconds)


def _document(
    drivers: Sequence[DriverStatus], costs: Sequence[ModelCost], now: datetime
) -> dict[str, object]:
    total = added_up([one.present(now) for one in drivers])
    return {
        "sweep": drivers[0].sweep,
        "planned": total.planned,
        "done": total.done,
        "failed": total.failed,
        "scored": total.scored,
        "rate_per_s": total.recent_rate_per_s,
        "tokens_per_s": total.tokens_per_s,
        "remaining_s": total.remaining_s,
        "models": [
            {
                "label": model.label,
                "planned": model.planned,
                "done": model.done,
                "failed": model.failed,
                "to_ask_again": model.to_ask_again,
                "in_flight": model.in_flight,
                "concurrency": model.concurrency,
                "rate_per_s": model.rate_per_s,
                "tokens_per_s": model.tokens_per_s,
                "remaining_s": model.remaining_s,
                "retries": model.retries,
                "set_aside": model.set_aside,
            }
            for model in total.models
        ],
        "drivers": [
            {
                "shard": driver.shard,
                "host": driver.host,
                "pid": driver.pid,
                "state": driver.state.value,
                "reason": driver.reason,
                "seems_dead": driver.seems_dead(now),
                "written_at": driver.written_at.isoformat(),
            }
            for driver in drivers
        ],
        "costs": [
            {
                "label": cost.label,
                "questions": cost.questions,
                "prompt_tokens": cost.prompt_tokens,
                "generated_tokens": cost.generated_tokens,
                "model_s": cost.model_s,
                "busy_s": cost.busy_s,
                "gpu_s": cost.gpu_s,
                "money": cost.money,
                "money_per_1000": cost.money_per_thousand,
            }
            for cost in costs
        ],
    }
