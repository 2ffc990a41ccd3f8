"""One notebook's execution by papermill in this interpreter, and the cleaning of what is committed.

In: a notebook, where its executed copy goes, parameters. Out: the copy, whole or not at all, and the seconds.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from rag_lib.errors import RagError
from rag_lib.paths import replacing
from rag_lib.run.progress import heading

ANSI = re.compile(r"\x1b\[[0-9;]*m")
CONNECTION = "kernel-rag_lib-{pid}.json"
WIDGET = "application/vnd.jupyter.widget-view+json"
# What helps where a notebook itself gives no sentence: a mark in the reason -> the remedy
REMEDIES = {
    "ModuleNotFoundError": "A package is missing here: `make setup` (or `python -m pip install -e .`) installs it.",
    "No space left on device": "The disk is full: make room, or move data/ and runs/ by RAG_HOME.",
    "MemoryError": "Memory ran out: close other programs, or choose a smaller encoder.",
    "AssertionError": "The notebook checks there that what it says holds: with its own defaults it does.",
}
START_S = 180  # on a busy machine papermill's own 60 are too few for a kernel; one that dies is told of at once
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


class ThisInterpreter(AsyncKernelManager):
    """Starts kernels with the running interpreter, whatever kernels are or are not registered on the machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**get_kernel_dict())

    async def start_kernel(self, **options: Any) -> None:
        """As the parent's, but the kernel's own log (on the terminal, beside the progress lines) stays away.

        The file of its ports and key has a name of ours, so that what a killed run left is known and removed.
        """
        try:
            folder = Path(jupyter_runtime_dir())
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(CONNECTION.format(pid="*")):
                if not psutil.pid_exists(int(left.stem.rpartition("-")[2])):
                    left.unlink(missing_ok=True)
            self.connection_file = str(folder / CONNECTION.format(pid=os.getpid()))
            await super().start_kernel(**{"stderr": subprocess.DEVNULL, **options})
        except OSError as exc:
            raise RuntimeError(f"{exc.strerror} in Jupyter's folder, {jupyter_runtime_dir()}") from exc


class NotebookFailed(RagError):
    """A notebook stopped: its message says where and why. `kept`: what ran until then, if any of it did."""

    def __init__(self, message: str, kept: Path | None = None):
        super().__init__(message)
        self.kept = kept


def execute(
    notebook: Path,
    target: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    cwd: Path,
    hooks: Mapping[str, Callable] | None = None,
) -> float:
    """Run `notebook` in the folder `cwd` and write the executed copy to `target`. Returns seconds.

    `hooks`: what nbclient calls on the way, such as `on_cell_execute`. `target` appears whole, by renaming. Raises
    NotebookFailed at the first failing cell; what was executed until then is kept beside the target as
    <name>.failed.ipynb.
    """
    failed = target.with_name(f"{target.stem}.failed.ipynb")
    started = time.perf_counter()
    with replacing(target) as partial:
        try:
            papermill.execute_notebook(
                _literal(notebook),
                _literal(partial),
                parameters=dict(parameters or {}),
                kernel_name=KERNELSPEC["name"],
                language="python",
                progress_bar=False,
                cwd=str(cwd),
                kernel_manager_class=ThisInterpreter,
                start_timeout=START_S,
                **(hooks or {}),
            )
        except PapermillExecutionError as exc:
            os.replace(partial, failed)
            above = heading(nbformat.read(failed, as_version=4).cells, exc.cell_index)
            raise NotebookFailed(describe(notebook, exc, above=above), failed) from exc
        except DeadKernelError as exc:
            os.replace(partial, failed)
            raise NotebookFailed(
                f"{notebook.stem} lost its kernel, most often for want of memory: close other programs and run it "
                "again.",
                failed,
            ) from exc
        except RuntimeError as exc:  # how nbclient says that the kernel did not come up
            raise NotebookFailed(
                f"{notebook.stem} could not start its kernel ({exc}): try `python -m ipykernel_launcher`, which says "
                "why."
            ) from exc
    failed.unlink(missing_ok=True)
    return time.perf_counter() - started


def _literal(path: Path) -> str:
    """The path as papermill reads it: braces, in which it looks for parameters, are doubled."""
    return str(path.resolve()).replace("{", "{{").replace("}", "}}")


def describe(notebook: Path, error: PapermillExecutionError, *, above: str = "") -> str:
    """Where and why a notebook stopped, and what helps; for a RagError, whose traceback is one line, its sentence.

    `above`: the heading under which the cell stands.
    """
    place = f"cell [{error.exec_count}]" if error.exec_count else f"cell number {error.cell_index + 1}"
    place += f", {above!r}" if above else ""
    reason = f"{error.ename}: {ANSI.sub('', error.evalue or '').strip()}".rstrip(": ")
    lines = error.source.strip().splitlines()
    if len(error.traceback) == 1 and ANSI.sub("", error.traceback[0]) == reason:
        return f"{notebook.stem} stopped at {place}.\n{reason.removeprefix(f'{error.ename}: ')}"
    shown = "\n".join(f"    {line}" for line in lines[:6]) + ("\n    ..." if len(lines) > 6 else "")
    remedy = next((remedy for mark, remedy in REMEDIES.items() if mark in reason), "")
    return f"{notebook.stem} stopped at {place}:\n{shown}\n{reason}" + (f"\n{remedy}" if remedy else "")


def refresh(notebook: Path, *, workspace: Path, cwd: Path, hooks: Mapping[str, Callable] | None = None) -> float:
    """Execute a committed notebook with its own default parameters and put the cleaned result in its place.

    A failure leaves the notebook as it was. `workspace`: a folder for the copy on the way. Returns seconds.
    """
    copy = workspace / notebook.name
    seconds = execute(notebook, copy, cwd=cwd, hooks=hooks)
    with replacing(notebook) as beside:
        nbformat.write(clean(nbformat.read(copy, as_version=4)), beside)
    copy.unlink()
    return seconds


def clean(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop, in place, what differs from run to run or from machine to machine: times, versions, widget state.

    Outputs stay, without progress bars: a bar shows how long this machine took, and comes and goes with caches.
    """
    nb.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    for cell in nb.cells:
        kept = {key: cell.metadata[key] for key in ("tags", "jupyter") if cell.metadata.get(key)}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    return nb
