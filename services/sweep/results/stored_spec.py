"""The spec by which an output was planned last, as its manifest has it."""

from pathlib import Path

from pydantic import ValidationError

from services.core.errors import UserInputError
from services.sweep.results.manifest import FILE_NAME, Manifest, last_planned
from services.sweep.results.store import ResultStore
from services.sweep.spec.spec import SweepSpec


def stored_spec(store: ResultStore) -> SweepSpec:
    """Reads the spec that an output was planned by last; its paths are absolute.

    Raises:
        UserInputError: There is no sweep, or its spec is none of this version.
    """
    manifest = last_planned(store)
    if manifest is None:
        raise UserInputError(f"{store.uri}: there is no sweep here")
    return spec_of(manifest, store.uri)


def spec_of(manifest: Manifest, output: str) -> SweepSpec:
    """Reads the spec that a manifest notes; its paths are absolute.

    Args:
        manifest: The manifest.
        output: The output that it is of, which may have moved.

    Raises:
        UserInputError: The spec is none of this version.
    """
    # The manifest has every key, and the spec takes one of these two.
    unused = "sampling" if manifest.spec.get("samplings") else "samplings"
    declared = {name: value for name, value in manifest.spec.items() if name != unused}
    try:
        spec = SweepSpec.model_validate(declared)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise UserInputError(
            f"{output}: the spec in {FILE_NAME} is none of this version: {place}: "
            f"{problem['msg']}; give the sweep's YAML file instead of its output"
        ) from error
    # Relative to nothing: the paths are absolute. Messages name the output.
    spec = spec.resolved_against(Path(output) / FILE_NAME)
    return spec.model_copy(update={"output": output})
