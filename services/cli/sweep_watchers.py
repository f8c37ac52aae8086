"""Who watches a sweep besides its display: the status file, and Prometheus."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from services.cli.costs_display import print_costs
from services.sweep.plan.plan import SweepPlan
from services.sweep.progress.costs import FILE_NAME, costs_csv, stored_costs
from services.sweep.progress.metrics import MetricsProgress
from services.sweep.progress.progress import ManyWatchers, SweepProgress
from services.sweep.progress.status import StatusProgress
from services.sweep.results.store import ResultStore
from services.sweep.spec.spec import SweepSpec
from services.telemetry.metrics_server import serving_metrics


@contextmanager
def sweep_watchers(
    plan: SweepPlan, display: SweepProgress, metrics_port: int | None
) -> Iterator[SweepProgress]:
    """Has a sweep watched by its display, its status file and, with a port, by Prometheus.

    Raises:
        UserInputError: The port cannot be had.
    """
    spec = plan.spec
    with ExitStack() as stack:
        watchers = [display]
        if metrics_port is not None:
            metrics = MetricsProgress(spec.name, spec.prices)
            port = stack.enter_context(serving_metrics(metrics, metrics_port))
            display.note(f"metrics: port {port}, /metrics")
            watchers.append(metrics)
        status = StatusProgress(ResultStore(spec.output), plan.shard, spec.name)
        watchers.append(stack.enter_context(status))
        yield ManyWatchers(watchers)


def show_costs(spec: SweepSpec, console: Console) -> None:
    """Prints what the stored answers cost, and writes it as a table into the output.

    Raises:
        UserInputError: The output cannot be read or written.
    """
    store = ResultStore(spec.output)
    if costs := stored_costs(store, spec.prices):
        print_costs(costs, spec.prices.currency, console)
        console.print()
        store.write_text(FILE_NAME, costs_csv(costs, spec.prices.currency))
