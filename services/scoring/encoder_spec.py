"""Which encoder BERTScore uses, and how. Importing this loads neither torch nor transformers."""

from dataclasses import dataclass

_MIB = 2**20


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """What :func:`services.scoring.encoder.load_encoder` loads.

    Attributes:
        model: Id of a model on the Hugging Face hub, or a folder.
        revision: Branch, tag or commit of the model on the hub; means nothing for a folder.
        layer: Which layer's output the embeddings are, counted from 1; None for the one that
            ``bert_score`` takes for this model, where it knows the model.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        threads: Processor threads of this process that compute; None leaves torch's own choice.
        batch_tokens: Most tokens, padding counted, that are computed at once. A single text may
            have more.
        cache_bytes: How much memory the embeddings of texts may take that are kept in case they
            are asked for again, as references are; 0 keeps none.
        local_files_only: Whether to take models from the disk only, and never from the hub.
    """

    model: str
    revision: str = "main"
    layer: int | None = None
    device: str = "cpu"
    threads: int | None = None
    batch_tokens: int = 1024
    cache_bytes: int = 256 * _MIB
    local_files_only: bool = False
