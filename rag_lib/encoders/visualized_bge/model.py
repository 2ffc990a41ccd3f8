"""The Visualized BGE model: a vision transformer whose patch tokens are read by a BERT beside the words.

In: pixels and token ids; out: one unit vector for a picture, a text, or both composed. Architecture: VISTA
(Zhou et al. 2024, arXiv 2406.04292, section 3.1). Wiring, in the words of the tensors (n pictures, N patches):

    pixels (n, 3, S, S) -> image tower -> patch tokens (n, N, d_v), its CLS token dropped -> linear to (n, N, dim)
    sequence = [CLS] at position 0, patch tokens at 1..N, the other word tokens from N+1 -> BERT -> CLS row -> L2

A picture alone is composed with the empty text; a text alone never meets the image tower.
"""

from dataclasses import asdict, dataclass, field

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class VisualizedBGEConfig:
    """Shapes of one edition of the model.

    `text`: "bert" or "xlm-roberta". `tower`: a timm model's name, or "conv-stem" for the pocket's own.
    `image_size`: pixels. `tower_args`, `text_args`: sizes handed on to timm and transformers.
    """

    name: str
    text: str
    tower: str
    image_size: int
    tower_args: dict = field(default_factory=dict)
    text_args: dict = field(default_factory=dict)

    def to_dict(self) -> dict:
        return asdict(self)


BASE = VisualizedBGEConfig(
    name="visualized-bge-base-en-v1.5",
    text="bert",
    tower="eva02_base_patch16_clip_224",
    image_size=224,
)
M3 = VisualizedBGEConfig(
    name="visualized-bge-m3",
    text="xlm-roberta",
    tower="eva02_large_patch14_clip_224",
    image_size=224,
    text_args=dict(
        vocab_size=250_002,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=8194,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    ),
)
POCKET = VisualizedBGEConfig(
    name="pocket",
    text="bert",
    tower="conv-stem",
    image_size=128,
    tower_args=dict(embed_dim=192, depth=5, num_heads=3),
    text_args=dict(
        vocab_size=1200,
        hidden_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=1024,
        max_position_embeddings=160,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    ),
)
CONFIGS = {config.name: config for config in (BASE, M3, POCKET)}


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (n, channels, h, w): no batch statistics that could differ at evaluation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvStem(nn.Module):
    """The pocket's patch embedding: strided convolutions, which learn textures far sooner than one linear patch.

    After Xiao et al. 2021, "Early Convolutions Help Transformers See Better" (arXiv 2106.14881, section 3).
    (n, 3, S, S) -> (n, (S/16)^2, width).
    """

    def __init__(self, width: int):
        super().__init__()
        layers: list[nn.Module] = []
        channels = (width // 4, width // 2, width)
        for given, made in zip((3, *channels[:-1]), channels, strict=True):
            layers += [nn.Conv2d(given, made, 3, stride=2, padding=1), ChannelNorm(made), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], width, 2, stride=2))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return self.layers(pixels).flatten(2).transpose(1, 2)


def build_tower(config: VisualizedBGEConfig) -> nn.Module:
    """The image tower (a timm `Eva`): pixels -> (n, 1 + N, d_v), the first row its CLS token."""
    import timm
    from timm.models.eva import Eva

    if config.tower != "conv-stem":
        tower = timm.create_model(config.tower, pretrained=False, num_classes=0, **config.tower_args)
        tower.norm = nn.Identity()  # upstream reads the tokens before the final LayerNorm
        return tower
    tower = Eva(
        img_size=config.image_size,
        patch_size=16,
        num_classes=0,
        global_pool="",
        mlp_ratio=8 / 3,
        swiglu_mlp=True,
        **config.tower_args,
    )
    tower.patch_embed.proj = nn.Identity()  # frees the linear patch embedding that the stem replaces
    tower.patch_embed = ConvStem(config.tower_args["embed_dim"]).to(memory_format=torch.channels_last)
    return tower


def build_text_model(config: VisualizedBGEConfig) -> nn.Module:
    """BERT or XLM-RoBERTa without its pooler, randomly initialized."""
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

    if config.text == "bert":
        return BertModel(BertConfig(**config.text_args), add_pooling_layer=False)
    return XLMRobertaModel(XLMRobertaConfig(**config.text_args), add_pooling_layer=False)


class VisualizedBGE(nn.Module):
    """See the module's docstring. `dim`: length of the embedding."""

    def __init__(self, config: VisualizedBGEConfig):
        super().__init__()
        self.config = config
        self.tower = build_tower(config)
        self.text_model = build_text_model(config)
        self.dim = self.text_model.config.hidden_size
        self.visual_proj = nn.Linear(self.tower.embed_dim, self.dim)

    @property
    def n_patches(self) -> int:
        """N, the patch tokens of one picture."""
        return self.tower.pos_embed.shape[1] - 1

    def max_text_tokens(self, *, composed: bool) -> int:
        """Word tokens (special ones included) that have a position; upstream truncates nothing and fails beyond."""
        positions = self.text_model.config.max_position_embeddings
        if composed:
            return positions - self.n_patches
        # XLM-RoBERTa counts the positions of a text alone from its padding id + 1.
        return positions - (self.text_model.config.pad_token_id + 1 if self.config.text == "xlm-roberta" else 0)

    def image_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """(n, 3, S, S) normalized pixels -> (n, N, d_v) patch tokens."""
        return self.tower.forward_features(pixels)[:, 1:]

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        image_tokens: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Embed texts, alone or composed with pictures.

        `input_ids`, `attention_mask`: (n, length), the tokenizer's, [CLS] first; the empty text for a picture alone.
        `image_tokens`: (n, N, d_v) or None. Returns (n, dim) float32, unit rows.
        """
        if image_tokens is None:
            output = self.text_model(input_ids=input_ids, attention_mask=attention_mask)
            return F.normalize(output.last_hidden_state[:, 0].float(), dim=-1)
        n, patches = image_tokens.shape[:2]
        embeddings = self.text_model.embeddings
        words = embeddings.word_embeddings(input_ids)
        # The text model adds its token-type row to all inputs; upstream adds it to words only.
        patches_in = self.visual_proj(image_tokens) - embeddings.token_type_embeddings.weight[0]
        sequence = torch.cat([words[:, :1], patches_in.to(words.dtype), words[:, 1:]], dim=1)
        seen = attention_mask.new_ones(n, patches)
        mask = torch.cat([attention_mask[:, :1], seen, attention_mask[:, 1:]], dim=1)
        positions = torch.arange(sequence.shape[1], device=sequence.device).expand(n, -1)
        output = self.text_model(inputs_embeds=sequence, attention_mask=mask, position_ids=positions)
        return F.normalize(output.last_hidden_state[:, 0].float(), dim=-1)
