"""Any multimodal model that sentence-transformers loads, as an encoder: pictures, texts, composed queries.

A model that takes a picture and a text in one input ("joint", such as the Qwen-VL embedding models) composes by
itself. Of a two-tower model ("sum", such as CLIP and SigLIP) a composed query is the sum of the two unit embeddings,
normalized: the usual late fusion, for instance the "Image + Text" baseline of Saito et al. 2023, "Pic2Word"
(arXiv 2302.03084, section 4).
"""

import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from rag_lib.encoders.base import Encoder
from rag_lib.encoders.others.source import Source
from rag_lib.encoders.recent import Recent
from rag_lib.errors import RagError
from rag_lib.images import ImageError, open_image

VERSION = 1  # part of the fingerprint: raise it when the same files would give other vectors
MAX_EDGE = 2048  # pixels: larger pictures are shrunk before a joint model, which takes them in whatever size they have
MAX_RATIO = 200  # a narrower picture becomes huge where the short edge is scaled; the Qwen-VL models refuse it
MAX_WORDS = 1024  # tokens of an instruction beside a picture, or half of what the model takes in all, if that is less
# Trained on texts padded to this length, without an attention mask: any other padding gives another vector.
PADDED_TEXTS = {"siglip": 64, "siglip2": 64}


class SentenceEncoder(Encoder):
    """A SentenceTransformer that takes pictures and texts. `composes`: "joint" or "sum" (see the module)."""

    def __init__(self, model, *, name: str, fingerprint: str):
        self.model, self.name, self.fingerprint = model.eval(), name, fingerprint
        self.composes = "joint" if model.supports(("image", "text")) else "sum"
        self._recent = Recent()
        _limit_texts(model)
        self.dim = unit_rows(self.model.encode_query([{"text": "a"}], **QUIET)).shape[1]

    def prepare(self, source) -> Image.Image | dict:
        """An RGB picture for a joint model; what its processor makes of it for a two-tower one."""
        if self.composes == "joint":
            return read_picture(source, max_edge=MAX_EDGE)
        return dict(self.model.preprocess([{"image": read_picture(source)}], task="document"))

    def embed_images(self, prepared: list) -> np.ndarray:
        if self.composes == "joint":
            return unit_rows(self.model.encode_document([{"image": picture} for picture in prepared], **QUIET))
        return self._towered(prepared)

    def embed_queries(self, prepared: list | None, texts: list[str]) -> np.ndarray:
        if prepared is None:
            return self._words(texts)
        worded = [index for index, text in enumerate(texts) if text]
        if self.composes == "sum":
            rows = self._towered(prepared).copy()
            if worded:
                rows[worded] = unit_rows(torch.from_numpy(rows[worded] + self._words([texts[i] for i in worded])))
            return rows
        rows = np.empty((len(texts), self.dim), np.float32)
        alone = [index for index, text in enumerate(texts) if not text]
        if alone:
            rows[alone] = unit_rows(self.model.encode_query([{"image": prepared[i]} for i in alone], **QUIET))
        if worded:
            composed = [{"image": prepared[i], "text": self._beside_a_picture(texts[i])} for i in worded]
            rows[worded] = unit_rows(self.model.encode_query(composed, **QUIET))
        return rows

    def reads_all(self, text: str, *, pictured: bool) -> bool:
        if pictured and self.composes == "joint":
            return self._beside_a_picture(text) == self._plain(text)
        whole = self.model.preprocess(
            [{"text": self._plain(text)}],
            prompt=self.model.prompts.get("query"),
            task="query",
            processing_kwargs={"text": {"padding": False, "truncation": False, "verbose": False}},
        )
        return whole["input_ids"].shape[1] <= (self.model.max_seq_length or sys.maxsize)

    def _words(self, texts: list[str]) -> np.ndarray:
        # As a dict: a plain string that is the name of a file or an address would be opened as a picture.
        return unit_rows(self.model.encode_query([{"text": self._plain(text)} for text in texts], **QUIET))

    def _towered(self, features: list[dict]) -> np.ndarray:
        return self._recent(self._look, features, key=_content)

    def _look(self, features: list[dict]) -> np.ndarray:
        batch = {
            key: torch.cat([each[key] for each in features]).to(self.model.device) if torch.is_tensor(first) else first
            for key, first in features[0].items()
        }
        with torch.inference_mode():
            return unit_rows(self.model(batch, task="document")["sentence_embedding"])

    def _plain(self, text: str) -> str:
        """The text without the sign that stands for a picture, which a processor would count as one."""
        for sign in (getattr(self.model.processor, name, None) for name in ("image_token", "video_token")):
            text = text.replace(sign, " ") if sign else text
        return text

    def _beside_a_picture(self, text: str) -> str:
        limit = min(MAX_WORDS, (self.model.max_seq_length or 2 * MAX_WORDS) // 2)
        return shorten(self._plain(text), self.model.tokenizer, limit)


QUIET = dict(show_progress_bar=False, convert_to_tensor=True)


def load_sentence_encoder(source: Source, *, device: str, dtype: torch.dtype) -> SentenceEncoder:
    """Load what sentence-transformers finds at `source`. A model that takes no pictures or no texts is refused."""
    from sentence_transformers import SentenceTransformer

    model = source.load(
        SentenceTransformer,
        device=device,
        trust_remote_code=False,
        local_files_only=source.commit is None,
        model_kwargs={"dtype": dtype},
    )
    lacking = [kind for kind in ("image", "text") if not model.supports(kind)]
    if lacking:
        able = ", ".join(kind if isinstance(kind, str) else "+".join(kind) for kind in model.modalities)
        raise RagError(
            f"The model {source.name!r} takes no {' and no '.join(lacking)} alone (it takes: {able}): an encoder must "
            "take pictures and texts. Choose a multimodal one, such as 'sentence-transformers/clip-ViT-B-32'."
        )
    return SentenceEncoder(model, name=source.name, fingerprint=source.fingerprint(dtype, VERSION))


def read_picture(source, *, max_edge: int | None = None) -> Image.Image:
    """`open_image`, refusing a picture so narrow that scaling its short edge would fill the memory."""
    picture = open_image(source, max_edge=max_edge)
    if max(picture.size) > MAX_RATIO * min(picture.size):
        name = f" '{Path(source).name}'" if isinstance(source, str | Path) else ""
        reason = f"it is too narrow ({picture.width} x {picture.height}, more than {MAX_RATIO} to 1)"
        raise ImageError(f"The picture{name} cannot be used: {reason}.", reason)
    return picture


def unit_rows(vectors: torch.Tensor) -> np.ndarray:
    """(n, dim), any float type, any device -> float32, unit rows."""
    return F.normalize(vectors.detach().float(), dim=-1).cpu().numpy()


def _content(features: dict) -> bytes:
    return pickle.dumps({name: part.numpy() if torch.is_tensor(part) else part for name, part in features.items()})


def shorten(text: str, tokenizer, limit: int) -> str:
    """The beginning of `text` that is at most `limit` tokens long."""
    ends = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
    return text if len(ends) <= limit else text[: ends[limit - 1][1]]


def _limit_texts(model) -> None:
    """Make the tokenizer truncate where the model's positions end, and pad as the model was trained."""
    config = model.config
    positions = getattr(config.get_text_config(), "max_position_embeddings", None) if config else None
    if positions and model.max_seq_length and model.max_seq_length > positions:
        model.max_seq_length = positions
    length = PADDED_TEXTS.get(getattr(config, "model_type", None))
    if length:
        padded = {"padding": "max_length", "max_length": length, "return_attention_mask": False}
        given = model[0].processing_kwargs
        model[0].processing_kwargs = {**given, "text": {**padded, **given.get("text", {})}}
