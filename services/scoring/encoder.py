"""A model of the Hugging Face hub, or of a folder, as the text encoder of BERTScore.

Imports torch and transformers, and so raises UserInputError where they are not installed: import
it where an encoder is loaded, not before. A process holds an encoder of its own, and uses it so::

    encoder = load_encoder(spec)                  # seconds; raises UserInputError
    encoder.signature                             # what ScoringOptions.encoder is to name
    items = [ScoringInput(candidate, reference, entities, options, encoder), ...]
    prime(items)                                  # services.metrics.prime embeds a batch at once
    score_all(item, metrics)                      # for each of them
"""

import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
import numpy as np
from numpy.typing import NDArray

from services.core.errors import UserInputError
from services.metrics.embeddings import TokenEmbeddings
from services.scoring.embedding_cache import EmbeddingCache
from services.scoring.encoder_batches import batches_of
from services.scoring.encoder_files import digest_model, find_folder
from services.scoring.encoder_layers import best_layer
from services.scoring.encoder_spec import EncoderSpec
from services.scoring.worker_report import EncoderWork

try:
    import torch
    import transformers
except ImportError as missing:
    raise UserInputError(
        f"BERTScore's encoder needs torch and transformers ({missing}): install "
        "expart-serving[scoring-encoder], or set no EXPART_SCORING_ENCODER"
    ) from missing

_DEVICE = re.compile(r"cpu|cuda(?::(\d+))?")


class TransformersEncoder:
    """The hidden states of one layer, each scaled to length 1. Not for several threads at once.

    Args:
        model: Gives the hidden states as ``last_hidden_state``, in float32.
        tokenizer: The model's tokeniser.
        signature: Names the model and all else that the embeddings depend on.
        prefix: Put before every text that is not empty.
        max_tokens: What is longer is cut off, as the tokeniser does it.
        batch_tokens: Most tokens, padding counted, that are computed at once.
        cache: Keeps what is to be kept.

    Attributes:
        work: What it has done, for whoever wants to know.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: transformers.PreTrainedTokenizerBase,
        *,
        signature: str,
        prefix: str,
        max_tokens: int,
        batch_tokens: int,
        cache: EmbeddingCache,
    ) -> None:
        self.signature = signature
        self.cache = cache
        self.work = EncoderWork()
        self._model = model
        self._device = next(model.parameters()).device
        self._tokenizer = tokenizer
        self._prefix = prefix
        self._max_tokens = max_tokens
        self._batch_tokens = batch_tokens
        self._padding_id = tokenizer.pad_token_id or 0
        self._special_ids = (tokenizer.cls_token_id, tokenizer.sep_token_id)

    def encode(self, texts: Sequence[str], keep: Collection[str] = ()) -> list[TokenEmbeddings]:
        """Embeds texts in batches of similar length, equal ones once; see :class:`TextEncoder`."""
        prepared = [self._prepare(text) for text in texts]
        found = {text: self.cache.get(text) for text in prepared}
        missing = [text for text, embeddings in found.items() if embeddings is None]
        self.work.note_lookups(len(found), len(missing))
        made = dict(zip(missing, self._embed(missing), strict=True))
        for text in map(self._prepare, keep):
            if text in made:
                self.cache.put(text, made[text])
        return [found[text] or made[text] for text in prepared]

    def _prepare(self, text: str) -> str:
        """Strips a text as ``bert_score`` does; half a surrogate pair becomes a question mark."""
        text = text.strip()
        return self._prefix + text.encode(errors="replace").decode() if text else ""

    def _embed(self, texts: list[str]) -> list[TokenEmbeddings]:
        tokens, truncated = self._tokenize(texts)
        embedded: dict[int, TokenEmbeddings] = {}
        for batch in batches_of([len(ids) for ids in tokens], self._batch_tokens):
            began = time.monotonic()
            vectors = self._vectors([tokens[index] for index in batch])
            token_count = sum(len(tokens[index]) for index in batch)
            self.work.note_batch(token_count, time.monotonic() - began)
            for row, index in enumerate(batch):
                ids = tokens[index]
                weights = [0.0 if token in self._special_ids else 1.0 for token in ids]
                embedded[index] = TokenEmbeddings(
                    # A copy, or else one text that is kept would keep its whole batch.
                    vectors[row, : len(ids)].copy(),
                    np.array(weights, np.float32),
                    truncated[index],
                )
        return [embedded[index] for index in range(len(texts))]

    def _tokenize(self, texts: list[str]) -> tuple[list[list[int]], list[bool]]:
        """Gives each text's tokens, cut to the limit, and whether it was cut."""
        if not texts:
            return [], []
        tokens: list[list[int]] = self._tokenizer(texts, verbose=False)["input_ids"]
        truncated = [len(ids) > self._max_tokens for ids in tokens]
        for index, too_long in enumerate(truncated):
            if too_long:
                tokens[index] = self._tokenizer.encode(
                    texts[index], truncation=True, max_length=self._max_tokens
                )
        return tokens, truncated

    @torch.inference_mode()
    def _vectors(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        """Gives the unit vectors of a batch: (texts, tokens of the longest, dimensions)."""
        longest = max(map(len, tokens))
        ids = torch.tensor([row + [self._padding_id] * (longest - len(row)) for row in tokens])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in tokens])
        hidden = self._model(
            ids.to(self._device), attention_mask=mask.to(self._device)
        ).last_hidden_state
        vectors: NDArray[np.float32] = torch.nn.functional.normalize(hidden, dim=-1).cpu().numpy()
        return vectors


def load_encoder(spec: EncoderSpec) -> TransformersEncoder:
    """Loads a model as a text encoder: seconds, and minutes where the hub is to send it first.

    Loads BERT, RoBERTa, XLM-RoBERTa, ELECTRA, MPNet, DeBERTa, DistilBERT and what is built alike.
    Sets the number of torch's threads in this process to ``spec.threads``.

    Raises:
        UserInputError: There is no such model, layer or device, or the model is no such encoder.
    """
    device = _find_device(spec.device)
    folder = find_folder(spec.model)
    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    with _one_line_errors(spec), _quiet():
        name, layer, model, tokenizer = _load(spec, folder)
        _cut_layers(model, layer)
    max_tokens = _max_tokens(model, tokenizer)
    # RoBERTa and GPT-2 tell a word that begins a text from the same word after a space. As in
    # bert_score, none begins one. (With transformers 5 that package no longer does as it means to.)
    spaced = isinstance(tokenizer, transformers.RobertaTokenizer | transformers.GPT2Tokenizer)
    fields = {
        "layer": layer,
        "max_tokens": max_tokens,
        "prefix_space": "yes" if spaced else "no",
        "transformers": transformers.__version__,
        "torch": torch.__version__.partition("+")[0],  # without the build: cpu, cu130
    }
    return TransformersEncoder(
        model.eval().requires_grad_(requires_grad=False).to(device),
        tokenizer,
        signature="|".join([name, *(f"{key}:{value}" for key, value in fields.items())]),
        prefix=" " if spaced else "",
        max_tokens=max_tokens,
        batch_tokens=spec.batch_tokens,
        cache=EmbeddingCache(spec.cache_bytes),
    )


def _load(
    spec: EncoderSpec, folder: Path | None
) -> tuple[str, int, transformers.PreTrainedModel, transformers.PreTrainedTokenizerBase]:
    """Loads all files of one commit, whatever the hub may do meanwhile.

    Returns:
        The name of what was loaded, the layer that is wanted, the model and its tokeniser.
    """
    source = str(folder or spec.model)
    options = {"revision": spec.revision, "local_files_only": spec.local_files_only}
    config = transformers.AutoConfig.from_pretrained(source, **options)
    layer = _choose_layer(spec, config.num_hidden_layers, None if folder else best_layer(source))
    if folder is not None:
        name = f"{config.model_type}@{digest_model(folder)}"
    else:
        # The hub's cache has a folder for each commit.
        cached = huggingface_hub.hf_hub_download(
            source, "config.json", revision=spec.revision, local_files_only=True
        )
        options["revision"] = commit = Path(cached).parent.name
        name = f"{spec.model}@{commit}"
    tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
    model, report = transformers.AutoModel.from_pretrained(
        source, **options, dtype=torch.float32, output_loading_info=True
    )
    absent = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if absent:
        raise UserInputError(f"its files lack {len(absent)} of its weights, such as {absent[0]}")
    return name, layer, model, tokenizer


def _choose_layer(spec: EncoderSpec, count: int, default: int | None) -> int:
    layer = spec.layer if spec.layer is not None else default
    if layer is None:
        raise UserInputError(
            "no best layer of it is known: set EXPART_SCORING_ENCODER_LAYER to one of 1 to "
            f"{count}, the last (expart score: --encoder-layer)"
        )
    if not 1 <= layer <= count:
        raise UserInputError(f"it has the layers 1 to {count}, and not {layer}")
    return layer


def _cut_layers(model: torch.nn.Module, count: int) -> None:
    """Drops the layers above the one that is wanted; its output is then the model's."""
    for name in ("encoder", "transformer"):
        stack = getattr(model, name, None)
        layers = getattr(stack, "layer", None)
        if isinstance(stack, torch.nn.Module) and isinstance(layers, torch.nn.ModuleList):
            stack.layer = layers[:count]
            return
    raise UserInputError(
        f"no layers are found in a {type(model).__name__}: BERTScore's encoder must be built as "
        "BERT, RoBERTa, MPNet, DeBERTa or DistilBERT are"
    )


def _max_tokens(
    model: transformers.PreTrainedModel, tokenizer: transformers.PreTrainedTokenizerBase
) -> int:
    """The tokeniser's limit, or what the model has positions for if that is less."""
    embeddings = getattr(model, "embeddings", None)
    table = getattr(embeddings, "position_embeddings", None)
    if isinstance(table, torch.nn.Embedding):
        unused = 0 if table.padding_idx is None else table.padding_idx + 1
        positions = table.num_embeddings - unused
    else:
        positions = model.config.max_position_embeddings
    return int(min(positions, tokenizer.model_max_length))


def _find_device(name: str) -> torch.device:
    known = _DEVICE.fullmatch(name)
    if known is None:
        raise UserInputError(f"the encoder's device is cpu, cuda or cuda:N, and not {name!r}")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name != "cpu" and int(known[1] or 0) >= count:
        raise UserInputError(
            f"the encoder's device {name} is not there: this machine has {count} GPUs that "
            f"torch {torch.__version__} can use"
        )
    return torch.device(name)


@contextmanager
def _one_line_errors(spec: EncoderSpec) -> Iterator[None]:
    """Says in one line why a model cannot be loaded; transformers takes many."""
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        offline = spec.local_files_only or huggingface_hub.is_offline_mode()
        cause = lines[0]
        if offline and "connect" in cause:
            cause = f"its revision {spec.revision} is not on this machine, and the hub is not asked"
        raise UserInputError(f"cannot load the encoder {spec.model}: {cause}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps transformers from writing progress bars and hints to standard error."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
