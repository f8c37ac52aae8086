"""Models of a few thousand random weights, one a family, in the hub's folder format."""

from collections.abc import Callable
from pathlib import Path

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

TEXT = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
PARTS_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %}{{ '\n' }}"
    "{% endfor %}assistant:"
)


def make_tokenizer(**tokens: str) -> hf.PreTrainedTokenizerFast:
    """Trains one on a few words; every byte has a token, and texts begin with <s>."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>", "<image>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["Explain the composition of this painting, please."], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=tokens,
    )


def fill(model: torch.nn.Module) -> None:
    """Draws weights large enough for the answer to vary with prompt and picture."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            size = 1.5 / max(1, parameter.shape[-1]) ** 0.5 if parameter.dim() > 1 else 0.3
            parameter.normal_(0, size, generator=generator)


def make_llava(folder: Path) -> None:
    """LLaVA-1.5: one size of picture."""
    vision = hf.CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=56,
        patch_size=14,
    )
    config = hf.LlavaConfig(
        text_config=hf.LlamaConfig(**TEXT), vision_config=vision, image_token_index=3
    )
    model = hf.LlavaForConditionalGeneration(config)
    pixels = hf.CLIPImageProcessor(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
    )
    processor = hf.LlavaProcessor(
        pixels,
        make_tokenizer(image_token="<image>"),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=PARTS_TEMPLATE,
    )
    _save(folder, model, processor)


def make_qwen(folder: Path) -> None:
    """Qwen2-VL: as many tokens as the picture is large, and positions in three dimensions."""
    text = {**TEXT, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}}
    config = hf.Qwen2VLConfig(
        text_config=text,
        vision_config={
            "embed_dim": 32,
            "hidden_size": 32,
            "depth": 2,
            "num_heads": 4,
            "mlp_ratio": 2,
            "patch_size": 14,
        },
        image_token_id=3,
        vision_start_token_id=4,
        vision_end_token_id=5,
        video_token_id=6,
    )
    model = hf.Qwen2VLForConditionalGeneration(config)
    pixels = hf.Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=112 * 112)
    processor = hf.Qwen2VLProcessor(
        pixels,
        make_tokenizer(image_token="<image>"),
        hf.Qwen2VLVideoProcessor(),
        chat_template=PARTS_TEMPLATE,
    )
    _save(folder, model, processor)


def make_instructblip(folder: Path) -> None:
    """InstructBLIP: a second prompt, for the query transformer."""
    vision = hf.InstructBlipVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=56,
        patch_size=14,
    )
    query = hf.InstructBlipQFormerConfig(
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        encoder_hidden_size=32,
    )
    config = hf.InstructBlipConfig(
        text_config=hf.LlamaConfig(**TEXT),
        vision_config=vision,
        qformer_config=query,
        num_query_tokens=4,
        image_token_index=3,
    )
    model = hf.InstructBlipForConditionalGeneration(config)
    processor = hf.InstructBlipProcessor(
        hf.BlipImageProcessor(size={"height": 56, "width": 56}),
        make_tokenizer(),
        make_tokenizer(),
        num_query_tokens=4,
    )
    _save(folder, model, processor)


def make_mllama(folder: Path) -> None:
    """Llama-3.2-Vision: the picture enters by cross-attention."""
    text = {**TEXT, "cross_attention_layers": [1], "vocab_size": 400}
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 4,
        "num_attention_heads": 4,
        "image_size": 56,
        "patch_size": 14,
        "max_num_tiles": 2,
        "intermediate_layers_indices": [0],
        "vision_output_dim": 64,
        "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
    }
    config = hf.MllamaConfig(text_config=text, vision_config=vision, image_token_index=3)
    model = hf.MllamaForConditionalGeneration(config)
    pixels = hf.MllamaImageProcessor(size={"height": 56, "width": 56}, max_image_tiles=2)
    processor = hf.MllamaProcessor(
        pixels, make_tokenizer(image_token="<image>"), chat_template=PARTS_TEMPLATE
    )
    _save(folder, model, processor)


MAKERS: dict[str, Callable[[Path], None]] = {
    "llava": make_llava,
    "qwen2-vl": make_qwen,
    "instructblip": make_instructblip,
    "mllama": make_mllama,
}


def _save(folder: Path, model: hf.PreTrainedModel, processor: hf.ProcessorMixin) -> None:
    fill(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
