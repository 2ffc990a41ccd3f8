"""A server inside of this process, as a notebook starts it: what it sets, keeps and leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from rag_lib.app import server as served
from rag_lib.app.surroundings import surroundings
from rag_lib.errors import RagError

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "NO_PROXY", "no_proxy")


@pytest.fixture
def leopard(home):
    return home / "pictures" / "query" / "leopard.jpg"


def settings():
    return {name: os.environ.get(name) for name in NAMES}


def test_uploads_are_deleted_and_stopping_leaves_nothing(serve, leopard, monkeypatch):
    monkeypatch.setattr(served, "LEFT_AFTER", 2)
    before = settings()
    server = serve()
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "shop.example,127.0.0.1,localhost"
    client = Client(server.url, verbose=False, analytics_enabled=False)
    assert client.predict(image=handle_file(str(leopard)), text="lamp", limit=1, api_name="/ask")["hits"]
    alone = httpx.post(f"{server.url}gradio_api/upload", files={"files": ("alone.png", b"never asked about")})
    assert Path(alone.json()[0]).is_file()  # as the page uploads
    end = time.monotonic() + 60
    while files := [path for path in folder.rglob("*") if path.is_file()]:
        assert time.monotonic() < end, f"kept: {files}"
        time.sleep(0.2)
    client.close()
    server.stop()
    assert not folder.parent.exists() and settings() == before
    server.stop()


def ask_with(server, picture):
    client = Client(server.url, verbose=False, analytics_enabled=False)
    try:
        return client.predict(image=handle_file(str(picture)), text="lamp", limit=1, api_name="/ask")["hits"]
    finally:
        client.close()


@pytest.mark.parametrize("first_to_stop", [0, 1])
def test_two_servers_in_one_process_do_not_disturb_each_other(serve, visitor, leopard, first_to_stop):
    """As when a notebook's cell is run twice."""
    before = settings()
    servers = [serve(), serve()]
    guest = visitor(servers[0].url)
    assert guest.upload(leopard)["preview"].startswith("data:image/jpeg")
    assert all(ask_with(server, leopard) for server in servers)
    servers.pop(first_to_stop).stop()
    assert ask_with(servers[0], leopard)
    folder = Path(os.environ["GRADIO_TEMP_DIR"]).parent
    servers[0].stop()
    assert not folder.exists() and settings() == before


WITHIN = """
import sys, time
from rag_lib.app.surroundings import surroundings
with surroundings("127.0.0.1") as uploads:
    (uploads / "face.jpg").write_bytes(b"a visitor's")
    print(uploads.parent, flush=True)
    time.sleep(600)
"""


def test_what_a_killed_server_left_is_cleared_at_the_next_start(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", WITHIN], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    killed, alive = (Path(process.stdout.readline().strip()) for process in processes)
    others = tmp_path / "rag-app-of-another-program"
    others.mkdir()
    (tmp_path / "rag-app-link").symlink_to(alive)
    processes[0].kill()
    processes[0].wait(60)
    try:
        assert (killed / "uploads" / "face.jpg").is_file()
        with surroundings("127.0.0.1"):
            assert not killed.exists()
            assert (alive / "uploads" / "face.jpg").is_file() and others.is_dir()
    finally:
        processes[1].kill()
        processes[1].wait(60)


@pytest.mark.parametrize("name, after", [("SIGINT", 0), ("SIGINT", 1.5), ("SIGTERM", 4)])
def test_a_signal_while_it_loads_ends_it_at_once(tmp_path, name, after):
    """It imports, draws and embeds by then; in a fresh home that takes minutes."""
    command = [sys.executable, "-m", "rag_lib.app", "--port", "0"]
    environment = {**os.environ, "RAG_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path), "TQDM_DISABLE": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("Loading")
            time.sleep(after)
            begun = time.monotonic()
            process.send_signal(getattr(signal, name))
            assert process.wait(60) == 0
            assert time.monotonic() - begun < 10  # a busy machine's import of one large library
        finally:
            process.kill()
    assert not list(tmp_path.glob("rag-app-*"))


def test_a_machine_that_is_too_busy_to_answer_itself_at_once_serves_too(serve, monkeypatch):
    monkeypatch.setattr("gradio.networking.url_ok", lambda url: False)  # it waits for three seconds
    assert httpx.get(serve().url, timeout=60).is_success


def test_stopping_leaves_what_others_have_set_since(serve, monkeypatch):
    server = serve()
    monkeypatch.setenv("NO_PROXY", "another.example")
    server.stop()
    assert os.environ["NO_PROXY"] == "another.example" and "no_proxy" not in os.environ


def test_the_page_opens_with_a_picture_of_ones_own(serve, home, leopard):
    config = httpx.get(f"{serve(query_image=str(leopard)).url}config").json()
    values = [part["props"].get("value") for part in config["components"]]
    shown = [value for value in values if isinstance(value, dict) and "preview" in value]
    assert shown[0]["preview"].startswith("data:image/jpeg") and "example" not in shown[0]
    assert str(home) not in str(shown)


def test_what_does_not_work_is_told_to_the_owner_in_full(serve):
    before = settings()
    with pytest.raises(RagError, match="no query picture 'leopart'.*Did you mean 'leopard'"):
        serve(query_image="leopart")
    with pytest.raises(RagError, match="There is no catalog 'nowhere'"):
        serve(catalog="nowhere")
    with pytest.raises(RagError, match="ends in .db"):
        serve(milvus_uri="data/own")
    assert settings() == before


def test_a_port_that_is_taken_is_named(serve):
    port = int(serve().url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(RagError, match=f"port {port} is taken"):
        serve(port=port)


@pytest.mark.parametrize("port", [0, 7861])
def test_a_host_that_is_not_this_machine_is_named(serve, port):
    with pytest.raises(RagError, match="'192.0.2.1' is no address of this machine"):
        serve(host="192.0.2.1", port=port)
