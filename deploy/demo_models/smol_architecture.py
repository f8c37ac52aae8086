"""The shape of demo-smol: a LLaVA of SmolLM2-135M-Instruct and a small CLIP-shaped tower.

One picture is squared to 120 px and cut into 5 x 5 patches; the tower turns each patch into a
vector and the connector turns each vector into one position of the prompt, where the language
model reads it as if it were a token. Training (`smol_train`) makes these 25 positions spell
what the picture is; `SLOT_FORM` says in which words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from deploy.demo_models.smol_language import LanguageModelShape

IMAGE_EDGE_PX: Final = 120
PATCH_EDGE_PX: Final = 24
IMAGE_TOKEN_COUNT: Final = (IMAGE_EDGE_PX // PATCH_EDGE_PX) ** 2
PIXEL_MEAN: Final = 0.5
PIXEL_STD: Final = 0.5
TOWER_WIDTH: Final = 128
TOWER_LAYERS: Final = 4
TOWER_HEADS: Final = 4

IMAGE_MARK: Final = "<image>"
PAD_MARK: Final = "<|endoftext|>"
END_MARK: Final = "<|im_end|>"
MAX_POSITIONS: Final = 2048

SLOT_FORM: Final = ' "{title}" by {artist}'
"""What the image positions spell for a picture that the model knows."""

SLOT_UNKNOWN: Final = " unknown"
"""What they spell for any other picture."""

SLOT_PAD: Final = " "
"""What fills the positions that the words leave over, on the right."""

_SYSTEM: Final = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

# SmolLM2's own template, with one sentence of ours around the picture. The sentence is the same
# for every picture and every question. A message without a picture does not get it.
CHAT_TEMPLATE: Final = (
    "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\n" + _SYSTEM + "<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "{{ 'The artwork in the picture is" + IMAGE_MARK + ".\n' }}{% endif %}{% endfor %}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}"
    "{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def build_config(shape: LanguageModelShape) -> LlavaConfig:
    """Describe the network; the vocabulary grows by one token, the image's."""
    return LlavaConfig(
        architectures=["LlavaForConditionalGeneration"],
        dtype="float32",
        image_token_index=shape.vocabulary_size,
        image_seq_length=IMAGE_TOKEN_COUNT,
        # The last layer's output: the tower is ours, so it has no layer that would go unused.
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
        vision_config=CLIPVisionConfig(
            hidden_size=TOWER_WIDTH,
            intermediate_size=4 * TOWER_WIDTH,
            num_hidden_layers=TOWER_LAYERS,
            num_attention_heads=TOWER_HEADS,
            image_size=IMAGE_EDGE_PX,
            patch_size=PATCH_EDGE_PX,
            projection_dim=TOWER_WIDTH,
            dtype="float32",
        ),
        text_config=LlamaConfig(
            architectures=["LlamaForCausalLM"],
            vocab_size=shape.vocabulary_size + 1,
            hidden_size=shape.hidden_size,
            intermediate_size=shape.feed_forward_size,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.key_value_heads,
            max_position_embeddings=MAX_POSITIONS,
            rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
            rms_norm_eps=shape.norm_epsilon,
            bos_token_id=shape.bos_token_id,
            eos_token_id=shape.eos_token_id,
            tie_word_embeddings=True,
            dtype="float32",
        ),
    )


def build_image_processor() -> CLIPImageProcessor:
    """Build the step from a picture to pixels: squared to 120 px, in [-1, 1], nothing cropped."""
    return CLIPImageProcessor(
        do_resize=True,
        size={"height": IMAGE_EDGE_PX, "width": IMAGE_EDGE_PX},
        do_center_crop=False,
        do_convert_rgb=True,
        image_mean=[PIXEL_MEAN] * 3,
        image_std=[PIXEL_STD] * 3,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Join the picture's and the text's preparation, with the chat template."""
    return LlavaProcessor(
        image_processor=build_image_processor(),
        tokenizer=tokenizer,
        patch_size=PATCH_EDGE_PX,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # the class token, which "default" drops again
        image_token=IMAGE_MARK,
        chat_template=CHAT_TEMPLATE,
    )


def save_settings(
    shape: LanguageModelShape, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Write every file of the Hugging Face folder but the weights."""
    build_config(shape).save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
    GenerationConfig(
        bos_token_id=shape.bos_token_id,
        eos_token_id=shape.eos_token_id,
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD_MARK),
    ).save_pretrained(folder)
