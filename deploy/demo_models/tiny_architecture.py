"""The shape of demo-tiny: a 3-million-parameter Idefics3, its tokenizer and its processor.

One picture is one square of 112 px, cut into 8 x 8 patches and shuffled down to 16 tokens.
Eight patches a side is not free to change: vLLM and transformers compute a patch's position
by different roundings of the same fraction, and only powers of two are exact in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    PreTrainedTokenizerFast,
)

IMAGE_EDGE_PX: Final = 112
PATCH_EDGE_PX: Final = 14
SCALE_FACTOR: Final = 2
IMAGE_TOKEN_COUNT: Final = (IMAGE_EDGE_PX // PATCH_EDGE_PX // SCALE_FACTOR) ** 2
VOCABULARY_SIZE: Final = 2048
MAX_POSITIONS: Final = 512

PAD: Final = "<|pad|>"
USER: Final = "<|user|>"
ASSISTANT: Final = "<|assistant|>"
END: Final = "<end_of_utterance>"
IMAGE: Final = "<image>"
IMAGE_FRAME: Final = "<fake_token_around_image>"
WHOLE_IMAGE: Final = "<global-img>"
SPECIAL_TOKENS: Final = (PAD, USER, ASSISTANT, END, IMAGE, IMAGE_FRAME, WHOLE_IMAGE)

# A system line is left out on purpose: the model never saw one in training.
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}{% if message['role'] != 'system' %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}"
    "{% endif %}{{ '<end_of_utterance>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train the byte-level BPE tokenizer (2,048 entries at most, special tokens first)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens=[USER, ASSISTANT, IMAGE, IMAGE_FRAME, WHOLE_IMAGE],
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Idefics3Processor:
    """Build the processor: every picture squared to 112 px, never split into tiles."""
    image_processor = Idefics3ImageProcessor(
        size={"longest_edge": IMAGE_EDGE_PX},
        max_image_size={"longest_edge": IMAGE_EDGE_PX},
        do_image_splitting=False,
    )
    return Idefics3Processor(
        image_processor,
        tokenizer,
        image_seq_len=IMAGE_TOKEN_COUNT,
        chat_template=CHAT_TEMPLATE,
    )


def build_config(tokenizer: PreTrainedTokenizerFast) -> Idefics3Config:
    """Describe the network for this tokenizer's vocabulary."""
    ids = {token: int(tokenizer.convert_tokens_to_ids(token)) for token in SPECIAL_TOKENS}
    return Idefics3Config(
        image_token_id=ids[IMAGE],
        pad_token_id=ids[PAD],
        eos_token_id=ids[END],
        bos_token_id=None,
        scale_factor=SCALE_FACTOR,
        tie_word_embeddings=True,
        vision_config={
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "image_size": IMAGE_EDGE_PX,
            "patch_size": PATCH_EDGE_PX,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": VOCABULARY_SIZE,
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 3,
            "num_key_value_heads": 3,
            "head_dim": 64,
            "max_position_embeddings": MAX_POSITIONS,
            "tie_word_embeddings": True,
            "pad_token_id": ids[PAD],
            "eos_token_id": ids[END],
            "bos_token_id": None,
        },
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast, *, seed: int
) -> Idefics3ForConditionalGeneration:
    """Build the network with fresh weights drawn from the seed, in float32."""
    torch.manual_seed(seed)
    model = Idefics3ForConditionalGeneration(build_config(tokenizer))
    end = int(tokenizer.convert_tokens_to_ids(END))
    pad = int(tokenizer.convert_tokens_to_ids(PAD))
    model.generation_config = GenerationConfig(
        eos_token_id=end, pad_token_id=pad, do_sample=False, max_new_tokens=256
    )
    return model


def save_folder(
    model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, folder: Path
) -> None:
    """Write an ordinary Hugging Face model folder with the weights in the model's own dtype."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
