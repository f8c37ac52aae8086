"""Pins models of the hub: names the commit that a branch or tag of an entry means."""

import re
from collections.abc import Callable

from services.core.errors import UserInputError
from services.generation.catalog import Catalog, ModelSpec, SourceSpec

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


def commit_of(source: SourceSpec) -> str:
    """Finds the commit that a source's branch or tag is at.

    The hub says it; where the hub cannot be asked, it is the commit that this machine's cache noted
    when it downloaded from there.

    Raises:
        UserInputError: Neither the hub nor the cache knows.
    """
    # Late: what comes along takes a quarter of a second to import, and most entries do without.
    import httpx2  # noqa: PLC0415
    from huggingface_hub import HfApi  # noqa: PLC0415
    from huggingface_hub.errors import HFValidationError  # noqa: PLC0415

    from services.generation.weights_at_hand import local_folder  # noqa: PLC0415

    assert source.hub is not None
    if is_commit(source.revision):
        return source.revision
    try:
        found = HfApi().model_info(source.hub, revision=source.revision, timeout=_HUB_TIMEOUT_S)
        commit = str(found.sha)
    except (httpx2.HTTPError, OSError, HFValidationError) as error:
        cached = local_folder(source)
        if cached is None:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserInputError(
                f"nobody knows which commit '{source.revision}' of {source.hub} is: it is not in "
                f"this machine's cache, and the hub cannot tell ({reason}); pin a commit in "
                "source.revision"
            ) from error
        commit = cached.name
    return commit


def pin_catalog(catalog: Catalog, note: Callable[[str], object]) -> Catalog:
    """Puts commits in the place of branches and tags: replicas then load these, whenever they come.

    Args:
        catalog: The models.
        note: Told of every entry that pins nothing itself, and its commit.

    Raises:
        UserInputError: The commit of a model cannot be found.
    """
    return Catalog({spec.name: _pin(spec, note) for spec in catalog})


def _pin(spec: ModelSpec, note: Callable[[str], object]) -> ModelSpec:
    if not is_unpinned(spec):
        return spec
    try:
        commit = commit_of(spec.source)
    except UserInputError as error:
        raise UserInputError(f"model {spec.name}: {error.message}") from error
    note(
        f"model {spec.name}: '{spec.source.revision}' of {spec.source.hub} is commit {commit} now; "
        "source.revision in its catalog entry can pin it"
    )
    source = spec.source.model_copy(update={"revision": commit})
    return spec.model_copy(update={"source": source})
