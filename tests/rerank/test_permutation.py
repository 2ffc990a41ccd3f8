import json
import random

import pytest

from rag_lib.rerank.permutation import KINDS, clean, number, parse_text, repair


@pytest.mark.parametrize(
    ("given", "n", "order", "repairs"),
    [
        ([3, 1, 2], 3, [3, 1, 2], {}),
        (["3", "#1", "Image 2"], 3, [3, 1, 2], {}),
        ([2.0, "1.", "[3]"], 3, [2, 1, 3], {}),
        ([3, 3, 3], 3, [3, 1, 2], {"duplicate": 2, "missing": 2}),
        ([0, 4, -1, 10**30, 2], 3, [2, 1, 3], {"unknown": 4, "missing": 2}),
        (
            [None, True, "first", 1.5, float("nan"), float("inf"), [1], {}, 2],
            2,
            [2, 1],
            {"wrong form": 8, "missing": 1},
        ),
        ([3, 1], 4, [3, 1, 2, 4], {"missing": 2}),
        ([], 2, [1, 2], {"missing": 2}),
        ([1], 1, [1], {}),
    ],
)
def test_repair_makes_a_permutation_and_counts(given, n, order, repairs):
    assert repair(given, n) == (order, repairs)


@pytest.mark.parametrize("value", ["1 and 2", "12345678901", "one", "", "²", "٣", "9" * 5000, True, None, [], 2.5])
def test_what_is_no_number(value):
    assert number(value) is None


@pytest.mark.parametrize(
    ("reply", "order", "reason"),
    [
        ("Ranked list: [3, 1, 2]  Reasons: It has spots.", [3, 1, 2], "It has spots."),
        ("ranked list: [3,1,2]\n\nReason: It has\nspots.", [3, 1, 2], "It has spots."),
        ("**Ranked list:** [3, 1, 2]\n\n**Reasons:** It has spots.", [3, 1, 2], "It has spots."),
        ("```json\n[3, 1, 2]\n```\nIt has spots.", [3, 1, 2], "It has spots."),
        ('```json\n{"ranking": [3, 1, 2], "reason": "It has spots."}\n```', [3, 1, 2], "It has spots."),
        ('Sure! Here: {"Ranking": ["3", "1", "2"], "Explanation": "Spots."} Bye.', [3, 1, 2], "Spots."),
        ("[1] is plain and [2] is blue. Ranked list: [3, 1, 2]. Reasons: Spots.", [3, 1, 2], "Spots."),
        ("Search gave [1, 2, 3]. My final ranking: [3, 1, 2]", [3, 1, 2], ""),
        ("First ranking: [1, 2, 3]. Better ranking: [3, 1, 2]", [3, 1, 2], ""),
        ("Ranked list: [3, 1, 2] Reasons: not in the order of [1, 2, 3].", [3, 1, 2], "not in the order of [1, 2, 3]."),
        ("The form is Ranked list: []. Ranked list: [3, 1, 2]", [3, 1, 2], ""),
        ("Ranked list: [3] > [1] > [2]", [3, 1, 2], ""),
        ("Ranked list: [#3] > [#1] > [#2]", [3, 1, 2], ""),
        ("Ranked list: [#3, #1, #2]. Reasons: Spots.", [3, 1, 2], "Spots."),
        ("Ranked list: #3, #1, #2. Reasons: Spots.", [3, 1, 2], "Spots."),
        ("Ranked list: 3, 1, 2. Reasons: Spots.", [3, 1, 2], "Spots."),
        ("Reasons: Spots. Ranked list: [3 1 2]", [3, 1, 2], "Spots. Ranked list:"),
        ("Ranked list: [3, 1, 2]Reasons: Spots.", [3, 1, 2], "Spots."),
        ("Ranked list: [3, , 1, 2,]", [3, 1, 2], ""),
        ("{not json} [3, 1, 2]", [3, 1, 2], ""),
        ('{"ranking": [3, 1, 2], "reason": "It has sp', [3, 1, 2], "It has sp"),
    ],
)
def test_parse_text_finds_the_ranking(reply, order, reason):
    found = parse_text(reply, 3)
    assert repair(found.numbers, 3) == (order, {})
    assert found.reason == reason


DRAFT, FINAL = '{"ranking": [1, 2, 3], "reason": "A guess."}', '{"ranking": [3, 1, 2], "reason": "Spots."}'


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>{DRAFT}</think>{FINAL}",
        "<think>Ranked list: [1, 2, 3]</think>\n\nRanked list: [3, 1, 2] Reasons: Spots.",
        f"{DRAFT} Wait, the third has spots.</think>\n{FINAL}",  # the prompt's template opened the thought
        f"<think>hm</think>{FINAL}</think>",
        f"<think></think>{FINAL}<think>{DRAFT}</think>",
        f"[THINK]{DRAFT}[/THINK]{FINAL}",
        f"<|START_THINKING|>{DRAFT}<|END_THINKING|>{FINAL}",
        f"◁think▷{DRAFT}◁/think▷{FINAL}",
        f"<seed:think>{DRAFT}</seed:think>{FINAL}",
        f"<Reasoning>{DRAFT}</Reasoning><answer>{FINAL}</answer>",
        f"<think>{DRAFT * 5000}</think>{FINAL}",  # longer than what is read of an answer
        f"```json\n{DRAFT}\n```\nOn second thought:\n```json\n{FINAL}\n```",
        f"The form: {DRAFT} My answer: {FINAL}",
        f"The form: {DRAFT} Ranked list: [3, 1, 2] Reasons: Spots.",
        f"Draft: {DRAFT} Better: {FINAL[:-2]}",  # the last one lacks its end
        f"Ranked list: [1, 2, 3] at first sight, but: {FINAL}",
        f'{FINAL} For instance {{"ranking": [1]}} would be wrong.',
        f'{{"answer": {FINAL}}}',
        f'{{"type": "object", "ranking": {{"type": "array"}}}} {FINAL}',
        f"{FINAL} That is not the order of the search, [1, 2, 3].",
        f'{{"ranking": [1, 2, 3], "evidence": [{{"number": 1}}, {{"number": 2}}]}} Better: {FINAL}',
        f"Ranked list, as was asked for, but first what the search itself gave: [1, 2, 3]. {FINAL}",
    ],
)
def test_of_several_rankings_the_answer_is_taken_not_a_draft(reply):
    found = parse_text(reply, 3)
    assert repair(found.numbers, 3) == ([3, 1, 2], {}) and found.reason.startswith("Spots.")
    assert not found.thinking


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>First guess: {DRAFT} but",
        f"{DRAFT} <think>no, wait",
        f"<think>a</think>{DRAFT}<think>or rather",
        "[THINK]Ranked list: [1, 2, 3]",
        "<think>" * 100_000,
    ],
)
def test_a_thought_without_end_holds_no_answer(reply):
    found = parse_text(reply, 3)
    assert found.numbers == [] and found.thinking


@pytest.mark.parametrize("opening", ["<think>", ""])  # the prompt's template may hold it
def test_a_whole_draft_is_no_better_than_an_answer_in_part(opening):
    assert parse_text(f"{opening}{DRAFT} hm</think>Ranked list: [3, 1]", 3).numbers == ["3", "1"]
    assert parse_text(f"{opening}{DRAFT} hm</think>I cannot tell.", 3).numbers == []


def test_the_marks_of_thoughts_within_an_answers_words_are_words():
    reply = '{"ranking": [3, 1, 2], "reason": "It shows the words <think> and </think>."}'
    assert parse_text(reply, 3).reason == "It shows the words <think> and </think>."


@pytest.mark.parametrize(
    "sentence",
    [
        "I ranked 35, 83 lower because they are red.",
        "The order of 35, 83 is hard to tell.",
        "Ranking is hard: 35, 83 and 47 are alike.",
        "Of 35, 83, the rank is the same.",
    ],
)
def test_numbers_in_a_sentence_are_no_ranking(sentence):
    labels = (47, 83, 35)
    assert parse_text(sentence, 3, labels).numbers == []
    assert parse_text(f"{sentence} Ranked list: [35, 47, 83]", 3, labels).numbers == ["35", "47", "83"]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        "I cannot help with that.",
        "Number [2] looks nice.",
        "I saw 1, 2 and 3.",
        "[]",
        "[7, 8]",
        None,
        5,
        b"[1,2]",
    ],
)
def test_parse_text_does_not_invent_a_ranking(reply):
    found = parse_text(reply, 3)
    assert found.numbers == [] and not found.thinking


@pytest.mark.parametrize("n", [1, 2, 25])
def test_the_candidates_are_numbered_from_1_to_n(n):
    for candidate in (1, n):
        assert parse_text(f"Ranked list: [{candidate}]", n).numbers == [str(candidate)]
    for other in (0, n + 1):
        assert parse_text(f"Ranked list: [{other}]", n).numbers == []


def test_evidence_is_what_the_json_form_holds():
    evidence = [{"number": 3, "keeps": ["spots"]}]
    reply = json.dumps({"ranking": [3, 1, 2], "evidence": evidence})
    assert parse_text(reply, 3).evidence == parse_text(f"So: {reply}", 3).evidence == evidence
    assert list(parse_text("Ranked list: [3, 1, 2]", 3).evidence) == []


def test_a_runaway_reply_is_read_up_to_a_bound():
    assert parse_text(f"{'so ' * 40_000} Ranked list: [3, 1, 2]", 3).numbers == []


def test_a_ranking_by_labels_is_told_from_other_lists():
    reply = "I saw [1, 2, 3] kinds. Best first: [26, 47, 83], and not [83, 12]."
    assert parse_text(reply, 3, labels=(47, 83, 26)).numbers == ["26", "47", "83"]
    assert parse_text("[3, 1, 2]", 3, labels=(47, 83, 26)).numbers == []
    assert parse_text('{"order": [1]} {"order": ["83"]}', 3, labels=(47, 83, 26)).numbers == ["83"]


def test_a_partial_list_is_kept_with_its_faults():
    found = parse_text("Ranked list: [2, 2, 9, best]", 4)
    assert repair(found.numbers, 4) == (
        [2, 1, 3, 4],
        {"wrong form": 1, "unknown": 1, "duplicate": 1, "missing": 3},
    )


def test_random_replies_always_end_in_a_permutation():
    rng = random.Random(7)
    pieces = [
        "Ranked list:",
        "ranking",
        "Reasons:",
        "[",
        "]",
        "{",
        "}",
        '"ranking":',
        '"',
        ",",
        ">",
        "\n",
        "```json",
        "```",
    ]
    pieces += [
        "1",
        "2",
        "3",
        "-1",
        "1e999",
        "NaN",
        "null",
        "true",
        "\ud800",
        "\x00",
        "٣",
        "9" * 30,
        "\\",
        "é",
        ":",
        " ",
    ]
    for _ in range(3000):
        n = rng.randint(1, 25)
        text = "".join(
            rng.choice(pieces) if rng.random() < 0.8 else chr(rng.randrange(0x11000)) for _ in range(rng.randint(0, 40))
        )
        found = parse_text(text, n)
        order, repairs = repair(found.numbers, n)
        assert sorted(order) == list(range(1, n + 1))
        assert set(repairs) <= set(KINDS) and all(count > 0 for count in repairs.values())
        assert len(order) == len(found.numbers) - sum(repairs.get(kind, 0) for kind in KINDS[:3]) + repairs.get(
            "missing", 0
        )
        found.reason.encode()  # printable anywhere: no lone surrogates


def test_random_json_values_always_end_in_a_permutation():
    rng = random.Random(8)
    values = [None, True, -1, 0, 1, 2, 3, 1.0, 1.5, "2", "x", [], [1], {}, {"a": 1}, 1e308, "\ud800"]
    for _ in range(1000):
        n = rng.randint(1, 9)
        body = {
            "ranking": rng.choices(values, k=rng.randint(0, 12)),
            "reason": rng.choice(values),
            "evidence": rng.choice(values),
        }
        order, _ = repair(parse_text(json.dumps(body), n).numbers, n)
        assert sorted(order) == list(range(1, n + 1))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{" * 200_000,
        '{"ranking":' * 20_000,
        "[1 " + "1,2 " * 60_000,
        "```" * 70_000,
        "order " * 40_000,
        '{"ranking": [' + "9" * 50_000 + "]}",
        "1" * 200_000,
    ],
)
def test_hostile_replies_are_read_too(text):
    order, _ = repair(parse_text(text, 5).numbers, 5)
    assert sorted(order) == [1, 2, 3, 4, 5]


def test_clean_gives_one_printable_line():
    assert clean("a\n\tb\x1b[31m\u202ec\ud800") == "a b[31mc?"
    assert clean("x" * 200, 200) == "x" * 200
    assert clean("x" * 201, 200) == "x" * 199 + "…"
    assert clean(None) == ""
