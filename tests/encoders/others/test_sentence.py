"""Encoders by a hub id or a folder: models that sentence-transformers loads, tiny ones saved here."""

import hashlib
import http.server
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from rag_lib.catalog import load_folder
from rag_lib.encoders import load_encoder
from rag_lib.encoders.others.source import Source, _hub_identity
from rag_lib.errors import RagError
from rag_lib.index import open_index

TINY = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent.with_name("tiny_models.py"))))
TEXTS = ["a lamp", "phone case with this image theme", "x", "made of wood", "blue"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """kind -> a folder that transformers wrote."""
    root = tmp_path_factory.mktemp("models")
    return {kind: getattr(TINY, kind)(root / kind) for kind in ("clip", "siglip", "qwen")}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return TINY.pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module", params=["clip", "qwen"])
def encoder(request, folders):
    """One of each way to compose."""
    return load_encoder(folders[request.param], device="cpu")


@pytest.fixture(scope="module")
def clip(folders):
    return load_encoder(folders["clip"], device="cpu")


@pytest.fixture(scope="module")
def qwen(folders):
    return load_encoder(folders["qwen"], device="cpu")


@pytest.fixture
def copy(folders, tmp_path):
    """A CLIP folder to damage."""
    return Path(shutil.copytree(folders["clip"], tmp_path / "copy"))


def vectors(encoder, pictures, **options):
    return encoder.encode_images(pictures, progress=False, **options).vectors


def test_rows_are_unit_vectors_in_the_order_given(encoder, pictures):
    rows = vectors(encoder, pictures)
    assert rows.shape == (len(pictures), encoder.dim) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors(encoder, pictures[::-1])[::-1], rows, atol=1e-6)
    assert (rows @ rows.T - np.eye(len(rows))).max() < 0.99999  # pictures are told apart


def test_the_batch_changes_nothing(encoder, pictures):
    np.testing.assert_allclose(vectors(encoder, pictures, batch_size=2), vectors(encoder, pictures), atol=1e-5)
    queries = encoder.encode_queries(pictures, TEXTS)
    for row, picture, text in zip(queries, pictures, TEXTS, strict=True):
        np.testing.assert_allclose(encoder.encode_query(picture, text), row, atol=1e-5)
    words = encoder.encode_queries([None] * len(TEXTS), TEXTS)
    np.testing.assert_allclose(encoder.encode_query(text=TEXTS[2]), words[2], atol=1e-5)


def test_a_path_and_its_picture_agree(encoder, pictures):
    opened = [Image.open(path) for path in pictures]
    np.testing.assert_array_equal(vectors(encoder, opened), vectors(encoder, pictures))


def test_a_picture_that_cannot_be_used_is_skipped_by_name(encoder, pictures, tmp_path):
    (tmp_path / "half.png").write_bytes(pictures[2].read_bytes()[:200])
    Image.new("RGB", (2000, 2)).save(tmp_path / "line.png")
    given = [pictures[0], tmp_path / "half.png", tmp_path / "line.png", pictures[1]]
    encoded = encoder.encode_images(given, progress=False)
    assert encoded.kept == tuple(pictures[:2])
    assert [path.name for path, _ in encoded.skipped] == ["half.png", "line.png"]
    assert "too narrow (2000 x 2" in encoded.skipped[1].reason
    np.testing.assert_allclose(encoded.vectors, vectors(encoder, pictures[:2]), atol=1e-6)


def test_a_picture_alone_is_a_query_too(encoder, pictures):
    np.testing.assert_allclose(encoder.encode_query(pictures[1]), vectors(encoder, pictures)[1], atol=1e-5)
    mixed = encoder.encode_queries(pictures[:2], ["", "blue"])
    np.testing.assert_allclose(mixed[0], encoder.encode_query(pictures[0]), atol=1e-5)
    np.testing.assert_allclose(mixed[1], encoder.encode_query(pictures[1], "blue"), atol=1e-5)


def test_the_vectors_are_those_of_sentence_transformers(encoder, folders, pictures):
    from sentence_transformers import SentenceTransformer

    kind = "clip" if encoder.composes == "sum" else "qwen"
    theirs = SentenceTransformer(str(folders[kind]), device="cpu", local_files_only=True)
    opened = [Image.open(path).convert("RGB") for path in pictures]
    np.testing.assert_allclose(vectors(encoder, pictures), theirs.encode(opened, normalize_embeddings=True), atol=1e-6)
    words = encoder.encode_queries([None] * len(TEXTS), TEXTS)
    np.testing.assert_allclose(words, theirs.encode(TEXTS, normalize_embeddings=True), atol=1e-6)


def test_two_towers_compose_by_the_sum_of_unit_vectors(clip, folders, pictures):
    from transformers import CLIPModel, CLIPProcessor

    model, processor = (kind.from_pretrained(folders["clip"]) for kind in (CLIPModel, CLIPProcessor))
    with torch.no_grad():
        given = processor(images=Image.open(pictures[0]), return_tensors="pt")
        image = model.get_image_features(**given).pooler_output[0].numpy()
        text = model.get_text_features(**processor(text=["a lamp"], return_tensors="pt")).pooler_output[0].numpy()
    image, text = image / np.linalg.norm(image), text / np.linalg.norm(text)
    wanted = (image + text) / np.linalg.norm(image + text)
    assert clip.composes == "sum"
    np.testing.assert_allclose(clip.encode_query(pictures[0], "a lamp"), wanted, atol=1e-6)


def test_a_joint_model_composes_by_itself(qwen, pictures):
    opened = Image.open(pictures[0]).convert("RGB")
    wanted = qwen.model.encode([{"image": opened, "text": "a lamp"}], normalize_embeddings=True)[0]
    assert qwen.composes == "joint"
    np.testing.assert_allclose(qwen.encode_query(pictures[0], "a lamp"), wanted, atol=1e-6)


def test_long_texts_are_truncated(encoder, pictures):
    long, longer = "a lamp " * 400, "a lamp " * 400 + "and a toaster"
    for picture in (None, pictures[0]):
        np.testing.assert_array_equal(encoder.encode_query(picture, long), encoder.encode_query(picture, longer))


def test_a_tokenizer_that_knows_no_limit_gets_the_models(copy, clip):
    TINY.edit_json(copy / "tokenizer_config.json", model_max_length=10**30)
    row = load_encoder(copy).encode_query(text="a lamp " * 50)
    np.testing.assert_allclose(row, clip.encode_query(text="a lamp " * 50), atol=1e-6)


def test_a_text_is_never_opened_as_a_picture(encoder, pictures):
    name = str(pictures[0])
    same = [encoder.encode_query(text=f" {name}"), encoder.encode_query(text=name)]
    np.testing.assert_array_equal(*same)
    assert same[0] @ encoder.encode_query(pictures[0]) < 0.999
    assert np.isfinite(encoder.encode_query(text="http://127.0.0.1:9/a.png")).all()  # nobody answers there


def test_the_sign_for_a_picture_counts_as_words(qwen, pictures):
    row = qwen.encode_query(pictures[0], "a <|image_pad|> lamp")
    np.testing.assert_array_equal(row, qwen.encode_query(pictures[0], "a   lamp"))


def test_siglip_texts_are_padded_as_it_was_trained(folders):
    from transformers import AutoTokenizer, SiglipModel

    words = AutoTokenizer.from_pretrained(folders["siglip"])(TEXTS, padding="max_length", return_tensors="pt")
    with torch.no_grad():
        wanted = SiglipModel.from_pretrained(folders["siglip"]).get_text_features(words["input_ids"]).pooler_output
    wanted = torch.nn.functional.normalize(wanted, dim=-1).numpy()
    encoder = load_encoder(folders["siglip"], device="cpu")
    np.testing.assert_allclose(encoder.encode_queries([None] * len(TEXTS), TEXTS), wanted, atol=1e-6)
    np.testing.assert_allclose(encoder.encode_query(text=TEXTS[0]), wanted[0], atol=1e-6)


def test_a_folder_of_an_older_sentence_transformers_loads(clip, folders, tmp_path, pictures):
    """As clip-ViT-B-32 lies on the hub: one module, in a folder of its own."""
    shutil.copytree(folders["clip"], tmp_path / "old" / "0_CLIPModel")
    module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    (tmp_path / "old" / "modules.json").write_text(json.dumps([module]))
    (tmp_path / "old" / "config_sentence_transformers.json").write_text('{"__version__": {}}')
    old = load_encoder(tmp_path / "old", device="cpu")
    np.testing.assert_allclose(old.encode_queries(pictures, TEXTS), clip.encode_queries(pictures, TEXTS), atol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_stays_near(encoder, folders, pictures, dtype):
    kind = "clip" if encoder.composes == "sum" else "qwen"
    half = load_encoder(folders[kind], device="cpu", dtype=dtype)
    assert half.fingerprint != encoder.fingerprint
    assert half.model.dtype == getattr(torch, dtype)
    cosines = (half.encode_queries(pictures, TEXTS) * encoder.encode_queries(pictures, TEXTS)).sum(1)
    assert cosines.min() > 0.99


def test_the_pocket_runs_in_float16(pictures):
    half, full = load_encoder("pocket", device="cpu", dtype="float16"), load_encoder("pocket", device="cpu")
    assert half.fingerprint not in (full.fingerprint, load_encoder("pocket", dtype="bfloat16").fingerprint)
    assert half.encode_query(pictures[0], "a lamp") @ full.encode_query(pictures[0], "a lamp") > 0.999


def test_the_fingerprint_follows_what_can_change_a_vector(copy, clip, tmp_path):
    before = load_encoder(copy).fingerprint
    assert before == clip.fingerprint  # wherever the folder lies
    (copy / "README.md").write_text("A model card.")
    assert load_encoder(copy).fingerprint == before
    settings = json.loads((copy / "processor_config.json").read_text())
    settings["image_processor"]["image_mean"] = [0.5, 0.5, 0.5]
    (copy / "processor_config.json").write_text(json.dumps(settings))
    assert load_encoder(copy).fingerprint != before
    assert load_encoder(TINY.clip(tmp_path / "other", seed=1)).fingerprint != before


def test_the_rest_of_the_pipeline_works_with_it(encoder, pictures, tmp_path):
    with open_index(load_folder(pictures[0].parent), encoder, str(tmp_path / "milvus.db"), progress=False) as found:
        assert found.search(encoder.encode_query(pictures[3]), limit=1)[0].item.path == pictures[3]
        hits = found.search(encoder.encode_query(pictures[3], "made of wood"), limit=3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert hits[0].score >= hits[2].score


def test_weights_name_the_folder_of_a_hub_model(folders):
    encoder = load_encoder("sentence-transformers/clip-ViT-B-32", weights=folders["clip"])
    assert encoder.name == "sentence-transformers/clip-ViT-B-32"
    with pytest.raises(RagError, match="There is no folder 'no/such'.*must be the folder that holds them"):
        load_encoder("sentence-transformers/clip-ViT-B-32", weights="no/such")


def test_a_text_model_is_refused(tmp_path):
    with pytest.raises(RagError, match="'saved' takes no image alone .it takes: text.*Choose a multimodal one"):
        load_encoder(TINY.bert(tmp_path))


def test_unknown_names_say_what_there_is(tmp_path):
    with pytest.raises(RagError, match="'poket'. Did you mean 'pocket'.*hub id 'org/model' or a folder"):
        load_encoder("poket")
    with pytest.raises(RagError, match="There is no folder '/no/such/folder'"):
        load_encoder("/no/such/folder")
    with pytest.raises(RagError, match="holds no model: it has neither modules.json.*nor config.json"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("name", ["", " ", "x" * 5000, "org/" + "x" * 5000, "./" + "x" * 5000])
def test_a_name_that_can_be_none_ends_in_a_short_sentence(name):
    with pytest.raises(RagError, match="Unknown encoder|There is no folder") as caught:
        load_encoder(name)
    assert len(str(caught.value)) < 500


def test_damaged_files_end_in_a_sentence(copy):
    (copy / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(RagError, match="'copy' could not be loaded .*incomplete or damaged"):
        load_encoder(copy)
    for text in ("{", "[]", "null", '"x"'):
        (copy / "config.json").write_text(text)
        with pytest.raises(RagError, match="config.json of 'copy' is damaged"):
            load_encoder(copy)


def test_the_code_of_a_model_is_never_run(copy, tmp_path):
    code = f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n"
    (copy / "modeling_own.py").write_text(code)
    TINY.edit_json(copy / "config.json", model_type="own", auto_map={"AutoConfig": "modeling_own.Own"})
    with pytest.raises(RagError, match="brings code of its own.*never done.*Choose a model that transformers knows"):
        load_encoder(copy)
    module = {"idx": 0, "name": "0", "path": "", "type": "modeling_own.Own"}
    (copy / "modules.json").write_text(json.dumps([module]))
    with pytest.raises(RagError, match="brings code of its own"):
        load_encoder(copy)
    assert not (tmp_path / "ran").exists()


COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(http.server.SimpleHTTPRequestHandler):
    """Answers as the hub does for the one repository org/clip, at the server's `commit`; `lists` or not its files."""

    def send_head(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:5] == ["api", "models", "org", "clip", "tree"] and self.server.lists:
            files = [path for path in Path(self.directory).rglob("*") if path.is_file()]
            names = {path.relative_to(self.directory).as_posix(): blob_id(path) for path in files}
            tree = [dict(type="file", path=name, oid=oid, size=1) for name, oid in names.items()]
            tree += [dict(type="directory", path="of.json", oid="0" * 40, size=0)]
            body = json.dumps(tree).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json")
            super().end_headers()
            return io.BytesIO(body)
        if parts[:3] == ["org", "clip", "resolve"] and Path(self.directory, *parts[4:]).is_file():
            self.path = "/" + "/".join(parts[4:])
            return super().send_head()
        self.send_response(404)
        self.send_header("X-Error-Code", "EntryNotFound" if "/org/clip/" in self.path else "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return None

    def end_headers(self):
        self.send_header("X-Repo-Commit", self.server.commit)
        path = Path(self.directory, self.path.strip("/"))
        self.send_header("ETag", f'"{blob_id(path) if path.is_file() else "0" * 40}"')
        super().end_headers()

    def log_message(self, *_):
        pass


def blob_id(path):
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


SCRIPT = """
import sys
from rag_lib.encoders import load_encoder
from rag_lib.errors import RagError
for name in sys.argv[1:]:
    try:
        encoder = load_encoder(name, device="cpu")
        print(encoder.name, encoder.fingerprint, encoder.dim)
    except RagError as error:
        print(error)
"""


def from_hub(home, names, **settings):
    settings = os.environ | {"HF_HUB_CACHE": str(home / "cache"), "RAG_HOME": str(home)} | settings
    command = [sys.executable, "-c", SCRIPT, *names]
    result = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@contextmanager
def serving(folder, commit=COMMIT, lists=True):
    """The address of a hub that holds `folder` as org/clip."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=str(folder)))
    server.commit, server.lists = commit, lists
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_a_hub_model_that_lacks_a_part_of_its_weights_is_not_blamed_on_the_network(copy, tmp_path):
    (copy / "model.safetensors").unlink()
    parts = {"metadata": {}, "weight_map": {"logit_scale": "model-00001-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(parts))
    with serving(copy) as address:
        (line,) = from_hub(tmp_path, ["org/clip"], HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert "'org/clip' could not be loaded" in line and "incomplete or damaged" in line and "network" not in line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x does not have model.safetensors. Checkout 'https://huggingface.co/x/tree/main'.", "could not be loaded"),
        ("size mismatch for model.connector.proj.weight", "could not be loaded"),
        ("We couldn't connect to 'https://huggingface.co' to load the files.", "could not be fetched"),
        ("Cannot reach https://huggingface.co/x: offline mode is enabled.", "could not be fetched"),
        ("The read operation timed out", "could not be fetched"),
        ("HTTP Error 503", "could not be fetched"),
    ],
)
def test_only_a_fault_of_the_network_is_called_one(text, sentence):
    def loader(place, **options):
        raise OSError(text)

    with pytest.raises(RagError, match=sentence):
        Source("org/clip", "org/clip", COMMIT, COMMIT).load(loader)


@pytest.mark.slow
def test_a_hub_id_is_fetched_once_and_known_without_a_network(folders, tmp_path):
    with serving(folders["clip"]) as address:
        online = from_hub(tmp_path, ["org/clip", "org/missing"], HF_ENDPOINT=address, HF_HUB_OFFLINE="0")
    assert online[0].startswith("org/clip ") and online[0].endswith(" 16")
    assert "The hub has no public model 'org/missing'" in online[1]
    offline = from_hub(tmp_path, ["org/clip", "org/other"], HF_ENDPOINT=address, HF_HUB_OFFLINE="1")
    assert offline[0] == online[0]
    assert "'org/other' could not be fetched" in offline[1]


def test_a_hub_model_is_known_by_the_files_that_can_change_a_vector(copy, tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))

    def identity(commit, **options):
        with serving(copy, commit, **options) as address:
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
            return _hub_identity("org/clip", commit)

    first = identity(COMMIT)
    (copy / "README.md").write_text("A new model card.")
    (copy / "modeling_own.py").write_text("# code, which is not run")
    assert identity("a" * 40) == first != COMMIT
    TINY.edit_json(copy / "tokenizer_config.json", model_max_length=20)
    changed = identity("b" * 40)
    (copy / "tokenizer_config.json").rename(copy / "renamed.json")
    assert len({first, changed, identity("c" * 40)}) == 3
    assert identity("d" * 40, lists=False) == "d" * 40
    assert identity(COMMIT, lists=False) == first  # as it was noted


@pytest.mark.parametrize("content", [b"", b"0123", b"\xff" * 64], ids=["empty", "cut", "no text"])
def test_a_damaged_note_of_an_identity_is_not_believed(tmp_path, monkeypatch, content):
    monkeypatch.setenv("RAG_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    note = tmp_path / "data" / "weights" / "identities" / COMMIT
    note.parent.mkdir(parents=True)
    note.write_text("a" * 64)
    assert _hub_identity("org/clip", COMMIT) == "a" * 64
    note.write_bytes(content)
    assert _hub_identity("org/clip", COMMIT) == COMMIT


@pytest.mark.slow  # the hub client tries again for 23 seconds
def test_without_a_network_a_hub_id_says_what_to_do(tmp_path):
    (line,) = from_hub(tmp_path, ["org/model"], HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_OFFLINE="0")
    assert "'org/model' could not be fetched from the hub" in line and "encoder='pocket'" in line
