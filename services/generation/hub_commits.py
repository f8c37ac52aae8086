"""Pins models of the hub: names the commit that a branch or tag of an entry means."""

import re
from collections.abc import Callable
from pathlib import Path

from services.core.errors import UserInputError
from services.generation.catalog import Catalog, ModelSpec, SourceSpec
from services.generation.weights import ADAPTER_CONFIG_FILE

_CONFIG_FILE = "config.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")
# The hub answers within a second; a machine that is kept from it should not wait for long.
_HUB_TIMEOUT_S = 10.0


def is_commit(revision: str) -> bool:
    """Whether a revision is a commit's whole hash, and therefore cannot come to mean another."""
    return _COMMIT.fullmatch(revision) is not None


def is_unpinned(spec: ModelSpec) -> bool:
    """Whether an entry's weights are those of a branch or tag of the hub, which may move."""
    return spec.has_weights and spec.source.hub is not None and not is_commit(spec.source.revision)


def pinned_revision(spec: ModelSpec) -> str:
    """Gives the commit that an entry pins: what its replicas attest, known before there are any.

    Returns:
        The commit; empty for what is not of the hub, or not pinned.
    """
    is_pinned = spec.has_weights and spec.source.hub is not None and not is_unpinned(spec)
    return spec.source.revision if is_pinned else ""


def pinned_adapters(spec: ModelSpec) -> dict[str, str]:
    """Gives the commits of those adapters that an entry pins, by name."""
    return {
        name: place.revision
        for name, place in spec.adapters.items()
        if place.hub is not None and is_commit(place.revision)
    }


def commit_of(source: SourceSpec, file: str = _CONFIG_FILE) -> str:
    """Finds the commit that a source's branch or tag is at.

    The hub says it; where the hub cannot be asked, it is the commit that this machine's cache noted
    when it downloaded from there.

    Args:
        source: A place on the hub.
        file: A small file that is at that place; it is downloaded.

    Raises:
        UserInputError: Neither the hub nor the cache knows.
    """
    # Late: what comes along takes a quarter of a second to import, and most entries do without.
    import httpx2  # noqa: PLC0415
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache  # noqa: PLC0415
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    assert source.hub is not None
    if is_commit(source.revision):
        return source.revision
    try:
        # Asked first: a download would try a hub that is out of reach for more than a minute.
        HfApi().model_info(source.hub, revision=source.revision, timeout=_HUB_TIMEOUT_S)
        # And this notes what the branch means, for when the hub is not there.
        found: object = hf_hub_download(source.hub, file, revision=source.revision)
    except (httpx2.HTTPError, OSError, HFValidationError) as error:
        found = try_to_load_from_cache(source.hub, file, revision=source.revision)
        if not isinstance(found, str):
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserInputError(
                f"nobody knows which commit '{source.revision}' of {source.hub} is: it is not in "
                f"this machine's cache, and the hub cannot tell ({reason}); pin a commit in the "
                "catalog entry"
            ) from error
    return Path(str(found)).parent.name  # the cache names its folders after commits


def pin_catalog(catalog: Catalog, note: Callable[[str], object]) -> Catalog:
    """Puts commits in the place of branches and tags: replicas then load these, whenever they come.

    Args:
        catalog: The models.
        note: Told of every place that its entry does not pin, and its commit.

    Raises:
        UserInputError: The commit of a model, or of an adapter, cannot be found.
    """
    return Catalog({spec.name: _pin(spec, note) for spec in catalog})


def _pin(spec: ModelSpec, note: Callable[[str], object]) -> ModelSpec:
    source = _pin_place(f"model {spec.name}", spec.source, _CONFIG_FILE, note)
    adapters = {
        name: _pin_place(f"model {spec.name}, adapter {name}", place, ADAPTER_CONFIG_FILE, note)
        for name, place in spec.adapters.items()
    }
    if source is spec.source and adapters == spec.adapters:
        return spec
    update: dict[str, object] = {"source": source}
    if adapters:
        update["adapters"] = adapters
    return spec.model_copy(update=update)


def _pin_place(
    whose: str, place: SourceSpec, file: str, note: Callable[[str], object]
) -> SourceSpec:
    if place.hub is None or is_commit(place.revision):
        return place
    try:
        commit = commit_of(place, file)
    except UserInputError as error:
        raise UserInputError(f"{whose}: {error.message}") from error
    note(
        f"{whose}: '{place.revision}' of {place.hub} is commit {commit} now; the catalog entry can "
        "pin it"
    )
    return place.model_copy(update={"revision": commit})
