"""What `expart models check` finds in entries that are well formed."""

import json
import math
import struct
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.generation.catalog import ModelSpec, SourceSpec
from services.generation.catalog_check import Verdict, check_folder, check_spec
from services.generation.installed_engines import (
    InstalledEngines,
    InstalledTransformers,
    InstalledVllm,
)
from services.generation.weights_at_hand import WeightsAtHand, find_weights

INSTALLED = InstalledEngines(
    vllm=InstalledVllm(
        version="9.9",
        arguments=frozenset({"max_num_seqs", "enforce_eager"}),
        architectures=frozenset({"SeeingForCausalLM"}),
        former_architectures={"OldForCausalLM": "9.1"},
        quantizations=frozenset({"awq"}),
    ),
    transformers=InstalledTransformers("8.8", frozenset({"OtherForCausalLM"})),
)
NOTHING = InstalledEngines(None, None)
COMMIT = "0c" * 20
ENTRY = "name: {name}\nsource: {{hub: a/b}}\nmax_model_len: 128\narchitecture: SeeingForCausalLM\n"


def entry(**keys: object) -> ModelSpec:
    source = SourceSpec(hub="a/b", revision=COMMIT)
    given = {"architecture": "SeeingForCausalLM", "source": source, **keys}
    return ModelSpec.model_validate({"name": "small", "max_model_len": 128, **given})


def findings(
    spec: ModelSpec, weights: WeightsAtHand | None = None, installed: InstalledEngines = INSTALLED
) -> list[tuple[Verdict, str]]:
    return [(found.verdict, found.text) for found in check_spec(spec, weights, installed)]


def weights_of(parameters: int, *architectures: str) -> WeightsAtHand:
    return WeightsAtHand(Path("/here"), architectures, parameters, 2 * parameters)


def test_nothing_is_found_in_a_good_entry() -> None:
    assert findings(entry(engine_arguments={"max_num_seqs": 4}, quantization="awq")) == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"engine_arguments": {"max_num_seq": 4}},
            "engine_arguments: vLLM 9.9 has no argument 'max_num_seq'; "
            "did you mean 'max_num_seqs'?",
        ),
        ({"quantization": "magic"}, "quantization: vLLM 9.9 has no 'magic'; it has awq"),
        (
            {"architecture": "OldForCausalLM"},
            "vLLM 9.9 runs no OldForCausalLM: it was dropped in 9.1; "
            "engine transformers or openai may",
        ),
        ({"architecture": "NewForCausalLM"}, "vLLM 9.9 has no NewForCausalLM"),
        (
            {"engine": "transformers"},
            "transformers 8.8 has no SeeingForCausalLM that takes pictures",
        ),
        (
            {
                "engine": "transformers",
                "architecture": "OtherForCausalLM",
                "engine_arguments": {"max_batch_size": 0},
            },
            "engine_arguments.max_batch_size must be at least 1; got 0",
        ),
        (
            {"engine": "transformers", "architecture": "OtherForCausalLM", "quantization": "awq"},
            "quantization: the transformers engine takes weights as they are; leave it out",
        ),
        (
            {"chat_template": "{% for m in messages %}"},
            "chat_template: line 1 is no valid Jinja: ",
        ),
        (
            {"chat_template": "{{ 'Explain.' }}"},
            "chat_template: never mentions messages, so every prompt would be the same",
        ),
        # 2^30 parameters of 2 bytes are 2 GiB.
        (
            {"parameter_count": 2**30, "memory_gib": 1.9},
            "memory_gib: is 1.9, but the weights alone take 2.0",
        ),
        (
            {"parameter_count": 2**30, "memory_gib": 3.9, "dtype": "float32"},
            "memory_gib: is 3.9, but the weights alone take 4.0",
        ),
    ],
)
def test_what_would_fail_later_is_wrong_now(keys: dict[str, object], expected: str) -> None:
    ((verdict, text),) = findings(entry(**keys))
    assert verdict is Verdict.WRONG
    assert text.startswith(expected)


@pytest.mark.parametrize("is_installed", [True, False])
def test_transformers_needs_a_package_for_several_gpus(
    is_installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> ModuleSpec | None:
        return ModuleSpec(name, None) if is_installed else None

    monkeypatch.setattr("services.generation.engines.transformers_arguments.find_spec", find)
    spec = entry(
        engine="transformers", architecture="OtherForCausalLM", num_gpus=2, memory_gib=80.0
    )
    found = [text for verdict, text in findings(spec) if verdict is Verdict.WRONG]
    missing = (
        "num_gpus: transformers spreads a model over 2 GPUs by the package accelerate, "
        "which is not installed: pip install accelerate"
    )
    assert found == ([] if is_installed else [missing])


def test_a_default_that_the_engine_cannot_honour_is_wrong() -> None:
    spec = ModelSpec.model_validate(
        {
            "name": "closed",
            "max_model_len": 128,
            "engine": "openai",
            "openai": {"base_url": "http://127.0.0.1:1/v1", "model": "m"},
            "sampling": {"top_k": 5},
        }
    )
    assert (
        Verdict.WRONG,
        "sampling.top_k is not supported by model closed (engine openai); "
        "leave it out or give 0; got 5",
    ) in findings(spec)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"architecture": "OtherForCausalLM"},
            "vLLM 9.9 has no OtherForCausalLM of its own; transformers has (engine: transformers)",
        ),
        ({"architecture": None}, "architecture: is not given, and the weights are not here"),
        ({"num_gpus": 1}, "memory_gib: is not given, so nobody can tell which GPU is large enough"),
        (
            {"trust_remote_code": True, "source": SourceSpec(hub="a/b")},
            "trust_remote_code: runs the code of 'main', whatever it becomes; pin a commit",
        ),
        (
            {"source": SourceSpec(folder="/not/here")},
            "source.folder: /not/here holds no model, or not all of it",
        ),
    ],
)
def test_what_is_doubtful_is_a_warning(keys: dict[str, object], expected: str) -> None:
    ((verdict, text),) = findings(entry(**keys))
    assert verdict is Verdict.WARNING
    assert text.startswith(expected)


@pytest.mark.parametrize(
    "keys",
    [
        {"trust_remote_code": True},
        {"parameter_count": 2**30, "memory_gib": 2.0},
        # Four bits a parameter: 2^30 of them are half a GiB.
        {"parameter_count": 2**30, "memory_gib": 0.5, "quantization": "awq"},
        {"chat_template": "{% generation %}{{ messages[0]['content'] }}{% endgeneration %}"},
    ],
)
def test_what_is_well_is_not_mentioned(keys: dict[str, object]) -> None:
    assert findings(entry(**keys)) == []


def test_pinning_is_advised_and_the_commit_that_is_here_named() -> None:
    spec = entry(source=SourceSpec(hub="a/b", revision="v1"))
    advice = "source.revision: 'v1' may move, and a sweep then asks anew; better pin "
    assert findings(spec) == [(Verdict.OK, f"{advice}a commit")]
    here = WeightsAtHand(Path("/cache/snapshots") / COMMIT, ("SeeingForCausalLM",), 10, 20)
    found = [(Verdict.OK, f"{advice}the commit that is here, {COMMIT}")]
    assert findings(spec, here) == found


def test_without_engines_only_what_needs_none_is_checked() -> None:
    spec = entry(engine_arguments={"unknown": 1})
    assert findings(spec, installed=NOTHING) == [
        (Verdict.WARNING, "vLLM is not installed here, so its part is not checked")
    ]


class TestWeightsAtHand:
    def test_must_be_of_the_architecture_that_the_entry_names(self) -> None:
        found = findings(entry(), weights_of(10, "OtherForCausalLM"))
        text = "architecture: is SeeingForCausalLM, but the weights say OtherForCausalLM"
        assert found == [(Verdict.WRONG, text)]

    def test_tell_the_architecture_where_the_entry_does_not(self) -> None:
        found = findings(entry(architecture=None), weights_of(10, "NewForCausalLM"))
        assert found == [(Verdict.WRONG, "vLLM 9.9 has no NewForCausalLM")]

    def test_must_have_about_as_many_parameters_as_the_entry_says(self) -> None:
        # A tenth more or less is how differently they are counted.
        spec = entry(parameter_count=1000)
        assert findings(spec, weights_of(1100, "SeeingForCausalLM")) == []
        assert findings(spec, weights_of(1200, "SeeingForCausalLM")) == [
            (Verdict.WRONG, "parameter_count: is 1,000, but the weights have 1,200")
        ]

    def test_are_counted_from_the_headers_of_their_files(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"architectures": ["SeeingForCausalLM"]}')
        # 2 x 3 and 4 make 10 parameters.
        write_tensors(tmp_path / "model.safetensors", {"a": [2, 3], "b": [4]})
        found = find_weights(entry(source=SourceSpec(folder=str(tmp_path))))
        assert found is not None
        assert (found.parameter_count, found.architectures) == (10, ("SeeingForCausalLM",))
        assert found.size_bytes == (tmp_path / "model.safetensors").stat().st_size

    def test_are_not_at_hand_while_a_part_is_missing(self, tmp_path: Path) -> None:
        spec = entry(source=SourceSpec(folder=str(tmp_path)))
        assert find_weights(spec) is None
        (tmp_path / "config.json").write_text("{}")
        assert find_weights(spec) is None
        placed = {"a": "one.safetensors", "b": "two.safetensors"}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
        write_tensors(tmp_path / "one.safetensors", {"a": [5]})
        assert find_weights(spec) is None
        write_tensors(tmp_path / "two.safetensors", {"b": [6]})
        found = find_weights(spec)
        assert found is not None
        assert found.parameter_count == 11

    @pytest.mark.parametrize("content", [b"", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 8 + b"[1]"])
    def test_that_are_broken_are_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "config.json").write_text("{}")
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(UserInputError, match=r"model\.safetensors: is no safetensors file"):
            find_weights(entry(source=SourceSpec(folder=str(tmp_path))))

    def test_that_are_only_partly_there_are_named(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        write_tensors(tmp_path / "model.safetensors", {"a": [5]})
        whole = (tmp_path / "model.safetensors").read_bytes()
        (tmp_path / "model.safetensors").write_bytes(whole[:-1])
        expected = rf"is cut off: {len(whole) - 1} bytes of {len(whole)}"
        with pytest.raises(UserInputError, match=expected):
            find_weights(entry(source=SourceSpec(folder=str(tmp_path))))


def write_tensors(file: Path, shapes: Mapping[str, list[int]]) -> None:
    tensors, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        tensors[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(end))


class TestFolder:
    def test_one_broken_entry_does_not_hide_the_others(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("name: [", encoding="utf-8")
        (tmp_path / "b.yaml").write_text(ENTRY.format(name="good"), encoding="utf-8")
        (tmp_path / "c.yaml").write_text(ENTRY.format(name="odd") + "dtpye: x\n", encoding="utf-8")
        checks = check_folder(tmp_path, tmp_path, INSTALLED)
        assert [(check.name, check.verdict) for check in checks] == [
            ("a", Verdict.WRONG),
            ("good", Verdict.OK),
            ("c", Verdict.WRONG),
        ]
        assert checks[2].findings[0].text == "unknown key 'dtpye'; did you mean 'dtype'?"

    def test_the_second_entry_of_a_name_is_wrong(self, tmp_path: Path) -> None:
        for file in ("a.yaml", "b.yaml"):
            (tmp_path / file).write_text(ENTRY.format(name="same"), encoding="utf-8")
        first, second = check_folder(tmp_path, tmp_path, INSTALLED)
        assert first.verdict is Verdict.OK
        assert second.findings[0].text == "a.yaml has the name 'same' already"

    def test_without_an_entry_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UserInputError, match="holds no"):
            check_folder(tmp_path, tmp_path, INSTALLED)
        with pytest.raises(UserInputError, match="does not exist"):
            check_folder(tmp_path / "nowhere", tmp_path, INSTALLED)
