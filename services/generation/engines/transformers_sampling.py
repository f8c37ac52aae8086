"""Chooses the next token of one answer, in vLLM's order: penalties, temperature, top-k, top-p."""

from collections.abc import Sequence

import torch

from services.generation.domain import Sampling

_NEVER = float("-inf")


class TokenChooser:
    """Applies one request's sampling, whatever else runs in its batch.

    Args:
        sampling: How to choose.
        prompt_ids: The prompt's tokens, which the repetition penalty counts too.
        end_tokens: Tokens that end an answer; none comes before min_tokens.
        device: Where the logits lie.
    """

    def __init__(
        self,
        sampling: Sampling,
        prompt_ids: Sequence[int],
        end_tokens: frozenset[int],
        device: torch.device,
    ) -> None:
        self._sampling = sampling
        self._end_tokens = torch.tensor(sorted(end_tokens), dtype=torch.long, device=device)
        self._prompt_ids = torch.tensor(sorted(set(prompt_ids)), dtype=torch.long, device=device)
        self._generated: list[int] = []
        self._generator: torch.Generator | None = None
        if sampling.temperature > 0:
            # One's own generator makes an answer independent of its neighbours in the batch.
            self._generator = torch.Generator(device)
            self._generator.manual_seed(sampling.seed or 0)

    def record(self, token_id: int) -> None:
        """Notes a token of the answer."""
        self._generated.append(token_id)

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Makes the chosen token the likeliest one of a vocabulary's logits."""
        sampling = self._sampling
        if len(self._generated) < sampling.min_tokens:
            logits = logits.index_fill(0, self._end_tokens, _NEVER)
        logits = self._penalised(logits)
        if self._generator is None:
            return logits
        logits = _top_k(logits.float() / sampling.temperature, sampling.top_k)
        chances = torch.softmax(_top_p(logits, sampling.top_p), dim=-1)
        chosen = torch.multinomial(chances, 1, generator=self._generator)
        return torch.full_like(logits, _NEVER).index_fill(0, chosen, 0.0)

    def _penalised(self, logits: torch.Tensor) -> torch.Tensor:
        sampling = self._sampling
        counted = sampling.presence_penalty or sampling.frequency_penalty
        if sampling.repetition_penalty == 1.0 and not counted:
            return logits
        generated = torch.tensor(self._generated, dtype=torch.long, device=logits.device)
        if sampling.repetition_penalty != 1.0:
            # A picture's placeholder may lie outside of the vocabulary that has logits.
            prompt = self._prompt_ids[self._prompt_ids < logits.shape[0]]
            seen = torch.unique(torch.cat([prompt, generated]))
            at = logits[seen]
            weaker = torch.where(
                at > 0, at / sampling.repetition_penalty, at * sampling.repetition_penalty
            )
            logits = logits.index_copy(0, seen, weaker)
        if counted:
            counts = torch.bincount(generated, minlength=logits.shape[0])
            logits = (
                logits
                - sampling.frequency_penalty * counts
                - sampling.presence_penalty * (counts > 0)
            )
        return logits


def _top_k(logits: torch.Tensor, top_k: int) -> torch.Tensor:
    """Rules out all but the k largest, and what equals the last of them; 0 rules out none."""
    if not 0 < top_k < logits.shape[0]:
        return logits
    least = torch.topk(logits, top_k).values[-1]
    return logits.masked_fill(logits < least, _NEVER)


def _top_p(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Rules out the least likely, as long as what stays has a probability of at least top_p."""
    if top_p >= 1:
        return logits
    ascending, order = logits.sort()
    below = torch.softmax(ascending, dim=-1).cumsum(dim=-1)
    ruled_out = below <= 1 - top_p
    ruled_out[-1] = False
    return logits.masked_fill(torch.zeros_like(ruled_out).index_copy(0, order, ruled_out), _NEVER)
