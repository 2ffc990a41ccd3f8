"""The app as a running server: started on a port of this machine, stopped without a trace.

In: `Choices`. Out: a `Server` with its `url`, a context manager. No telemetry, no public link, nothing kept on disk:
uploads lie in a folder of the process, which goes with its last server.
"""

import socket
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from rag_lib.app.choices import Choices
from rag_lib.app.faults import Unavailable
from rag_lib.app.pipeline import Pipeline
from rag_lib.app.surroundings import LOOPBACK, surroundings
from rag_lib.app.uploads import MAX_BYTES
from rag_lib.errors import RagError, how_to_get

SESSIONS = 100  # of so many visitors the pictures are held in memory, some 6 MB each; the oldest are forgotten first
LEFT_AFTER = 60  # seconds after which an upload is deleted, at the next look, twice in that time


class Server:
    """A served app. `url`: where; `stop` ends it and gives local stores back, and is what leaving a `with` does.

    `root_path`: below which a web server in front shows it, such as "/search", or a whole address.
    """

    def __init__(self, choices: Choices, *, host: str = LOOPBACK, port: int = 0, root_path: str = ""):
        if find_spec("gradio") is None:
            raise RagError(f"The app needs gradio: {how_to_get('app')}")
        self.pipeline = Pipeline(choices)
        with ExitStack() as entered:
            entered.callback(self.pipeline.close)
            self._check_open()
            free = _free_port(host)  # asked for in any case: it tells a wrong host from a taken port
            uploads = entered.enter_context(surroundings(host))
            page, self.url = self._launch(uploads, host, port or free, root_path)
            entered.callback(page.close, verbose=False)
            self.page, self._running = page, entered.pop_all()

    def stop(self) -> None:
        """End the server; a second time does nothing."""
        self._running.close()

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

    def _launch(self, uploads: Path, host: str, port: int, root_path: str) -> tuple:
        from starlette.middleware import Middleware

        from rag_lib.app.guard import Gate
        from rag_lib.app.page import STYLE, build, theme

        page = build(self.pipeline, uploads, left_after=LEFT_AFTER)
        try:
            _, url, _ = page.launch(
                server_name=host,
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                inline=False,
                inbrowser=False,
                share=False,
                _frontend=False,  # else it has to answer once more within three seconds, and a busy machine is slower
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                run_history=False,
                footer_links=[],
                max_file_size=MAX_BYTES,
                state_session_capacity=SESSIONS,
                root_path=root_path if "://" in root_path else f"/{root_path.strip('/')}".rstrip("/"),
                app_kwargs={"middleware": [Middleware(Gate)]},
                theme=theme(),
                css=STYLE.read_text("utf-8"),
            )
        except OSError:
            raise RagError(f"The port {port} is taken or cannot be opened: choose another one.") from None
        return page, url


def start(port: int = 0, host: str = LOOPBACK, root_path: str = "", **parameters) -> Server:
    """Serve the app with a notebook's `parameters` (catalog, encoder, reranker, milvus_uri, ...) until `stop`.

    `port`: 0 takes a free one. `root_path`: see `Server`. Raises RagError for parameters that do not work, and for a
    port that is taken.
    """
    return Server(Choices.of(parameters), host=host, port=port, root_path=root_path)


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        try:
            trial.bind((host, 0))
        except OSError:
            raise RagError(f"'{host}' is no address of this machine: give {LOOPBACK}, or 0.0.0.0 for all.") from None
        return trial.getsockname()[1]
