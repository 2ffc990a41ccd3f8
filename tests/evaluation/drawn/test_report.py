"""From encoder to table: a world of a few products, and an encoder that knows all answers to composed queries."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from rag_lib.drawn.drawing import CATEGORIES, COLORS, LOOKS, NATURAL, THEMES
from rag_lib.errors import RagError
from rag_lib.evaluation.drawn import benchmark as drawn
from rag_lib.evaluation.drawn.meter import OWN, WAYS, ask
from rag_lib.evaluation.drawn.plan import COMPOSED, FAMILIES, GALLERIES
from rag_lib.evaluation.drawn.report import ALL, against, as_json, groups, report
from rag_lib.evaluation.drawn.tables import against_table, markdown, meter_table, tables
from rag_lib.evaluation.measures import MEASURES

NAMES = (*CATEGORIES, *THEMES, *COLORS, NATURAL)
WORLD = dict(
    n_standard=70,
    per_family=12,
    categories=CATEGORIES[:6],
    looks=[
        (theme, color)
        for theme, color in LOOKS
        if theme in ("leopard", "zebra")
        or (theme in ("dots", "stripes", "stars") and color in ("red", "blue", "green", "white"))
    ],
)


class Oracle:
    """Embeds attributes: pictures by what they show, composed queries by what they want.

    Words alone are embedded by what they give; a worn query (no path, but a picture) as nothing.
    """

    name, fingerprint, dim = "oracle", "0", len(NAMES)

    def __init__(self, plan):
        self.plan = plan
        self.wanted = {(query.image_id, query.text): query.wanted for query in plan.queries}
        self.said = {query.text: query.from_words for query in plan.queries}

    def vector(self, attributes):
        row = np.zeros(self.dim, np.float32)
        for name in filter(None, attributes):
            row[NAMES.index(name)] = 1
        return row / np.linalg.norm(row)

    def encode_images(self, paths, *, cache=None):
        return SimpleNamespace(
            vectors=np.stack([self.vector(self.plan.pictures[path.stem].shown) for path in paths]), skipped=()
        )

    def encode_queries(self, images, texts, *, batch_size):
        rows = []
        for image, text in zip(images, texts, strict=True):
            if image is None:
                rows.append(self.vector(self.said[text]))
            else:
                wanted = self.wanted[image.stem, text] if hasattr(image, "stem") else NAMES[-1:]
                rows.append(self.vector(wanted))
        return np.stack(rows)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAG_HOME", str(tmp_path_factory.mktemp("home")))
        return drawn.make_benchmark("validation", **WORLD)


@pytest.fixture(scope="module")
def answers(benchmark):
    return list(ask(Oracle(benchmark.plan), benchmark))


@pytest.fixture(scope="module")
def made(answers, tmp_path_factory):
    return report(answers, runs=tmp_path_factory.mktemp("runs"))


def test_every_gallery_is_asked_in_every_way_with_and_without_the_own_picture(answers):
    assert [(a.gallery, a.way, a.own) for a in answers] == [(g, w, o) for g in GALLERIES for w in WAYS for o in OWN]
    for asked in answers:
        assert list(asked.run) == list(asked.qrels) == [query.query_id for query in asked.queries]
        for query in asked.queries:
            assert (query.image_id in asked.run[query.query_id]) <= (asked.own == "kept")


def test_queries_are_all_asked_however_many_at_once(answers, benchmark, monkeypatch):
    monkeypatch.setattr("rag_lib.evaluation.drawn.meter.BATCH", 5)
    for some, whole in zip(ask(Oracle(benchmark.plan), benchmark), answers, strict=True):
        assert some.run == whole.run


def test_the_oracle_is_right_composed_and_a_half_is_not(made):
    for gallery in GALLERIES:
        for family in COMPOSED:
            composed = made.find(gallery, family)["Recall@1"]
            assert (composed["mean"], composed["high"]) == (1, 1) and 0.7 < composed["low"] < 1
            assert made.find(gallery, family, way="worn")["Recall@1"]["mean"] < 0.5
            assert made.find(gallery, family, way="image only")["mAP"]["mean"] < 0.6
            assert made.find(gallery, family, way="text only")["mAP"]["mean"] < 0.6
        assert made.find(gallery, "text only", way="text only")["MRR"]["mean"] == 1


def test_the_own_picture_comes_first_when_it_is_kept(answers):
    for asked in answers:
        if asked.way == "image only" and asked.own == "kept":
            own = [query for query in asked.queries if query.family == "image only"]
            # A second picture of the same product has the same vector: then the id decides.
            assert all(asked.run[query.query_id][query.image_id] > 0.99 for query in own)


def test_rows_count_their_queries(made, benchmark):
    for row in made.rows:
        if row["split"] == "all" and row["way"] in ("composed", row["family"]):
            asked = benchmark.plan.asked(row["gallery"])
            assert row["n"] == sum(q.family == row["family"] or (row["family"], q.family in COMPOSED) == (ALL, True)
                                   for q in asked)  # fmt: skip
    place = [(r["gallery"], r["own"], r["family"], r["split"], r["way"]) for r in made.rows]
    assert len(place) == len(set(place))


def test_groups_are_the_tags(benchmark):
    queries = benchmark.plan.queries
    found = groups(queries)
    assert found[ALL, "all"].tolist() == [i for i, query in enumerate(queries) if query.family in COMPOSED]
    assert found["theme transfer", "picture kind: held-out"].tolist() == [
        i for i, q in enumerate(queries) if q.family == "theme transfer" and q.tags["picture kind"] == "held-out"
    ]
    assert (ALL, "picture kind: held-out") not in found


def test_composed_is_tested_against_the_average(made):
    rows = [row for row in made.compared if row["family"] == ALL and row["split"] == "all"]
    assert [(row["gallery"], row["own"]) for row in rows] == [(g, o) for g in GALLERIES for o in OWN]
    for row in rows:
        composed, average = (made.find(row["gallery"], ALL, way=way, own=row["own"]) for way in ("composed", "average"))
        gap = composed["Recall@1"]["mean"] - average["Recall@1"]["mean"]
        assert row["difference"] == pytest.approx(gap, abs=2e-4) and row["low"] <= gap + 1e-3 and 0 < row["p"] <= 1


def test_against_itself_nothing_differs_and_a_missing_run_is_named(answers, tmp_path):
    with pytest.raises(RagError, match=r"There is no run file 'standard.excluded.composed.run' in"):
        against(answers, tmp_path)
    report(answers, runs=tmp_path, tag="a model")
    rows = against(answers, tmp_path)
    assert len(rows) == 2 * 2 * 4
    assert all((row["difference"], row["p"]) == (0, 1) and row["low"] == -row["high"] < 0 for row in rows)
    assert against_table(rows).count("\n") == len(rows) + 1
    assert len(list(tmp_path.glob("*.run"))) == 20 and len(list(tmp_path.glob("*.qrels"))) == 10


@pytest.mark.parametrize("kept", [-1, 0.5])
def test_a_run_that_was_cut_off_is_not_compared(answers, tmp_path, kept):
    report(answers, runs=tmp_path)
    path = tmp_path / "full.kept.composed.run"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[: int(kept * len(lines)) if kept > 0 else kept]) + "\n")
    with pytest.raises(RagError, match=r"'full.kept.composed.run' in '.*' holds \d+ of \d+ hits of the query .*--runs"):
        against(answers, tmp_path)


def test_the_json_says_everything_and_the_tables_fit(made):
    document = json.loads(json.dumps(as_json(made, {"benchmark": "drawn"})))
    assert document["measures"]["Recall@1"] == "Success@1" and document["benchmark"] == "drawn"
    assert {row["family"] for row in document["rows"]} == {ALL, *FAMILIES}
    assert {row["way"] for row in document["rows"]} == set(WAYS)
    for row in document["rows"]:
        assert list(row["measures"]) == list(MEASURES)
        assert all(0 <= m["low"] <= m["mean"] <= m["high"] <= 1 for m in row["measures"].values())
    text = tables(made)
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("| theme transfer ") == 4 and text.startswith("| standard: Recall@1 ")


def test_a_table_without_splits_has_a_row_for_each_family(made):
    short, whole = (
        [line.split() for line in meter_table(made, "standard", splits=splits).splitlines()[2:]]
        for splits in (False, True)
    )
    assert short == [line for line in whole if line[1] != "-"]
    assert len(short) == 1 + len(FAMILIES) < len(whole)


def test_the_pictures_embeddings_are_kept_when_there_is_a_cache(benchmark):
    class Remembering(Oracle):
        def encode_images(self, paths, *, cache=None):
            self.cache = cache
            return super().encode_images(paths)

    model, cache = Remembering(benchmark.plan), object()
    next(ask(model, benchmark, cache=cache))
    assert model.cache is cache


def test_a_markdown_table_by_hand():
    assert markdown(["a", "n"], [["bcd", "1"], ["e", "23"]]) == "| a   |  n |\n| --- | -: |\n| bcd |  1 |\n| e   | 23 |"


def test_a_damaged_picture_is_named(benchmark):
    class Half(Oracle):
        def encode_images(self, paths, *, cache=None):
            return SimpleNamespace(vectors=None, skipped=[(paths[0], "it is truncated")])

    with pytest.raises(RagError, match=r"picture '.*jpg' is damaged \(it is truncated\): delete it, it is drawn again"):
        list(ask(Half(benchmark.plan), benchmark))
