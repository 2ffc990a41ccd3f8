"""A real Milvus server for tests: `python milvus_server.py FOLDER` runs one until its standard input is closed.

The server is the standalone 2.3.5 of the wheel `milvus==2.3.5`, on free ports, with its files in FOLDER. A line
"PORT TOKEN" is printed when it answers. Whatever becomes of the process that started this one, its end closes the
pipe, and the server is stopped: so none is left behind by an interrupted or killed test session.
"""

import os
import secrets
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from milvus import MilvusServer, MilvusServerConfig
from pymilvus import MilvusClient


def free_ports(n: int) -> list[int]:
    """All open at once, so that they differ."""
    with ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(n)]


def start(folder: Path) -> MilvusServer:
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
    server = start(Path(sys.argv[1]))
    try:
        password = secrets.token_hex(16)  # the server listens on all interfaces, and everyone knows the first one
        uri = f"http://127.0.0.1:{server.listen_port}"
        client = MilvusClient(uri, token="root:Milvus", timeout=30)
        client.update_password("root", "Milvus", password)
        client.close()
        print(server.listen_port, f"root:{password}", flush=True)
        sys.stdin.read()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
