"""A room on one Milvus: forty seats at once, none of which reads, changes or deletes what is another's."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from pymilvus import MilvusClient

from rag_lib.collection import Collection
from rag_lib.collection.room import main, own_address, seats, serve
from rag_lib.errors import RagError

ROOT = Path(__file__).resolve().parents[2]
SEATS = 40


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("room") / "room.db") as uri:
        yield uri


def collections(address):
    with closing(MilvusClient(address, dedicated=True)) as client:
        return client.list_collections()


def lesson(address, samples, start, together):
    """What a participant does: the raw collection of notebook 03, made anew, and the library's, under one name each.

    Everybody begins together. Returns the ids read back from both, and the rows of the nearest search.
    """
    items = samples.items(start + 6)[start:]
    vectors = samples.vectors(start + 6)[start:]
    with closing(MilvusClient(address, dedicated=True)) as client, Collection(address, "shop", dim=samples.DIM) as shop:
        together.wait()
        for _ in range(2):
            if client.has_collection("raw_lesson_03"):
                client.drop_collection("raw_lesson_03")
            client.create_collection(
                "raw_lesson_03", dimension=samples.DIM, id_type="string", max_length=64, consistency_level="Strong"
            )
            rows = [{"id": item.image_id, "vector": vector} for item, vector in zip(items, vectors, strict=True)]
            client.upsert("raw_lesson_03", rows)
            shop.upsert(items, vectors, progress=False)
            shop.delete([items[0].image_id])
        raw = {row["id"] for row in client.query("raw_lesson_03", filter="", limit=100)}
        found = {hit.item.image_id for hit in shop.search(vectors[1], limit=100)}
        return raw, shop.ids(), found


def test_forty_at_once_never_touch_each_others_rows(room, samples):
    """All have the same collections' names, half of the rows of the next seat, and delete one that this one keeps."""
    addresses = seats(room, SEATS)
    together = threading.Barrier(SEATS, timeout=120)
    with ThreadPoolExecutor(SEATS) as pool:
        asked = [pool.submit(lesson, a, samples, 3 * seat, together) for seat, a in enumerate(addresses)]
        answers = [each.result() for each in asked]
    for seat, (raw, kept, found) in enumerate(answers):
        own = [item.image_id for item in samples.items(3 * seat + 6)[3 * seat :]]
        assert raw == set(own) and kept == found == set(own[1:]), seat


def test_the_seats_are_found_again_and_keep_their_rows(tmp_path, samples):
    for _ in range(2):
        with serve(tmp_path / "room.db") as uri:
            first, second = seats(uri, 2)
            assert (first, second) == (f"{uri}/seat01", f"{uri}/seat02")
            with Collection(first, "shop", dim=samples.DIM) as shop:
                shop.upsert(samples.items(3), samples.vectors(3), progress=False)
                assert shop.count() == 3
            assert collections(second) == []


def test_who_forgets_the_seat_or_mistypes_it_writes_nowhere(room, samples):
    seats(room, 2)
    with pytest.raises(RagError, match=rf"end your milvus_uri with your seat, as in {room}/seat01"):
        Collection(room, "shop", dim=samples.DIM)
    with pytest.raises(RagError, match="seat99"):
        Collection(f"{room}/seat99", "shop", dim=samples.DIM)
    with closing(MilvusClient(room, dedicated=True)) as client, pytest.raises(Exception, match="end your milvus_uri"):
        client.create_collection("raw_lesson_03", dimension=4)


def test_a_milvus_that_runs_already_gets_the_seats_and_stays_itself(server, samples, monkeypatch):
    uri, token = server
    monkeypatch.setenv("MILVUS_TOKEN", token)
    assert main(["--milvus", uri, "--seats", "2"]) == 0
    first, second = seats(uri, 2, token=token)
    try:
        with Collection(first, "shop", dim=samples.DIM) as one, Collection(second, "shop", dim=samples.DIM) as two:
            one.upsert(samples.items(3), samples.vectors(3), progress=False)
            assert (one.count(), two.count()) == (3, 0)
            one.drop()
            two.drop()
    finally:
        with closing(MilvusClient(uri, token=token, dedicated=True)) as client:
            client.drop_database("seat01")
            client.drop_database("seat02")


@pytest.mark.parametrize("number", [0, 501])
def test_a_number_that_no_room_has_is_refused(number):
    with pytest.raises(RagError, match=f"There are {number} seats: a room has 1 to 500"):
        seats("http://127.0.0.1:1", number)


def test_a_database_in_the_servers_address_is_refused():
    with pytest.raises(RagError, match="names a database"):
        seats("http://127.0.0.1:1/shop", 2)


def test_what_cannot_be_served_is_a_sentence(room, tmp_path, capsys):
    host, port = room.removeprefix("http://").split(":")
    assert main(["--host", host, "--port", port, "--data", str(tmp_path / "a.db")]) == 1
    assert f"{host}:{port} cannot be taken" in capsys.readouterr().err
    with serve(tmp_path / "a.db"):
        assert main(["--port", "0", "--data", str(tmp_path / "a.db")]) == 1
    assert "a.db is in use by another process" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Not tested here: ending a process by a signal, on Windows")
def test_the_command_says_the_address_and_ends_cleanly(tmp_path, samples):
    command = [sys.executable, "-m", "rag_lib.collection.room", "--seats", "3", "--port", "0", "--data", "room.db"]
    environment = os.environ | {"RAG_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        said = ""
        while "Ctrl+C" not in said:
            line = run.stdout.readline()
            assert line, run.stderr.read()
            said += line
        first = re.search(r'milvus_uri: str = "(.*)"', said)[1]
        with Collection(first, "shop", dim=samples.DIM) as shop:
            assert shop.upsert(samples.items(2), samples.vectors(2), progress=False) == 2
        assert "Only this machine reaches it" in said and re.search(r"and so on to .*/seat03\n", said)
        run.send_signal(signal.SIGINT)
        try:
            assert (run.wait(15), run.stderr.read()) == (0, "")
        finally:
            run.kill()  # leaving the block waits for it, without an end


def test_a_participant_who_only_thinks_stays_connected(room):
    """pymilvus pings every ten seconds; a server that takes pings for an attack hangs up at the third."""
    states = []
    often = {"grpc.keepalive_time_ms": 1200, "grpc.keepalive_permit_without_calls": 1}
    options = [*often.items(), ("grpc.http2.max_pings_without_data", 0)]
    with grpc.insecure_channel(room.removeprefix("http://"), options=options) as channel:
        channel.subscribe(states.append, try_to_connect=True)
        time.sleep(6)
    assert [state.name for state in states if state.name != "CONNECTING"] == ["IDLE", "READY"]  # it may be too quick


def test_this_machines_address_is_an_address_or_nothing():
    assert own_address() is None or re.fullmatch(r"\d+(\.\d+){3}", own_address())
