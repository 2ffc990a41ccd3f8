"""The app as a running server: started on a port of this machine, stopped without a trace.

In: `Choices`. Out: a `Server` with its `url`, a context manager. No telemetry, no public link, nothing kept on disk:
uploads lie in a folder of their own, which goes with the server.
"""

import os
import socket
import tempfile
from pathlib import Path

from rag_lib.app.choices import Choices
from rag_lib.app.pipeline import Pipeline
from rag_lib.app.shared import Unavailable
from rag_lib.app.uploads import MAX_BYTES
from rag_lib.errors import RagError

LOOPBACK = "127.0.0.1"
SESSIONS = 200  # of so many visitors the pictures are held in memory; the oldest are forgotten first
LEFT_AFTER = 60  # seconds after which an upload is deleted, at the next look, twice in that time


class Server:
    """A served app. `url`: where; `stop` ends it and gives local stores back, and is what leaving a `with` does."""

    def __init__(self, choices: Choices, *, host: str = LOOPBACK, port: int = 0):
        self._folder = tempfile.TemporaryDirectory(prefix="rag-app-")
        self._set = {"GRADIO_TEMP_DIR": self._folder.name, "GRADIO_ANALYTICS_ENABLED": "False"} | _unproxied(host)
        self._before = {name: os.environ.get(name) for name in self._set}
        os.environ |= self._set
        self.pipeline, self._page = Pipeline(choices), None
        try:
            self._check_open()
            free = _free_port(host)  # asked for in any case: it tells a wrong host from a taken port
            self.url = self._launch(host, port or free)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server; a second time does nothing."""
        if self._page is not None:
            self._page.close(verbose=False)
            self._page = None
        self.pipeline.close()
        self._folder.cleanup()
        for name, value in self._before.items():
            if os.environ.get(name) == self._set[name]:  # else somebody has set it since
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        self._before = {}

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *exc_info) -> None:
        self.stop()

    def _check_open(self) -> None:
        """What the page opens with works, and its index is whole, before anybody is let in."""
        try:
            self.pipeline.reranker()
            with self.pipeline.collection({}).use():
                pass
        except Unavailable as exc:
            raise exc.__cause__ from None

    def _launch(self, host: str, port: int) -> str:
        from rag_lib.app.page import STYLE, build, theme

        page = build(self.pipeline, Path(self._folder.name), left_after=LEFT_AFTER)
        css = STYLE.read_text("utf-8")
        try:
            _, url, _ = page.launch(
                server_name=host,
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                inline=False,
                inbrowser=False,
                share=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                run_history=False,
                footer_links=[],
                max_file_size=MAX_BYTES,
                state_session_capacity=SESSIONS,
                theme=theme(),
                css=css,
            )
        except OSError:
            raise RagError(f"The port {port} is taken or cannot be opened: choose another one.") from None
        self._page = page
        return url


def start(port: int = 0, host: str = LOOPBACK, **parameters) -> Server:
    """Serve the app with a notebook's `parameters` (catalog, encoder, reranker, milvus_uri, ...) until `stop`.

    `port`: 0 takes a free one. Raises RagError for parameters that do not work, and for a port that is taken.
    """
    return Server(Choices.of(parameters), host=host, port=port)


def _unproxied(host: str) -> dict[str, str]:
    """Between this machine and itself stands no proxy: gradio asks its own address whether it is up."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    names = dict.fromkeys([*filter(None, known.split(",")), LOOPBACK, "localhost", host])
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(names))


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        try:
            trial.bind((host, 0))
        except OSError:
            raise RagError(f"'{host}' is no address of this machine: give {LOOPBACK}, or 0.0.0.0 for all.") from None
        return trial.getsockname()[1]
