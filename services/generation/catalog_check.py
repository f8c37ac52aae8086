"""Judges catalog entries without starting anything: what would fail later, said now."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from services.core.errors import ModelFailedError, UserInputError
from services.generation.capabilities import unsupported_fields
from services.generation.catalog import ModelSpec, load_model_spec
from services.generation.engines.transformers_arguments import transformers_arguments
from services.generation.hub_commits import is_unpinned
from services.generation.installed_engines import InstalledEngines, InstalledVllm
from services.generation.template_check import template_fault
from services.generation.weights_at_hand import WeightsAtHand, find_weights

# Bytes a parameter by the entry's dtype; auto is 16 bits for every model that we know.
_BYTES_A_PARAMETER = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "auto": 2.0}
# Four bits, the least that common methods of quantisation leave.
_LEAST_BYTES_A_PARAMETER = 0.5
_GIB = 2**30
# Counts of parameters differ by how tied embeddings are counted and padded.
_COUNT_TOLERANCE = 0.1
_ADAPTER_CONFIG_FILE = "adapter_config.json"


class Verdict(StrEnum):
    """How an entry stands, the better ones first."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say about an entry."""

    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class EntryCheck:
    """What is to be said about one file of the catalog.

    Attributes:
        file: The entry.
        name: Its model; the file's name without ending where the file cannot be read.
        spec: The entry as read; None where it cannot be.
        weights: Its weights, where they are on this machine.
        findings: What is wrong, doubtful, or could be better.
    """

    file: Path
    name: str
    spec: ModelSpec | None
    weights: WeightsAtHand | None
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings; good where they are none or mere advice."""
        found = {finding.verdict for finding in self.findings}
        return next((bad for bad in (Verdict.WRONG, Verdict.WARNING) if bad in found), Verdict.OK)


def check_folder(
    folder: Path, models_folder: Path, installed: InstalledEngines
) -> tuple[EntryCheck, ...]:
    """Checks every entry of a catalog folder; one that is broken does not hide the others.

    Args:
        folder: Where the entries lie.
        models_folder: Where relative folders of weights start.
        installed: What the engines on this machine know.

    Raises:
        UserInputError: The folder does not exist, or holds no entry.
    """
    if not folder.is_dir():
        raise UserInputError(f"the catalog folder {folder} does not exist")
    checks: list[EntryCheck] = []
    owners: dict[str, Path] = {}
    for file in sorted(folder.glob("*.yaml")):
        check = check_file(file, models_folder, installed)
        if check.spec is not None and check.name in owners:
            text = f"{owners[check.name].name} has the name {check.name!r} already"
            check = _broken(file, check.name, text)
        owners.setdefault(check.name, file)
        checks.append(check)
    if not checks:
        raise UserInputError(f"the catalog folder {folder} holds no *.yaml file")
    return tuple(checks)


def check_file(file: Path, models_folder: Path, installed: InstalledEngines) -> EntryCheck:
    """Checks one entry; arguments as in check_folder."""
    try:
        spec = load_model_spec(file, models_folder)
        weights = find_weights(spec) if spec.has_weights else None
    except UserInputError as error:
        return _broken(file, file.stem, error.message.removeprefix(f"{file}: "))
    return EntryCheck(file, spec.name, spec, weights, tuple(check_spec(spec, weights, installed)))


def check_spec(
    spec: ModelSpec, weights: WeightsAtHand | None, installed: InstalledEngines
) -> Iterator[Finding]:
    """Yields what is wrong, doubtful, or could be better about an entry that is well formed.

    Args:
        spec: The entry.
        weights: Its weights, where they are on this machine.
        installed: What the engines on this machine know.
    """
    for violation in unsupported_fields(spec, spec.sampling.filled()):
        yield Finding(Verdict.WRONG, f"{violation.field} {violation.description}")
    if spec.chat_template is not None and (fault := template_fault(spec.chat_template)):
        yield Finding(Verdict.WRONG, f"chat_template: {fault}")
    if spec.engine == "vllm" and installed.vllm is not None:
        yield from _check_vllm_arguments(spec, installed.vllm)
    if spec.engine == "transformers":
        yield from _check_transformers_arguments(spec)
    if spec.has_weights:
        yield from _check_architecture(spec, weights, installed)
        yield from _check_memory(spec, weights)
        yield from _check_pin(spec, weights)
        yield from _check_places(spec, weights)


def _broken(file: Path, name: str, text: str) -> EntryCheck:
    return EntryCheck(file, name, None, None, (Finding(Verdict.WRONG, text),))


def _check_vllm_arguments(spec: ModelSpec, vllm: InstalledVllm) -> Iterator[Finding]:
    for name in spec.engine_arguments if vllm.arguments else ():
        if name not in vllm.arguments:
            close = difflib.get_close_matches(name, vllm.arguments, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            text = f"engine_arguments: vLLM {vllm.version} has no argument {name!r}{hint}"
            yield Finding(Verdict.WRONG, text)
    method = spec.quantization
    if method is not None and vllm.quantizations and method not in vllm.quantizations:
        known = ", ".join(sorted(vllm.quantizations))
        text = f"quantization: vLLM {vllm.version} has no {method!r}; it has {known}"
        yield Finding(Verdict.WRONG, text)


def _check_transformers_arguments(spec: ModelSpec) -> Iterator[Finding]:
    try:
        transformers_arguments(spec)
    except ModelFailedError as error:
        yield Finding(Verdict.WRONG, error.message)


def _check_architecture(
    spec: ModelSpec, weights: WeightsAtHand | None, installed: InstalledEngines
) -> Iterator[Finding]:
    named = weights.architectures if weights is not None else ()
    if spec.architecture is not None and named and spec.architecture not in named:
        text = f"architecture: is {spec.architecture}, but the weights say {', '.join(named)}"
        yield Finding(Verdict.WRONG, text)
    architecture = spec.architecture or (named[0] if named else None)
    if architecture is None:
        text = "architecture: is not given, and the weights are not here to tell"
        yield Finding(Verdict.WARNING, text)
    elif spec.engine == "vllm":
        yield from _check_vllm_knows(architecture, installed)
    elif spec.engine == "transformers" and (found := installed.transformers) is not None:
        known = found.architectures
        if known and architecture not in known and not spec.trust_remote_code:
            yield Finding(
                Verdict.WRONG,
                f"transformers {found.version} has no {architecture} that takes pictures",
            )


def _check_vllm_knows(architecture: str, installed: InstalledEngines) -> Iterator[Finding]:
    vllm = installed.vllm
    if vllm is None:
        yield Finding(Verdict.WARNING, "vLLM is not installed here, so its part is not checked")
    elif not vllm.architectures or architecture in vllm.architectures:
        return
    elif architecture in vllm.former_architectures:
        release = vllm.former_architectures[architecture]
        text = f"vLLM {vllm.version} runs no {architecture}: it was dropped in {release}"
        yield Finding(Verdict.WRONG, f"{text}; engine transformers or openai may")
    else:
        other = installed.transformers
        if other is not None and architecture in other.architectures:
            text = f"vLLM {vllm.version} has no {architecture} of its own; transformers has"
            yield Finding(Verdict.WARNING, f"{text} (engine: transformers)")
        else:
            yield Finding(Verdict.WRONG, f"vLLM {vllm.version} has no {architecture}")


def _check_memory(spec: ModelSpec, weights: WeightsAtHand | None) -> Iterator[Finding]:
    found = weights.parameter_count if weights is not None else None
    stated = spec.parameter_count
    if found and stated and not spec.quantization and not _agree(found, stated):
        text = f"parameter_count: is {stated:,}, but the weights have {found:,}"
        yield Finding(Verdict.WRONG, text)
    count = found or stated
    if spec.memory_gib is None:
        if not spec.runs_on_cpu:
            text = "memory_gib: is not given, so nobody can tell which GPU is large enough"
            yield Finding(Verdict.WARNING, text)
        return
    if count is None:
        return
    each = _BYTES_A_PARAMETER[spec.dtype] if spec.quantization is None else _LEAST_BYTES_A_PARAMETER
    needed = count * each / _GIB
    if spec.memory_gib < needed:
        text = f"memory_gib: is {spec.memory_gib:g}, but the weights alone take {needed:.1f}"
        yield Finding(Verdict.WRONG, text)


def _agree(found: int, stated: int) -> bool:
    return abs(found - stated) <= _COUNT_TOLERANCE * found


def _check_pin(spec: ModelSpec, weights: WeightsAtHand | None) -> Iterator[Finding]:
    if not is_unpinned(spec):
        return
    # The cache names its folders after commits.
    commit = "a commit" if weights is None else f"the commit that is here, {weights.folder.name},"
    if spec.trust_remote_code:
        text = f"trust_remote_code: runs the code of {spec.source.revision!r}, whatever it becomes"
        yield Finding(Verdict.WARNING, f"{text}; pin {commit} in source.revision")
    else:
        text = f"source.revision: {spec.source.revision!r} may move, and a sweep then asks anew"
        yield Finding(Verdict.OK, f"{text}; better pin {commit.removesuffix(',')}")


def _check_places(spec: ModelSpec, weights: WeightsAtHand | None) -> Iterator[Finding]:
    if spec.source.folder is not None and weights is None:
        text = f"source.folder: {spec.source.folder} holds no model, or not all of it"
        yield Finding(Verdict.WARNING, text)
    for name, place in spec.adapters.items():
        if place.folder is not None and not (Path(place.folder) / _ADAPTER_CONFIG_FILE).is_file():
            text = f"adapters.{name}: {place.folder} holds no {_ADAPTER_CONFIG_FILE}"
            yield Finding(Verdict.WRONG, text)
