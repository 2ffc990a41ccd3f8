"""The page as visitors meet it, in Debian's Chromium driven by Playwright."""

import io
import json
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def leopard(home):
    return home / "pictures" / "query" / "leopard.jpg"


def upload(page, path):
    page.set_input_files("#picture input[type=file]", path)
    wait_for_picture(page)


def wait_for_picture(page):
    """Until it has its size: what stands below it moves, and a click would miss."""
    page.wait_for_selector("#picture .stage:not([hidden])")
    page.wait_for_function("document.querySelector('#picture .stage img').naturalWidth > 0")


def search(page, text):
    page.fill("#text textarea", text)
    page.click("#search")


def refine(page, **texts):
    """Fill fields of the folded part, as someone does who sees them.

    Gradio builds a part when it is unfolded and gives each field its first value a moment after it is there: a text
    that came before, faster than hands are, is put in again.
    """
    page.click("#refine .label-wrap")
    fields = {f"#{name} textarea, #{name} input": text for name, text in texts.items()}
    stays = 0  # looks in a row at which all texts were there
    while stays < 4:
        lost = [field for field, text in fields.items() if page.input_value(field) != text]
        for field in lost:
            page.fill(field, fields[field])
        stays = 0 if lost else stays + 1
        page.wait_for_timeout(250)


def choose(page, label, option):
    """Under Advanced."""
    if not page.is_visible("#advanced input"):
        page.click("#advanced .label-wrap")
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option).click()


def saved(page):
    """The answer that the page offers for download."""
    with page.expect_download() as download:
        page.click(".download")
    return json.loads(download.value.path().read_text("utf-8"))


def hold_next_event(page):
    """The page's next event waits: a list, soon of one. `continue_()` lets it go."""
    held = []

    def handle(route):
        held.append(route) if not held else route.continue_()

    page.route("**/queue/join*", handle)
    return held


def first_title(page):
    return page.inner_text("#found .hit .title >> nth=0")


def shown(page):
    """The visitor's picture, as his page shows it."""
    source = page.get_attribute("#picture .stage img", "src")
    return np.asarray(Image.open(io.BytesIO(b64decode(source.split(",")[1]))).convert("RGB"))


def test_upload_search_rerank_winner(visit, leopard):
    page = visit()
    upload(page, leopard)
    search(page, "phone case with this image theme")
    page.wait_for_selector("#found .hit")
    assert page.locator("#found .hit").count() == 6
    assert first_title(page) == "leopard phone case"
    assert page.locator("#more .strip").count() == 2, "what each half alone would have found"
    page.click("#rerank")
    page.wait_for_selector(".winner")
    assert page.inner_text(".winner h3") == "leopard phone case"
    assert "leopard" in page.inner_text(".winner .reason")
    assert page.locator(".winner .evidence .keeps").count()
    assert page.evaluate("document.querySelector('.panorama img').naturalWidth") > 600
    assert page.faults == []
    assert page.asked <= {page.url.split("/")[2], ""}, "everything comes from the app itself"


def test_the_result_can_be_saved_as_json(visit):
    page = visit()
    search(page, "toaster")
    page.wait_for_selector("#found .hit")
    assert page.get_attribute(".download", "download") == "answer.json"
    answer = saved(page)
    assert (answer["query"]["text"], answer["query"]["picture"]) == ("toaster", None)
    assert len(answer["hits"]) == 6


def test_a_bad_file_is_a_sentence_and_the_next_one_works(visit, leopard, tmp_path):
    page = visit()
    bad = tmp_path / "photo.png"
    bad.write_text("no picture at all")
    page.set_input_files("#picture input[type=file]", bad)
    page.wait_for_selector("#picture .problem:not([hidden])")
    assert "it is not a picture in one of the formats" in page.inner_text("#picture .problem")
    upload(page, leopard)
    assert page.is_hidden("#picture .problem")


def test_a_file_that_is_too_large_is_not_sent(visit, tmp_path):
    page = visit()
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(11 * 2**20))
    page.set_input_files("#picture input[type=file]", large)
    page.wait_for_selector("#picture .problem:not([hidden])")
    assert "at most 10 MB" in page.inner_text("#picture .problem")


def test_an_empty_query_is_a_sentence_and_the_next_one_works(visit):
    page = visit()
    search(page, "")
    page.wait_for_selector(".status.error")
    assert "The query is empty" in page.inner_text(".status.error")
    search(page, "lamp")
    page.wait_for_selector("#found .hit")
    assert page.locator(".status.error").count() == 0


def test_two_visitors_never_see_each_others_pictures(visit, tmp_path):
    pages, colors = [visit(), visit()], [(230, 20, 20), (20, 20, 230)]
    for number, (page, color) in enumerate(zip(pages, colors, strict=True)):
        path = tmp_path / str(number) / "photo.png"  # the same name for both
        path.parent.mkdir()
        Image.new("RGB", (64, 64), color).save(path)
        page.set_input_files("#picture input[type=file]", path)
    for page in pages:
        page.wait_for_selector("#picture .stage:not([hidden])")
        search(page, "toaster")
    for page in pages:
        page.wait_for_selector("#found .hit")
        page.click("#rerank")
    for page, color in zip(pages, colors, strict=True):
        page.wait_for_selector(".panorama img")
        assert np.abs(shown(page).mean((0, 1)) - color).max() < 12
        source = page.get_attribute(".panorama img", "src")
        panorama = np.asarray(Image.open(io.BytesIO(b64decode(source.split(",")[1]))))
        query = panorama[panorama.shape[0] // 3, 60]  # inside of the query picture at the left
        assert np.abs(query.astype(int) - color).max() < 30


def test_two_visitors_may_upload_the_same_file_at_once(visit, leopard):
    pages = [visit(), visit()]
    for page in pages:
        page.set_input_files("#picture input[type=file]", leopard)
    for page in pages:
        page.wait_for_selector("#picture .stage:not([hidden])")


def test_an_example_can_be_picked_and_cropped(visit):
    page = visit()
    page.click("#examples [data-name=zebra]")
    wait_for_picture(page)
    page.click("[data-do=crop]")
    area = page.locator("#picture .stage img").bounding_box()
    page.mouse.move(area["x"] + area["width"] * 0.25, area["y"] + area["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(area["x"] + area["width"] * 0.75, area["y"] + area["height"] * 0.75, steps=4)
    page.mouse.up()
    search(page, "lamp")
    page.wait_for_selector("#found .hit")
    width, height = saved(page)["query"]["picture"]
    assert 70 <= width <= 90 and 70 <= height <= 90, "half of 160 pixels"


def test_a_picture_can_be_pasted(visit):
    page = visit()
    page.evaluate(
        """async () => {
            const canvas = Object.assign(document.createElement('canvas'), { width: 40, height: 40 });
            const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
            const data = new DataTransfer();
            data.items.add(new File([blob], 'pasted.png', { type: 'image/png' }));
            document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }));
        }"""
    )
    page.wait_for_selector("#picture .stage:not([hidden])")


def test_filters_narrow_the_search(visit):
    page = visit()
    refine(page, high="14")
    search(page, "toaster")
    page.wait_for_selector("#found .hit")
    assert {float(price) for price in page.locator("#found .hit .price").all_inner_texts()} == {10, 11, 12, 13, 14}


def test_a_picture_that_is_still_on_its_way_is_not_mistaken_for_the_last_one(visit, leopard):
    page = visit()
    upload(page, leopard)
    held = hold_next_event(page)
    with page.expect_request("**/queue/join*"):
        page.set_input_files("#picture input[type=file]", leopard.with_name("zebra.jpg"))
    search(page, "lamp")
    page.wait_for_selector(".status.error")
    assert "still on its way" in page.inner_text(".status.error")
    held[0].continue_()
    wait_for_picture(page)
    page.click("#search")
    page.wait_for_selector("#found .hit")
    assert first_title(page) == "zebra lamp"


def test_a_picture_that_was_removed_is_not_searched_with(visit, leopard):
    page = visit()
    upload(page, leopard)
    held = hold_next_event(page)
    with page.expect_request("**/queue/join*"):
        page.click("[data-do=remove]")
    search(page, "lamp")
    page.wait_for_selector("#found .hit")
    assert saved(page)["query"]["picture"] is None
    held[0].continue_()


def test_another_catalog_brings_its_own_pictures(visit):
    page = visit()
    choose(page, "Catalog", "lamps")
    page.wait_for_function("document.querySelectorAll('#examples button').length === 1")
    page.click("#examples [data-name=zebra]")
    wait_for_picture(page)
    search(page, "toaster")
    page.wait_for_selector("#found .hit")
    assert all(title.endswith("lamp") for title in page.locator("#found .hit .title").all_inner_texts())


def test_a_reranker_that_cannot_be_loaded_does_not_stop_the_search(visit):
    page = visit()
    choose(page, "Reranker", "gpt-4o")
    search(page, "lamp")
    page.wait_for_selector("#found .hit")
    assert "The reranker cannot be loaded just now" in page.inner_text(".status.note")


def test_without_and_words_in_the_title_are_part_of_the_question(visit):
    page = visit()
    refine(page, without="zebra", title="brick")
    search(page, "toaster")
    page.wait_for_selector("#found .hit")
    answer = saved(page)
    assert (answer["query"]["without"], answer["query"]["title"]) == ("zebra", "brick")
    titles = [hit["title"] for hit in answer["hits"]]
    assert any("brick" in title for title in titles) and "zebra toaster" not in titles[:3]


def test_words_of_a_catalog_are_shown_and_never_run(visit):
    page = visit()
    search(page, "blue dots camera")
    page.wait_for_selector("#found .hit")
    titles = page.locator("#found .hit .title").all_inner_texts()
    assert any(title.startswith("<img src=x") and "${1+1}" in title for title in titles)
    assert page.title() != "hacked"


@pytest.mark.parametrize("width, height", [(390, 844), (1280, 900)])
def test_the_page_never_scrolls_sideways(visit, leopard, width, height):
    page = visit(width=width, height=height)
    upload(page, leopard)
    page.click("#refine .label-wrap")
    page.click("#advanced .label-wrap")
    search(page, "phone case with this image theme")
    page.wait_for_selector("#found .hit")
    page.click("#rerank")
    page.wait_for_selector(".winner")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


# Of each field the frames around it, its own included, and what height is left beside its letters.
FIELDS = """() => [...document.querySelectorAll('#ask textarea, #ask input:not([type=range], [type=file])')]
.map((field) => {
  const drawn = (part) => parseFloat(getComputedStyle(part).borderTopWidth) > 0 && part.offsetHeight > 0;
  const around = [];
  for (let part = field; !part.matches('.block, .form'); part = part.parentElement) around.push(part);
  const style = getComputedStyle(field);
  const room = field.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  return { name: field.ariaLabel || field.closest('[id]').id, frames: around.filter(drawn).length,
           room: room - 1.2 * parseFloat(style.fontSize) };
})"""


@pytest.mark.parametrize("width, height", [(390, 844), (1280, 900)])
def test_each_field_has_one_frame_and_room_for_its_letters(visit, width, height):
    page = visit(width=width, height=height)
    for part in ("refine", "advanced"):
        page.click(f"#{part} .label-wrap")
    page.get_by_label("Category", exact=True).click()
    page.get_by_role("option", name="toaster").click()
    page.keyboard.press("Escape")
    page.wait_for_timeout(500)
    fields = page.evaluate(FIELDS)
    assert len(fields) == 12
    assert [field for field in fields if field["frames"] != 1 or field["room"] < 0] == []


def test_a_chromium_that_does_not_start_is_passed_over(browser, first_that_starts, tmp_path):
    """Ubuntu's package may be a script that only says what to install."""
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\nexit 1\n")
    stub.chmod(0o755)
    second = first_that_starts(str(stub))
    assert second.version == browser.version
    second.close()
