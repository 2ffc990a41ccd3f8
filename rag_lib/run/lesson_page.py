"""An executed notebook as a page to read: one file, which needs no Jupyter and no network.

In: a notebook's file. Out: <its name>.html beside it, of the template lesson/: with Colab's cell folded, pictures that
say what they show, and links to the pages of its neighbors. `split_page` takes such a page apart, so that several can
stand in one.
"""

import re
from pathlib import Path

import nbformat

from rag_lib.paths import replacing
from rag_lib.run.execution import clean

BADGE = re.compile(r"!\[(Open in Colab)\]\([^)]*\)")  # a picture from elsewhere
NEIGHBOR = re.compile(r"\]\((\d\d_\w+)\.ipynb\)")
STYLE = re.compile(r"<style.*?</style>", re.DOTALL)
ICON = re.compile(r"url\([\"']?data:image/svg\+xml[^)]*\)")  # of Jupyter's buttons, which a page has not
PLACE = re.compile(r'(<[^>]*?\b(?:id="|href="#))([^"]*")')


def write_lesson_page(notebook: Path) -> Path:
    """Write `notebook`'s page, whole or not at all; returns its path."""
    from nbconvert import HTMLExporter

    nb = clean(nbformat.read(notebook, as_version=4))
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = NEIGHBOR.sub(r"](\1.html)", BADGE.sub(r"\1", cell.source))
    exporter = HTMLExporter(
        template_name="lesson", extra_template_basedirs=[str(Path(__file__).parent)], sanitize_html=False
    )
    page, _ = exporter.from_notebook_node(nb, resources={"metadata": {"name": notebook.stem}})
    path = notebook.with_suffix(".html")
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")
    return path


def split_page(path: Path, names: list[str]) -> tuple[str, str]:
    """(styles, body) of a page that `write_lesson_page` wrote, for a larger page that holds those of `names`.

    Its places get its name before theirs, and links to the pages of `names` lead to where they stand.
    """
    head, _, rest = path.read_text(encoding="utf-8").partition("<main>")
    body = PLACE.sub(rf"\g<1>{path.stem}-\2", rest.rpartition("</main>")[0])
    for name in names:
        body = body.replace(f'href="{name}.html"', f'href="#{name}"')
    return ICON.sub("none", "\n".join(STYLE.findall(head))), body
