"""Picks the error that people should see out of those of several tasks."""

from services.core.errors import ExpArtError


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that people should see: one of ours before any other."""
    leaves: list[BaseException] = []
    groups = [group]
    while groups:
        for error in groups.pop().exceptions:
            if isinstance(error, BaseExceptionGroup):
                groups.append(error)
            else:
                leaves.append(error)
    return next((error for error in leaves if isinstance(error, ExpArtError)), leaves[0])
