"""Models of several families run in the transformers engine as in transformers itself."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow
from transformers import AutoModelForImageTextToText, AutoProcessor

from services.generation.catalog import ModelSpec, SourceSpec
from services.generation.engines.transformers import TransformersEngine
from services.generation.images import ImageLimits, decode_image
from tests.integration.engine_calls import Answer, ask_in_turn, ask_together, gradient, request
from tests.integration.tiny_models import MAKERS

pytestmark = [
    pytest.mark.slow,
    # Of transformers' own Mllama to itself.
    pytest.mark.filterwarnings("ignore:`hidden_state` is deprecated:FutureWarning"),
]

# These weights bring no template; this one is shipped.
TEMPLATE = Path(__file__).parents[2] / "deploy/models/chat_templates/instructblip.jinja"

# Pictures of several shapes, and prompts of several lengths: what a batch has to fill up.
ASKED = [
    request("Explain the composition.", gradient(64, 64)),
    request("Please, explain the composition of this painting in detail.", gradient(112, 56, 1)),
    request("Why?", gradient(64, 64, 2)),
    request("Explain.", gradient(56, 112, 3)),
    request("And the light?", gradient(64, 64, 3), max_tokens=7),
]


def plain_answer(folder: Path, index: int) -> str:
    """What transformers' own generate answers, as its documentation shows it."""
    asked = ASKED[index]
    assert asked.image is not None
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    picture: Pillow.Image = decode_image(asked.image.data, ImageLimits(2**40, 2**40))
    text = f"user: <image>{asked.instruction}\nassistant:"
    if folder.name == "instructblip":
        text = asked.instruction
    inputs = processor(text=[text], images=[[picture]], return_tensors="pt")
    output = model.generate(
        **inputs, max_new_tokens=asked.sampling.max_tokens, do_sample=False, pad_token_id=2
    )
    tokens = output[0]
    if tokens[: inputs["input_ids"].shape[1]].equal(inputs["input_ids"][0]):
        tokens = tokens[inputs["input_ids"].shape[1] :]
    return str(processor.tokenizer.decode(tokens, skip_special_tokens=True))


@pytest.fixture(params=MAKERS)
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncGenerator[tuple[TransformersEngine, Path]]:
    folder = tmp_path / request.param
    MAKERS[request.param](folder)
    spec = ModelSpec(
        name=request.param,
        source=SourceSpec(folder=str(folder)),
        engine="transformers",
        dtype="float32",
        max_model_len=256,
        chat_template=TEMPLATE.read_text() if request.param == "instructblip" else None,
        engine_arguments={"batch_wait_s": 0.1},
    )
    made = TransformersEngine(spec)
    await made.start()
    yield made, folder
    made.stop()


async def test_a_batch_answers_as_transformers_does_one_at_a_time(
    engine: tuple[TransformersEngine, Path],
) -> None:
    made, folder = engine
    one_by_one = await ask_in_turn(made, ASKED)
    together: list[Answer] = await ask_together(made, ASKED)
    assert [answer.summary for answer in together] == [answer.summary for answer in one_by_one]
    plain = await asyncio.to_thread(
        lambda: [plain_answer(folder, index) for index in range(len(ASKED))]
    )
    # Decoders write an unfinished character as U+FFFD; a stream never gives one out.
    assert [answer.text for answer in one_by_one] == [text.rstrip("\ufffd") for text in plain]
    # Random weights, so the answers say nothing; they must differ to show anything.
    assert len(set(plain)) == len(plain)
