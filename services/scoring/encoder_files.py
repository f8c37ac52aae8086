"""The folder of an encoder's model, and what it holds as one short name."""

import hashlib
from pathlib import Path

from services.core.errors import UserInputError

# All that decides a text's embeddings; a README or an ONNX copy of the weights does not.
_PATTERNS = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "bpe.codes",
)
_DIGEST_CHARS = 16


def find_folder(model: str) -> Path | None:
    """Finds the folder that is meant; None where it is an id of the hub.

    Raises:
        UserInputError: It can only be a folder, and is not there.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UserInputError(f"the encoder's folder {model} is not there")
    return None


def digest_model(folder: Path) -> str:
    """Names a model by its weights, configuration and tokeniser: ``sha256-`` and 16 hex digits.

    Copies of a folder have the same name, wherever they lie.

    Raises:
        OSError: A file cannot be read.
    """
    whole = hashlib.sha256()
    files = {path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(files):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256")
        whole.update(f"{content.hexdigest()} {path.name}\n".encode())
    return f"sha256-{whole.hexdigest()[:_DIGEST_CHARS]}"
