"""What a model's folder holds, as one short name."""

import hashlib
from pathlib import Path

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
