"""One Milvus for a room: `python -m rag_lib.collection.room --host ADDRESS --seats 40`, or `make room`.

In: the address at which the room's laptops reach this machine, or a Milvus that runs already. Out: a database for each
seat, and the addresses of these, which are the one parameter (`milvus_uri`) that a participant sets. A collection lies
in its database: the same notebook, run at forty seats, writes forty collections of one name.
"""

import argparse
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from rag_lib import paths
from rag_lib.collection.calls import CONNECT_S, attempt, connect, shown
from rag_lib.errors import RagError

LOOPBACK = "127.0.0.1"
MAX_SEATS = 500
CALLS = 16  # that are answered at a time
MESSAGE = 256 * 1024 * 1024  # bytes, as Milvus's own
SEATLESS = "this room gives each seat a database of its own: end your milvus_uri with your seat, as in {uri}"
OPEN = (
    "Whoever can reach this address can read and delete everything in it: Milvus Lite knows no passwords, and nothing "
    "is encrypted. Keep it within the room's network, and only for the lesson's data."
)


def seats(uri: str, number: int, *, token: str = "") -> list[str]:
    """Make the databases seat01, seat02, ... in the Milvus at `uri` where they are missing -> their addresses.

    `number`: 1 to 500. `token`: for a server with passwords. RagError if it cannot be reached, or is too old.
    """
    if not 1 <= number <= MAX_SEATS:
        raise RagError(f"There are {number} seats: a room has 1 to {MAX_SEATS}.")
    place = shown(uri)
    uri = uri.rstrip("/")
    if place.removeprefix("http").count("/") > 2:
        raise RagError(f"{place} names a database: give the server's address alone, each seat gets its own database.")
    with closing(connect(uri, token, CONNECT_S, place, {})) as client:
        there = set(attempt(client.list_databases))
        names = [f"seat{seat:02}" for seat in range(1, number + 1)]
        for name in names:
            if name not in there:
                attempt(client.create_database, name)
    return [f"{place}/{name}" for name in names]


@contextmanager
def serve(folder: str | Path, *, host: str = LOOPBACK, port: int = 0) -> Iterator[str]:
    """A Milvus Lite server on the data in `folder` -> its address, "http://host:port", until the end of the block.

    `port`: 0 takes a free one. Every call has to name a database: without one, all would write into the same. RagError
    if the folder or the address cannot be taken.
    """
    import grpc
    from milvus_lite import MilvusLite
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from milvus_lite.exceptions import DatabaseNotFoundError, DataDirLockedError
    from pymilvus.grpc_gen import milvus_pb2_grpc

    class Seats(MilvusServicer):
        def _database_name(self, request, context=None):
            if (name := super()._database_name(request, context)) == "default":
                raise DatabaseNotFoundError(SEATLESS.format(uri=f"{address}/seat01"))
            return name

    try:  # gRPC's own complaint goes to stderr and names no reason
        socket.create_server((host, port)).close()
    except OSError as exc:
        raise RagError(
            f"{host}:{port} cannot be taken ({str(exc.strerror).split(' (')[0]}): ADDRESS=… names an address of this "
            "machine, PORT=… a port that is free."
        ) from None
    folder = paths.resolve(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        data = MilvusLite(str(folder))
    except DataDirLockedError:
        raise RagError(f"{folder.name} is in use by another process: is a room open already?") from None
    except OSError as exc:
        raise RagError(f"{folder.name} cannot be opened ({exc.strerror}): name another with --data.") from None
    options = {
        "grpc.max_receive_message_length": MESSAGE,
        "grpc.max_send_message_length": MESSAGE,
        "grpc.so_reuseport": 0,  # else a second server would take half of the first one's calls
        # pymilvus pings every ten seconds; by default that is an attack, and ends the connection
        "grpc.http2.min_ping_interval_without_data_ms": 1_000,
        "grpc.keepalive_permit_without_calls": 1,
    }
    server = grpc.server(ThreadPoolExecutor(CALLS), options=list(options.items()))
    bound = server.add_insecure_port(f"{host}:{port}")
    address = f"http://{host}:{bound}"
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Seats(data), server)
    server.start()
    try:
        yield address
    finally:
        server.stop(grace=2).wait()
        data.close()


def own_address() -> str | None:
    """The address of this machine in its network, None without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is nobody's (RFC 5737)
            return probe.getsockname()[0]
        except OSError:
            return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 with the reason on stderr. A server of ours runs until Ctrl+C."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background process is born deaf to the first
        signal.signal(number, signal.default_int_handler)
    try:
        if options.milvus:
            _show(seats(options.milvus, options.seats, token=os.environ.get("MILVUS_TOKEN", "")))
            return 0
        with serve(options.data, host=options.host, port=options.port) as uri:
            _show(seats(uri, options.seats))
            if options.host == LOOPBACK:
                near = own_address()
                print(f"Only this machine reaches it. For a room: make room ADDRESS={near or 'its own address'}")
            else:
                print(OPEN)
            print("Ctrl+C ends it; what was written stays.", flush=True)
            while True:
                time.sleep(1)
    except KeyboardInterrupt:
        return 0
    except RagError as exc:
        print(f"\n{exc}", file=sys.stderr)
        return 1
    return 0


def _show(addresses: Sequence[str]) -> None:
    print(f"A database for each of {len(addresses)} seats. At seat 1 the notebooks' parameters say:\n")
    print(f'    milvus_uri: str = "{addresses[0]}"\n')
    print(f"and so on to {addresses[-1]}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m rag_lib.collection.room", description="One Milvus for a room, a database for each seat."
    )
    parser.add_argument("--seats", type=int, default=40, help="default: 40")
    parser.add_argument("--host", default=LOOPBACK, help=f"this machine's address in the room (default: {LOOPBACK})")
    parser.add_argument("--port", type=int, default=19530, help="default: 19530; 0 takes a free one")
    parser.add_argument("--data", default="data/room.db", help="where the rows are kept (default: data/room.db)")
    parser.add_argument("--milvus", metavar="URI", help="a Milvus that runs already: only the seats are made there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
