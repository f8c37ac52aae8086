"""Contextual embeddings of a text's tokens, and who makes them.

The metrics know no model: a :class:`TextEncoder` is given to them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TokenEmbeddings:
    """One text as an encoder sees it: a vector and a weight for each of its tokens.

    Attributes:
        vectors: Float32, (tokens, dimensions), each of length 1.
        weights: Float32, (tokens,): 1, or 0 for the tokens that the encoder itself puts around
            every text. These can be matched, and count in no average.
        truncated: Whether the encoder's limit cut the text's end off.
    """

    vectors: NDArray[np.float32]
    weights: NDArray[np.float32]
    truncated: bool

    @property
    def size_bytes(self) -> int:
        """What the arrays occupy."""
        return self.vectors.nbytes + self.weights.nbytes


class TextEncoder(Protocol):
    """A model that gives each token of a text a vector that depends on its context."""

    @property
    def signature(self) -> str:
        """Names the model and all else that its vectors depend on, as fields with ``|`` between.

        Two encoders whose vectors may differ never have the same one.
        """

    def encode(self, texts: Sequence[str], keep: Collection[str] = ()) -> list[TokenEmbeddings]:
        """Embeds texts. What a text is given does not depend on the others beyond rounding.

        Args:
            texts: Any number of them, of any length.
            keep: Those that are likely to be asked for again, as references are. An encoder with a
                cache keeps these.

        Returns:
            One entry a text, in their order.
        """
