"""Two at once in one place: they take turns, or the second gets a sentence; nothing hangs and nothing is mixed."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import reliability_work as work
from processes import Refused, finish


def both(*calls):
    """-> for each call what it returned, or its sentence."""

    def attempt(call):
        try:
            return finish(*call)[0]
        except Refused as refused:
            return str(refused)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(attempt, calls))


def comparable(found):
    return {key: value for key, value in found.items() if key not in ("before", "paid")}


@pytest.mark.cases(1, 10)
def test_two_indexing_one_folder(seed, tmp_path):
    """Two processes index one folder: both have it whole, or one is told who holds it"""
    home = str(tmp_path / "home")
    work.make_pictures(tmp_path / "home" / "pictures", 40 + seed)
    found = both((work.fill, home), (work.fill, home))
    done = [comparable(result) for result in found if isinstance(result, dict)]
    assert done and all(result["count"] == 40 + seed and result == done[0] for result in done)
    assert all("is in use by another" in result for result in found if isinstance(result, str))
    assert comparable(finish(work.fill, home)[0]) == done[0]


@pytest.mark.cases(1, 10)
def test_two_encoders_on_one_database(seed, tmp_path):
    """Two encoders fill one database: each has its own rows"""
    home = str(tmp_path / "home")
    work.make_pictures(tmp_path / "home" / "pictures", 40 + seed)
    both((work.fill, home), (work.fill, home, work.Other))
    one, two = finish(work.fill, home)[0], finish(work.fill, home, work.Other)[0]
    assert one["ids"] == two["ids"] and one["hits"] != two["hits"]
    assert (one["paid"], two["paid"], one["count"]) == (0, 0, 40 + seed)


@pytest.mark.cases(1, 10)
def test_many_writing_one_cache(seed, tmp_path):
    """Four processes encode into one cache: every picture is kept once, whole"""
    home = str(tmp_path / "home")
    work.make_pictures(tmp_path / "home" / "pictures", 60 + seed)
    found = both(*[(work.encode, home)] * 4)
    assert len({result["vectors"] for result in found}) == 1 and max(result["kept"] for result in found) == 60 + seed
    assert finish(work.encode, home)[0]["paid"] == 0


@pytest.mark.cases(1, 10)
def test_many_keeping_replies(seed, tmp_path):
    """Four processes keep replies in one folder: each reads what was written, whole"""
    found = both(*[(work.reply, str(tmp_path / "home"))] * 4)
    assert all(result["replies"] == found[0]["replies"] for result in found)
