"""The Serve config of a catalog: which changes touch what, and that the shipped one is current."""

from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue
from ray.serve.schema import ServeDeploySchema

from services.generation import serve_config as module
from services.generation.catalog import (
    Catalog,
    ModelSpec,
    OpenAISpec,
    SamplingSpec,
    ScalingSpec,
    SourceSpec,
    load_catalog,
)
from services.generation.front_replica import FrontConfig
from services.generation.hub_commits import pinned_revision
from services.generation.serve_app import FrontArguments, ModelArguments
from services.generation.serve_config import as_yaml, main, serve_config
from tests.unit.generation.hub_cache import use_cache, use_hub

# As in app: what is to replace the field does nothing yet.
pytestmark = pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning")

PROJECT = Path(__file__).parents[3]
SHIPPED = PROJECT / "deploy/serve/config.yaml"
FRONT: dict[str, JsonValue] = {"port": 50051}
SPEC = ModelSpec(
    name="x",
    description="A model.",
    source=SourceSpec(folder="/models/x"),
    max_model_len=128,
    sampling=SamplingSpec(max_tokens=5),
)


def config_of(*specs: ModelSpec) -> ServeDeploySchema:
    catalog = Catalog({spec.name: spec for spec in specs})
    text = as_yaml(serve_config(catalog, FRONT, Path("/models")))
    return ServeDeploySchema.model_validate(yaml.safe_load(text))


def changes(before: ModelSpec, after: ModelSpec) -> set[str]:
    """Which parts of the config differ: args cost new replicas, options do not."""
    found = set()
    for old, new in zip(config_of(before).applications, config_of(after).applications, strict=True):
        if old.args != new.args:
            found.add(f"{old.name} args")
        if old.deployments != new.deployments:
            found.add(f"{old.name} options")
    return found


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"description": "Other words."}, {"front options"}),
        ({"sampling": SamplingSpec(max_tokens=6)}, {"front options"}),
        (
            {"scaling": ScalingSpec(max_replicas=2)},
            {"front options", "model-x options"},
        ),
        ({"engine_arguments": {"max_num_seqs": 2}}, {"front options", "model-x args"}),
        ({"environment": {"A": "1"}}, {"model-x args"}),
        ({"node_resource": "accelerator_type:L4"}, {"model-x args"}),
        ({"max_model_len": 256}, {"front options", "model-x args"}),
        ({"source": SourceSpec(hub="a/b")}, {"front options", "model-x args"}),
    ],
)
def test_a_change_touches_no_more_than_it_must(
    change: dict[str, object], touched: set[str]
) -> None:
    assert changes(SPEC, SPEC.model_copy(update=change)) == touched


def test_another_model_is_another_application_and_the_rest_stays() -> None:
    other = SPEC.model_copy(update={"name": "y"})
    one, both = config_of(SPEC), config_of(SPEC, other)
    assert [app.name for app in both.applications] == ["front", "model-x", "model-y"]
    assert both.applications[1] == one.applications[1]
    assert both.applications[0].args == one.applications[0].args


def test_what_the_config_holds_is_what_the_builders_and_the_front_read() -> None:
    closed = ModelSpec(
        name="closed",
        engine="openai",
        openai=OpenAISpec(base_url="https://x.example/v1", model="m", refuses=("temperature",)),
        max_model_len=128,
        sampling=SamplingSpec(temperature=1.0),
    )
    front, *models = config_of(SPEC, closed).applications
    assert FrontArguments.model_validate(front.args).settings == FRONT
    told = FrontConfig.model_validate(front.deployments[0].user_config).catalog()
    assert told.names == ("closed", "x")
    assert told.get("x").sampling == SPEC.sampling
    entries = {app.name: ModelArguments.model_validate(app.args).entry for app in models}
    assert entries["model-closed"].openai == closed.openai
    # Folders below the models folder are found below the cluster's own.
    assert entries["model-x"].source.folder == "x"


def test_the_front_lists_what_the_replicas_attest_of_template_and_weights() -> None:
    spec = SPEC.model_copy(
        update={
            "chat_template": "{{ messages }}",
            "engine_arguments": {"mm_processor_kwargs": {"do_pan_and_scan": True}},
            "source": SourceSpec(hub="a/b", revision="1a" * 20),
        }
    )
    front, model = config_of(spec).applications
    told = FrontConfig.model_validate(front.deployments[0].user_config).catalog().get("x")
    runs = ModelArguments.model_validate(model.args).entry
    assert told.chat_template_digest == runs.chat_template_digest == spec.chat_template_digest
    assert told.engine_arguments == runs.engine_arguments
    assert pinned_revision(told) == runs.source.revision == "1a" * 20


def test_branches_of_the_hub_are_pinned_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_cache(monkeypatch, tmp_path)
    use_hub(monkeypatch, main="2b" * 20)
    (tmp_path / "x.yaml").write_text("name: x\nsource: {hub: a/b}\nmax_model_len: 128\n")
    command = ["--setting", "port=50051", "--catalog", str(tmp_path)]
    revisions = []
    for options in ([], ["--pin"]):
        assert main([*command, *options]) == 0
        made, told = capsys.readouterr()
        front, model = ServeDeploySchema.model_validate(yaml.safe_load(made)).applications
        config = FrontConfig.model_validate(front.deployments[0].user_config).catalog()
        entry = ModelArguments.model_validate(model.args).entry
        assert config.get("x").source == entry.source
        revisions.append((entry.source.revision, "is commit" in told))
    assert revisions == [("main", False), ("2b" * 20, True)]


def test_every_entry_that_is_shipped_can_be_deployed() -> None:
    catalog = load_catalog(PROJECT / "deploy/models", PROJECT / "var/models")
    text = as_yaml(serve_config(catalog, FRONT, PROJECT / "var/models"))
    applications = ServeDeploySchema.model_validate(yaml.safe_load(text)).applications
    assert len(applications) == len(catalog) + 1
    FrontConfig.model_validate(applications[0].deployments[0].user_config)
    for app in applications[1:]:
        ModelArguments.model_validate(app.args)


def test_the_shipped_config_is_what_its_command_makes_of_the_catalog(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EXPART_GENERATION_CATALOG_FOLDER", raising=False)
    monkeypatch.delenv("EXPART_GENERATION_MODELS_FOLDER", raising=False)
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    comment = [line.removeprefix("#") for line in lines if line.startswith("#")]
    (start,) = (index for index, line in enumerate(comment) if "python -m" in line)
    command = f"{comment[start]}{comment[start + 1]}".replace("\\", " ").split()
    assert command[:3] == ["python", "-m", module.__name__]

    assert main(command[3:]) == 0
    made = yaml.safe_load(capsys.readouterr().out)
    assert made == yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


# YAML would make a list of the first, and a mapping of the second.
@pytest.mark.parametrize("host", ["[::]", "::", "127.0.0.1"])
def test_an_address_is_taken_as_it_is_written(
    host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model", "demo-smol", "--setting", f"host={host}", "--setting", "port=50051"]
    assert main(arguments) == 0
    made = yaml.safe_load(capsys.readouterr().out)
    assert made["applications"][0]["args"]["settings"] == {"host": host, "port": 50051}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the front needs a port: --setting port=50051"),
        (["--model", "nope", "--setting", "port=1"], "no model named 'nope' in the catalog"),
        (["--setting", "port"], "--setting port: must be NAME=VALUE"),
        (["--setting", "port=x"], "PORT: Input should be a valid integer"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.count("\n") == 1
