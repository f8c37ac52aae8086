"""``expart sweep run``: what it plans with is what it has loaded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from services.cli import sweep_run_command, sweep_services
from services.cli.app import run
from services.core.errors import UserInputError
from services.generation.catalog import Catalog
from services.sweep.plan.directory import ModelDirectory
from services.sweep.plan.plan import SweepPlan
from services.sweep.plan.prepare import plan_sweep
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec
from tests.unit.generation.hub_cache import fill_cache, use_cache, use_hub

PROJECT = Path(__file__).parents[3]
COMMIT, LATER = "1a" * 20, "2b" * 20


class Planned:
    """Sees what is planned and what is to be started, and starts nothing."""

    def __init__(self) -> None:
        self.plan: SweepPlan | None = None
        self.catalog: Catalog | None = None
        self.at_a_time: object = None

    def plan_sweep(
        self, spec: SweepSpec, directory: ModelDirectory, shard: Shard, *, retry_failed: bool
    ) -> SweepPlan:
        self.plan = plan_sweep(spec, directory, shard, retry_failed=retry_failed)
        return self.plan

    @contextmanager
    def local_stack(
        self, *_: object, catalog: Catalog, at_a_time: int | None, plaintext: bool
    ) -> Iterator[None]:
        assert plaintext
        self.catalog, self.at_a_time = catalog, at_a_time
        raise UserInputError("there is no stack here")
        yield


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Planned:
    seen = Planned()
    monkeypatch.setattr(sweep_run_command, "plan_sweep", seen.plan_sweep)
    monkeypatch.setattr(sweep_services, "local_stack", seen.local_stack)
    return seen


@pytest.fixture
def spec_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    for name in ("alpha", "beta"):
        entry = f"name: {name}\nsource: {{hub: x/{name}}}\nmax_model_len: 4096\n"
        (catalog / f"{name}.yaml").write_text(entry)
    monkeypatch.setenv("EXPART_GENERATION_CATALOG_FOLDER", str(catalog))
    monkeypatch.setenv("EXPART_CLI_LOG_FOLDER", str(tmp_path / "log"))
    use_cache(monkeypatch, tmp_path)
    spec = {
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": ["alpha", "beta"],
        "max_parallel_models": 1,
        "limits": {"max_questions_per_split": 2},
        "output": "results",
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def commits(seen: Planned) -> tuple[list[str], list[str]]:
    assert seen.plan is not None
    assert seen.catalog is not None
    revisions = [model.description.revision for model in seen.plan.models]
    return revisions, [spec.source.revision for spec in seen.catalog]


def test_a_local_stack_loads_the_commits_that_are_planned_and_knows_how_many_at_a_time(
    spec_file: Path, tmp_path: Path, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta"):
        fill_cache(tmp_path, f"x/{name}", "main", COMMIT)
    use_hub(monkeypatch)
    assert run(["sweep", "run", str(spec_file), "--local"]) == 2
    assert commits(planned) == ([COMMIT, COMMIT], [COMMIT, COMMIT])
    assert planned.at_a_time == 1


def test_a_branch_that_has_moved_is_another_question(
    spec_file: Path, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = []
    for commit in (COMMIT, LATER):
        use_hub(monkeypatch, main=commit)
        assert run(["sweep", "run", str(spec_file), "--local"]) == 2
        assert commits(planned) == ([commit, commit], [commit, commit])
        assert planned.plan is not None
        keys.append({job.key for job in planned.plan.jobs})
    assert keys[0]
    assert keys[0].isdisjoint(keys[1])


def test_a_model_that_could_not_be_loaded_either_is_refused_before_anything_starts(
    spec_file: Path,
    planned: Planned,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_hub(monkeypatch)
    assert run(["sweep", "run", str(spec_file), "--local"]) == 2
    assert planned.plan is None
    assert "model alpha: nobody knows which commit 'main' of x/alpha is" in capsys.readouterr().err
