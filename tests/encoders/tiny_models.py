"""Tiny models of other families, saved as their authors save them. The weights are a formula: the same everywhere."""

import json

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
SMALL = dict(hidden_size=32, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4)
QWEN_SIGNS = "<|endoftext|> <|im_start|> <|im_end|> <|vision_start|> <|vision_end|> <|image_pad|> <|video_pad|>".split()
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
)


def pictures(folder):
    """Five files of other shapes, one of them gray, and their paths in order."""
    paths = []
    for number, (width, height) in enumerate([(77, 50), (50, 90), (301, 222), (64, 64), (33, 140)]):
        x, y = np.meshgrid(np.arange(width), np.arange(height))
        pixels = np.stack([x * (number + 2) % 256, y * 3 % 256, (x * y + 40 * number) % 256], axis=-1).astype(np.uint8)
        paths.append(folder / f"{number}.png")
        Image.fromarray(pixels).convert("L" if number == 3 else "RGB").save(paths[-1])
    return paths


def fill(model, seed=0):
    with torch.no_grad():
        for number, (name, parameter) in enumerate(sorted(model.named_parameters())):
            noise = np.sin(np.arange(parameter.numel()) * 12.9898 + 78.233 * number + seed) * 43758.5453
            values = torch.from_numpy((noise - np.floor(noise) - 0.5) * 0.4).reshape(parameter.shape)
            parameter.copy_(values + ("norm" in name and name.endswith("weight")))
    return model.eval()


def clip(folder, *, seed=0, edge=32, words=24):
    """CLIP as transformers saves it: a tokenizer of single bytes, `words` positions."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    vocabulary = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    size = len(vocabulary)
    tokenizer = CLIPTokenizer({token: number for number, token in enumerate(vocabulary)}, [], model_max_length=words)
    ids = dict(bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1)
    text = SMALL | ids | dict(vocab_size=size, max_position_embeddings=words)
    looks = SMALL | dict(image_size=edge, patch_size=edge // 4)
    config = CLIPConfig(text_config=text, vision_config=looks, projection_dim=16)
    squares = CLIPImageProcessor(size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge})
    fill(CLIPModel(config), seed).save_pretrained(folder)
    CLIPProcessor(squares, tokenizer).save_pretrained(folder)
    return folder


def siglip(folder):
    """SigLIP, whose text tower reads the padding too."""
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    tokenizer = _bytes_tokenizer(["</s>", "<unk>"], eos_token="</s>", pad_token="</s>", model_max_length=64)
    text = SMALL | dict(vocab_size=len(tokenizer), max_position_embeddings=64)
    config = SiglipConfig(text_config=text, vision_config=SMALL | dict(image_size=32, patch_size=8))
    fill(SiglipModel(config)).save_pretrained(folder)
    SiglipProcessor(SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def qwen(folder):
    """Qwen2-VL, which takes pictures and texts in one chat message; 512 positions."""
    from transformers import Qwen2VLConfig, Qwen2VLImageProcessor, Qwen2VLModel, Qwen2VLProcessor, Qwen2VLVideoProcessor

    tokenizer = _bytes_tokenizer(QWEN_SIGNS, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=512)
    patches = dict(patch_size=4, merge_size=2)
    ids = dict(zip(QWEN_SIGNS, tokenizer.convert_tokens_to_ids(QWEN_SIGNS), strict=True))
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}
    sizes = dict(vocab_size=len(tokenizer), num_key_value_heads=2, max_position_embeddings=512)
    config = Qwen2VLConfig(
        text_config=SMALL | sizes | dict(rope_parameters=rope),
        vision_config=dict(depth=2, embed_dim=32, hidden_size=32, num_heads=4, mlp_ratio=2, patch_size=4),
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    fill(Qwen2VLModel(config)).save_pretrained(folder)
    looks = Qwen2VLImageProcessor(size=dict(shortest_edge=256, longest_edge=1024), **patches)
    processor = Qwen2VLProcessor(looks, tokenizer, Qwen2VLVideoProcessor(**patches), chat_template=QWEN_TEMPLATE)
    processor.save_pretrained(folder)
    return folder


def llava(folder):
    """LLaVA-NeXT on Mistral, the architecture of BGE-VL-MLLM."""
    from transformers import (
        CLIPVisionConfig,
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessor,
        LlavaNextProcessor,
        MistralConfig,
    )

    signs = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    tokenizer = _bytes_tokenizer(signs, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")
    tiles = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]
    text = SMALL | dict(vocab_size=len(tokenizer), num_key_value_heads=2, max_position_embeddings=4096)
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**SMALL | dict(num_hidden_layers=3), image_size=28, patch_size=7),
        text_config=MistralConfig(**text, sliding_window=None),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=tiles,
        image_seq_length=16,
    )
    fill(LlavaNextForConditionalGeneration(config)).save_pretrained(folder)
    edge = {"shortest_edge": 28}
    looks = LlavaNextImageProcessor(size=edge, crop_size={"height": 28, "width": 28}, image_grid_pinpoints=tiles)
    LlavaNextProcessor(looks, tokenizer).save_pretrained(folder)  # patch_size left out, as in older folders
    return folder


def bert(folder):
    """A text model as sentence-transformers saves it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel

    tokenizer = _bytes_tokenizer(["[PAD]", "[UNK]"], pad_token="[PAD]", unk_token="[UNK]", model_max_length=64)
    fill(BertModel(BertConfig(**SMALL, vocab_size=len(tokenizer)))).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    words = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[words, Pooling(32)], device="cpu").save(str(folder / "saved"), create_model_card=False)
    return folder / "saved"


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _bytes_tokenizer(signs, *, model_max_length=10**6, **tokens):
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE({token: n for n, token in enumerate([*signs, *LETTERS])}, []))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    if "bos_token" in tokens:
        sign = tokens["bos_token"]
        backend.post_processor = processors.TemplateProcessing(f"{sign} $A", special_tokens=[(sign, signs.index(sign))])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=["input_ids", "attention_mask"],
        additional_special_tokens=[sign for sign in signs if sign not in tokens.values()],
        model_max_length=model_max_length,
        **tokens,
    )
