"""Which texts an encoder embeds together."""

from collections.abc import Iterator, Sequence

# A text joins a batch whose longest has at most 4/3 as many tokens: padding is at most a quarter
# of what is computed.
_LEAST_FILL = 0.75


def batches_of(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Groups texts by their numbers of tokens, the longest first; yields their indices."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        longest = lengths[batch[0]] if batch else 0
        full = longest * (len(batch) + 1) > batch_tokens
        if batch and (full or lengths[index] < longest * _LEAST_FILL):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
