"""What every notebook has alike: the badge "Open in Colab", the way to its neighbors, the cell that installs in Colab.

In: the numbered notebooks and the repository's address, the one setting, which stands in pyproject.toml. Out: the same
notebooks with these cells after the title and at the end. Done twice, it changes nothing.
"""

import copy
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from rag_lib.errors import RagError
from rag_lib.paths import replacing

BRANCH = "main"
COLAB = "https://colab.research.google.com"
GITHUB = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")  # the only host from which Colab opens notebooks
OURS = {"links", "colab", "neighbors"}  # ids of the cells that are made here
BY_HAND = re.compile(r"\n*^(Previous|Next): \[[^\n]*\Z", re.MULTILINE)  # the line that `neighbors` takes the place of
INSTALL = """\
# In Colab this installs the package and keeps Colab's own torch and numpy. Anywhere else it does nothing.
import sys
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

if "google.colab" in sys.modules and find_spec("rag_lib") is None:
    kept = {{"torch", "torchvision", "torchaudio", "numpy"}}
    versions = [f"{{each.name}}=={{each.version}}" for each in distributions() if each.name in kept]
    Path("constraints.txt").write_text("\\n".join(versions))
    %pip install --quiet --constraint constraints.txt 'rag_lib[app] @ git+{repository}'"""


def repository_address(pyproject: Path) -> str:
    """`Repository` of pyproject.toml's project.urls. Raises RagError if it is missing or not on GitHub."""
    try:
        address = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["urls"]["Repository"].rstrip("/")
    except (OSError, KeyError, AttributeError, tomllib.TOMLDecodeError):
        raise RagError("pyproject.toml sets no Repository under [project.urls]: write the address there.") from None
    if not GITHUB.fullmatch(address):
        raise RagError(f"The Repository {address!r} of pyproject.toml is no https://github.com/owner/name.")
    return address


def write_links(notebooks: Sequence[Path], repository: str) -> list[Path]:
    """Put the cells into the notebooks of the lesson, in order; returns those that had to be changed."""
    read = [(path, nbformat.read(path, as_version=4)) for path in notebooks]
    titles = {path.name: _title(path, nb) for path, nb in read}
    changed = []
    for path, nb in read:
        linked = with_links(nb, path.name, titles, repository)
        if linked != nb:
            with replacing(path) as beside:
                nbformat.write(linked, beside)
            changed.append(path)
    return changed


def with_links(nb: nbformat.NotebookNode, name: str, titles: dict[str, str], repository: str) -> nbformat.NotebookNode:
    """A copy with its cells made anew. `name`: its file's; `titles`: of all notebooks by file name, in order.

    In a notebook that was executed, the numbers of the cells go on from the new one, which did nothing.
    """
    nb = copy.deepcopy(nb)
    cells = [cell for cell in nb.cells if cell.get("id") not in OURS]
    cells[-1].source = BY_HAND.sub("", cells[-1].source)
    names = list(titles)
    place = names.index(name)
    near = [("Previous", other) for other in names[max(0, place - 1) : place]]
    near += [("Next", other) for other in names[place + 1 : place + 2]]
    line = " · ".join(
        f"{word}: [{titles[other]}]({other}) ([in Colab]({_in_colab(repository, other)}))" for word, other in near
    )
    badge = f"[![Open in Colab]({COLAB}/assets/colab-badge.svg)]({_in_colab(repository, name)})"
    install = new_code_cell(INSTALL.format(repository=repository), metadata={"jupyter": {"source_hidden": True}})
    first, last = new_markdown_cell(f"{badge}\n\n{line}".strip()), new_markdown_cell(line)
    for cell, its_id in ((first, "links"), (install, "colab"), (last, "neighbors")):
        cell["id"] = its_id
    nb.cells = [cells[0], first, install, *cells[1:], *([last] if line else [])]
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    if all(cell.execution_count for cell in code if cell is not install):
        for number, cell in enumerate(code, start=1):
            cell.execution_count = number
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = number
    return nb


def _in_colab(repository: str, name: str) -> str:
    return f"{COLAB}/github/{repository.removeprefix('https://github.com/')}/blob/{BRANCH}/notebooks/{name}"


def _title(path: Path, nb: nbformat.NotebookNode) -> str:
    first = nb.cells[0].source.splitlines()[0] if nb.cells else ""
    if not first.startswith("# "):
        raise RagError(f"{path.name} does not open with its title: its first cell begins with '# '.")
    return first.removeprefix("# ").strip()
