"""What an answer and a listing attest of a model's chat template and GPUs."""

import hashlib

from services.generation import convert
from services.generation.catalog import Catalog, ModelSpec
from services.generation.engines import build_engine
from services.generation.runner import ModelRunner
from services.generation.served_models import ServedModels
from tests.unit.generation.builders import engine_request, scripted_spec

_TEMPLATE = "{{ messages[0].content }}"


def spec() -> ModelSpec:
    return ModelSpec.model_validate(
        scripted_spec().model_dump(exclude_unset=True)
        | {"chat_template": _TEMPLATE, "num_gpus": 0.5}
    )


async def test_an_answer_names_the_catalogs_template_and_the_replicas_gpus() -> None:
    model = spec()
    runner = ModelRunner(model, build_engine(model), delta_interval_s=0.0)
    await runner.start()
    answer = await runner.explain(engine_request(), 10.0)
    attested = convert.completion_message(answer.completion).provenance
    expected = "sha256:" + hashlib.sha256(_TEMPLATE.encode()).hexdigest()
    assert attested.chat_template_digest == expected
    assert attested.gpu_count == 0.5


def test_a_listing_names_them_too_and_nothing_where_the_weights_bring_theirs() -> None:
    infos = {
        name: ServedModels(Catalog({name: one})).infos()[0]
        for name, one in (("own", spec()), ("plain", scripted_spec()))
    }
    own, plain = (convert.model_message(infos[name]) for name in ("own", "plain"))
    assert own.chat_template_digest.startswith("sha256:")
    assert own.gpu_count == 0.5
    assert (plain.chat_template_digest, plain.gpu_count) == ("", 0.0)
