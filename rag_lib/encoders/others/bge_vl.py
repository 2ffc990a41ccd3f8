"""BGE-VL (Zhou et al. 2024, "MegaPairs", arXiv 2412.14475), as its authors publish it, on transformers' own classes.

BGE-VL-base and -large are CLIP: a composed query is the sum of the two embeddings as they leave the projections, then
normalized. BGE-VL-MLLM-S1, -S2 and BGE-VL-v1.5-zs, -mmeb are LLaVA-NeXT: picture and words stand in one prompt with an
instruction, and the last token's state, normalized, is the embedding. The authors' modeling files are not run.
"""

import re

import numpy as np
import torch
from PIL import Image

from rag_lib.encoders.base import Encoder
from rag_lib.encoders.others.sentence import MAX_WORDS, read_picture, shorten, unit_rows
from rag_lib.encoders.others.source import Source
from rag_lib.encoders.recent import Recent
from rag_lib.errors import RagError

VERSION = 1  # part of the fingerprint: raise it when the same files would give other vectors
NAMES = re.compile(r"(.*/)?BGE-VL-.+", re.IGNORECASE)
AUTHORS_CODE = ("modeling_MMRet_CLIP", "modeling_llavanext_for_embedding")  # named in config.json
EDGE = 512  # pixels: the MLLMs' pictures are squeezed into this square, whatever their shape
# The composed task's instruction is the model card's; the others are those of MMEB's MSCOCO_t2i and NIGHTS, to which
# the card refers (Jiang et al. 2024, arXiv 2410.05160).
COMPOSED = (
    "Retrieve the target image that best meets the combined criteria by using both the provided image and the image "
    "retrieval instructions: "
)
TEXT_ONLY = "Find me an everyday image that matches the given caption: "
IMAGE_ONLY = "Find a day-to-day image that looks similar to the provided image."


def is_bge_vl(source: Source) -> bool:
    """By its name, or by the authors' code that its config.json names."""
    return bool(NAMES.fullmatch(source.name)) or any(
        code in str(source.config().get("auto_map")) for code in AUTHORS_CODE
    )


def load_bge_vl(source: Source, *, device: str, dtype: torch.dtype) -> Encoder:
    """Load one of the models above. Raises RagError for another of that name, and for files that do not fit."""
    kind = source.config().get("model_type")
    if kind not in tuple(ENCODERS):  # whatever JSON holds, a list too
        raise RagError(
            f"{source.name!r} is of the kind {kind!r}: of the BGE-VL models those on CLIP (BGE-VL-base, -large) and on "
            "LLaVA-NeXT (BGE-VL-MLLM-S1, -S2, BGE-VL-v1.5-zs, -mmeb) can be used here."
        )
    return ENCODERS[kind](source, device=device, dtype=dtype)


class BGEVLClip(Encoder):
    """BGE-VL-base or -large. A composed query is the sum of the two halves' embeddings, each of its own length."""

    composes = "sum"

    def __init__(self, source: Source, *, device: str, dtype: torch.dtype):
        from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel

        self.name, self.fingerprint, self.device = source.name, source.fingerprint(dtype, VERSION), device
        self.model = source.load(CLIPModel.from_pretrained, dtype=dtype).eval().to(device)
        # On Pillow, as in the transformers of that time: torchvision's resizing gives slightly other pixels.
        self.processor = source.load(CLIPImageProcessorPil.from_pretrained)
        self.tokenizer = source.load(AutoTokenizer.from_pretrained)
        self.dim = self.model.config.projection_dim
        self._recent = Recent()
        self._limit = self.model.config.text_config.max_position_embeddings  # the authors' code fails beyond

    def prepare(self, source) -> torch.Tensor:
        """(3, S, S) float32, normalized."""
        return self.processor(read_picture(source), return_tensors="pt")["pixel_values"][0]

    def embed_images(self, prepared: list[torch.Tensor]) -> np.ndarray:
        return unit_rows(self._pictures(prepared))

    def embed_queries(self, prepared: list[torch.Tensor] | None, texts: list[str]) -> np.ndarray:
        if prepared is None:
            return unit_rows(self._words(texts))
        sums, worded = self._pictures(prepared).clone(), [index for index, text in enumerate(texts) if text]
        if worded:
            sums[worded] += self._words([texts[index] for index in worded])
        return unit_rows(sums)

    def reads_all(self, text: str, *, pictured: bool) -> bool:
        return len(self.tokenizer(text, verbose=False)["input_ids"]) <= self._limit

    def _pictures(self, prepared: list[torch.Tensor]) -> torch.Tensor:
        return self._recent(self._look, prepared, key=lambda pixels: pixels.numpy().tobytes())

    @torch.no_grad()
    def _look(self, prepared: list[torch.Tensor]) -> torch.Tensor:
        pixels = torch.stack(prepared).to(self.device, self.model.dtype)
        return self.model.get_image_features(pixel_values=pixels).pooler_output.float()

    @torch.no_grad()
    def _words(self, texts: list[str]) -> torch.Tensor:
        words = self.tokenizer(texts, padding=True, truncation=True, max_length=self._limit, return_tensors="pt")
        features = self.model.get_text_features(**words.to(self.device))
        return features.pooler_output.float()


class BGEVLMLLM(Encoder):
    """One of the LLaVA-NeXT models. Instruction, words and picture stand in one prompt."""

    composes = "joint"

    def __init__(self, source: Source, *, device: str, dtype: torch.dtype):
        from transformers import (
            AutoTokenizer,
            LlavaNextForConditionalGeneration,
            LlavaNextImageProcessorPil,
            LlavaNextProcessor,
        )

        self.name, self.fingerprint, self.device = source.name, source.fingerprint(dtype, VERSION), device
        whole = source.load(LlavaNextForConditionalGeneration.from_pretrained, dtype=dtype)
        self.model = whole.model.eval().to(device)  # without the head that would predict words
        config, self.tokenizer = self.model.config, source.load(AutoTokenizer.from_pretrained, padding_side="left")
        self.processor = LlavaNextProcessor(
            source.load(LlavaNextImageProcessorPil.from_pretrained),  # on Pillow, see above
            self.tokenizer,
            patch_size=config.vision_config.patch_size,
            vision_feature_select_strategy=config.vision_feature_select_strategy,
            num_additional_image_tokens=1,  # the tower is CLIP, which has a CLS token
        )
        self.dim = config.text_config.hidden_size

    def prepare(self, source) -> Image.Image:
        return read_picture(source).resize((EDGE, EDGE))

    def embed_images(self, prepared: list[Image.Image]) -> np.ndarray:
        return self._embed(["[INST]  <image> [/INST]"] * len(prepared), prepared)

    def embed_queries(self, prepared: list[Image.Image] | None, texts: list[str]) -> np.ndarray:
        return self._embed([self._prompt(text, prepared is not None) for text in texts], prepared)

    def reads_all(self, text: str, *, pictured: bool) -> bool:
        return shorten(self._plain(text), self.tokenizer, MAX_WORDS) == self._plain(text)

    def _plain(self, text: str) -> str:
        return text.replace(self.processor.image_token, " ")  # it would count as one more picture

    def _prompt(self, text: str, pictured: bool) -> str:
        task = (COMPOSED if text else IMAGE_ONLY) if pictured else TEXT_ONLY
        prompt = f"[INST] \n <instruct> {task} <query> "
        if text:
            prompt += f" {shorten(self._plain(text), self.tokenizer, MAX_WORDS)} \n"
        return f"{prompt}{' <image>' if pictured else ''} [/INST]"

    @torch.no_grad()
    def _embed(self, prompts: list[str], pictures: list[Image.Image] | None) -> np.ndarray:
        given = self.processor(images=pictures, text=prompts, padding=True, return_tensors="pt").to(self.device)
        return unit_rows(self.model(**given, use_cache=False).last_hidden_state[:, -1])


ENCODERS = {"clip": BGEVLClip, "llava_next": BGEVLMLLM}
