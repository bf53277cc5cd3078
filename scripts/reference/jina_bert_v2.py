# SPDX-License-Identifier: Apache-2.0
"""jina-embeddings-v2, which transformers does not have: its BertModel with three parts exchanged.

No learned positions; scores lessened by the distance of two tokens times a slope of the head (ALiBi,
to both sides); a feed-forward whose first half passes gelu and is multiplied with the second.
"""
import torch
import transformers as hf

MOST_BIAS = 8


def slopes_of(heads: int) -> torch.Tensor:
    """Of ALiBi's paper: a geometric row for a power of two, every second one of twice as many for
    the heads beyond it."""
    power = 1 << (heads.bit_length() - 1)

    def row(n):
        return [2 ** (-MOST_BIAS * (i + 1) / n) for i in range(n)]

    return torch.tensor(row(power) + row(2 * power)[::2][:heads - power], dtype=torch.float64)


class NoPositions(torch.nn.Module):
    def forward(self, positions):
        return 0.0


class Gated(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.gated_layers = torch.nn.Linear(config.hidden_size, 2 * config.intermediate_size,
                                            bias=False)

    def forward(self, x):
        gate, up = self.gated_layers(x).chunk(2, dim=-1)
        return torch.nn.functional.gelu(gate) * up


class JinaBertV2Model(hf.BertModel):
    def __init__(self, config):
        super().__init__(config, add_pooling_layer=False)
        self.embeddings.position_embeddings = NoPositions()
        for layer in self.encoder.layer:
            layer.intermediate = Gated(config)

    def _create_attention_masks(self, attention_mask, encoder_attention_mask, embedding_output,
                                encoder_hidden_states, cache):
        positions = torch.arange(embedding_output.shape[1])
        distances = (positions[:, None] - positions[None, :]).abs()
        return -slopes_of(self.config.num_attention_heads)[None, :, None, None] * distances, None
