"""Work in a process that can be killed: at a time, at an event, or in the moment before its n-th change of a file.

The processes are forked from one that has imported everything, so that a kill costs what the work costs.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
from typing import Any

CHANGES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "shutil.rmtree")
WAIT_S = 300

context = multiprocessing.get_context("forkserver")
# What the work would import by itself, once in each process: more than it takes.
PRELOADED = ["reliability_work", "torch._dynamo", "cv2", "numpy.f2py"]
PRELOADED += ["milvus_lite.server_manager", "milvus_lite.adapter.grpc.server", "milvus_lite.analyzer.standard"]
context.set_forkserver_preload(PRELOADED)


class Failed(AssertionError):
    """The work ended in an exception that is not one of ours: its traceback."""


class Refused(Exception):
    """The work ended in a RagError: its sentence."""


def finish(work, *arguments, wait: float = WAIT_S) -> tuple[Any, int, float]:
    """Let it work to its end: what it returned, how often it changed a file, and how many seconds it took.

    `wait`: seconds after which it is said to hang.
    """
    process, pipe = _start(work, arguments, None)
    start = time.monotonic()
    try:
        if not pipe.poll(wait):
            process.kill()
            raise Failed(f"{work.__name__} hangs")
        kind, what, changes = pipe.recv()
    except EOFError:
        raise Failed(f"{work.__name__} died by itself") from None
    finally:
        process.join(WAIT_S)
    if kind != "done":
        raise (Refused if kind == "refused" else Failed)(what)
    return what, changes, time.monotonic() - start


def kill(work, *arguments, before: int | None = None, after: float | None = None, at=None) -> bool:
    """Kill it before its change number `before` (from 0), or `after` seconds. Returns whether it came to that.

    `at`: an Event of this process, from which on the seconds are counted.
    """
    process, pipe = _start(work, arguments, before)
    if at is not None:
        while not (at.wait(0.01) or pipe.poll()):
            pass
    if after is not None:
        pipe.poll(after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    process.join(WAIT_S)
    if process.is_alive():
        process.kill()
        raise Failed(f"{work.__name__} hangs")
    return process.exitcode == -signal.SIGKILL


def _start(work, arguments, before):
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(there, work, arguments, before))
    process.start()
    there.close()
    here.recv()  # it has begun
    return process, here


def _work(pipe, work, arguments, before) -> None:
    from rag_lib.errors import RagError

    changes = 0

    def notice(event, values):
        nonlocal changes
        if event not in CHANGES or event == "open" and not _writes(values):
            return
        if changes == before:
            os.kill(os.getpid(), signal.SIGKILL)
        changes += 1

    os.setsid()
    sys.stdout = sys.stderr = open(os.devnull, "w")
    os.environ.update(OMP_NUM_THREADS="1")
    pipe.send("begun")
    try:
        sys.addaudithook(notice)
        pipe.send(("done", work(*arguments), changes))
    except RagError as exc:
        pipe.send(("refused", str(exc), changes))
    except BaseException:
        pipe.send(("failed", traceback.format_exc(), changes))
    finally:
        pipe.close()
        os._exit(0)  # as a kernel that is shut down: nothing more is tidied


def _writes(values) -> bool:
    _, mode, flags = (*values, None, None)[:3]
    return bool(mode and set("wax+") & set(mode) or flags and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
