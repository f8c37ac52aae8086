"""A model of the Hugging Face hub as the text encoder of BERTScore.

The only module of the scoring service that imports torch and transformers: import it where an
encoder is loaded, not before.

Each worker process holds an encoder of its own, and uses it so::

    encoder = load_encoder(spec)                  # seconds; raises UserInputError
    encoder.signature                             # the parent puts it into ScoringOptions.encoder
    items = [ScoringInput(candidate, reference, entities, options, encoder), ...]
    prime(items)                                  # services.metrics.prime embeds a batch at once
    score_all(item, metrics)                      # for each of them
"""

from services.metrics.embeddings import TextEncoder
from services.scoring.encoder_spec import EncoderSpec


def load_encoder(spec: EncoderSpec) -> TextEncoder:
    """Loads a model as a text encoder.

    Raises:
        UserInputError: torch is not installed, there is no such model, it has no such layer, or
            the device is not there.
    """
    raise NotImplementedError(spec)
