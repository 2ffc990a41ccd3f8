"""A real Milvus server for tests: `python milvus_server.py FOLDER` runs one until its standard input is closed.

The server is the standalone 2.3.5 of the wheel `milvus==2.3.5`, on free ports, with its files in FOLDER. A line
"PORT TOKEN" is printed when it answers. Whatever becomes of the process that started this one, its end closes the
pipe, and the server is stopped: so none is left behind by an interrupted or killed test session. `running` does that.
"""

import os
import secrets
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

START_S = 180  # a server that takes longer to start does not start


@contextmanager
def running(folder: Path) -> Iterator[tuple[str, str, subprocess.Popen]]:
    """(uri, token, the process that keeps it) of a server with its files in `folder`, which may have been killed."""
    keeper = subprocess.Popen(
        [sys.executable, __file__, str(folder)],
        stdin=subprocess.PIPE,  # its end, also by a crash, stops the server
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,  # Ctrl-C reaches pytest alone
    )
    try:
        started, _, _ = select.select([keeper.stdout], [], [], START_S)
        line = keeper.stdout.readline() if started else ""
        if not line:
            raise RuntimeError(f"The Milvus server did not start within {START_S} s; its logs are in {folder}/logs.")
        port, token = line.split()
        yield f"http://127.0.0.1:{port}", token, keeper
    finally:
        keeper.stdin.close()
        keeper.wait(30)


def free_ports(n: int) -> list[int]:
    """All open at once, so that they differ."""
    with ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(n)]


def start(folder: Path):
    from milvus import MilvusServer, MilvusServerConfig

    config = MilvusServerConfig(data_dir=str(folder), authorization_enabled=True)
    names = [name for name in config.configurable_items if name.endswith("_port")]
    web, peer, *ports = free_ports(2 + len(names))
    config.update(**dict(zip(names, ports, strict=True)))
    config.set("authorization_enabled", True)
    # Its etcd listens on 2379 and 2380 whatever the settings say, unless it has a file of its own.
    client = f"http://127.0.0.1:{config.configs['etcd_port']}"
    etcd = folder / "etcd.yaml"
    etcd.write_text(
        f"listen-client-urls: {client}\nadvertise-client-urls: {client}\nlisten-peer-urls: http://127.0.0.1:{peer}\n"
        f"initial-advertise-peer-urls: http://127.0.0.1:{peer}\ninitial-cluster: default=http://127.0.0.1:{peer}\n"
    )
    os.environ["ETCD_CONFIG_PATH"] = str(etcd)
    server = MilvusServer(config)
    server.webservice_port = web
    server.start()
    return server


def main() -> None:
    from pymilvus import MilvusClient

    folder = Path(sys.argv[1])
    server, kept = start(folder), folder / "password"
    try:
        if not kept.exists():
            password = secrets.token_hex(16)  # the server listens on all interfaces, and everyone knows the first one
            client = MilvusClient(f"http://127.0.0.1:{server.listen_port}", token="root:Milvus", timeout=30)
            client.update_password("root", "Milvus", password)
            client.close()
            kept.write_text(password)
        print(server.listen_port, f"root:{kept.read_text()}", flush=True)
        sys.stdin.read()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
