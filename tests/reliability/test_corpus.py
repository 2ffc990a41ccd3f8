"""Pictures that others collected to break their decoders, by `make reliability CORPUS=DIR`: every file below DIR.

Good ones: the tests of Pillow (`pip download --no-binary pillow --no-deps pillow`, Tests/images in it) and of image-rs
(tests/ in its repository).
"""

from collections import Counter
from pathlib import Path

import pytest
import reliability_work as work
from processes import finish

from rag_lib.images import SUFFIXES

AT_ONCE = 40  # files a process
MOST_MB = 1_500  # of a process: a picture of as many pixels as are allowed, and torch


@pytest.mark.cases(0, 1)
def test_corpus(seed, corpus, tmp_path, record_property):
    """A corpus of odd pictures: pixels, or a named skip; what can be read is in the catalog and in the index"""
    files = sorted(str(path) for path in Path(corpus).rglob("*") if path.is_file())
    found, most = {}, 0
    for start in range(0, len(files), AT_ONCE):
        chunk = files[start : start + AT_ONCE]
        (seen, peak), _, _ = finish(work.look, chunk)
        found |= dict(zip(chunk, seen, strict=True))
        most = max(most, peak)
        assert peak < MOST_MB, chunk
    reasons = Counter(what for known, what in found.values() if known is None)
    assert all(reason and corpus not in reason for reason in reasons)
    named = {known for file, (known, _) in found.items() if known and Path(file).suffix.lower() in SUFFIXES}
    shelf = finish(work.shelve, str(tmp_path), corpus, wait=1_800)[0]
    assert set(shelf["ids"]) == named and all(reason for _, reason in shelf["skipped"])
    pixels = sum(what[0] * what[1] for known, what in found.values() if known)
    record_property("cases", len(files))
    print(f"{len(files)} files, {len(files) - reasons.total()} with pixels ({pixels:,}), at most {most:.0f} MB")
    print(f"{len(shelf['ids'])} in the index, {len(shelf['skipped'])} named as left out; reasons: {reasons}")
