"""The command: what is wrong with its arguments is said in one sentence, before anything is computed."""

import pytest

from rag_lib.evaluation.__main__ import main


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("RAG_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--encoder", "pockett"], "Unknown encoder 'pockett'. Did you mean 'pocket'?"),
        (["--split", "train"], "Unknown split 'train'; expected one of validation, test."),
        (["--out", "nowhere/metrics.json"], "'nowhere/metrics.json' cannot be written: give a file in a folder that"),
        (
            ["--benchmark", "cir"],
            "Unknown benchmark 'cir'. Did you mean 'cirr'? Known: drawn, captions, cirr, fashioniq, circo.",
        ),
        (["--benchmark", "circo"], "--benchmark circo needs --data, the folder of the data set in its official layout"),
        (["--benchmark", "cirr", "--runs", "r"], "--runs does not go with --benchmark cirr; see --help."),
        (["--data", "cirr"], "--data does not go with --benchmark drawn; see --help."),
        (["--against", "nowhere"], "'nowhere' has no folder 'drawn-2-test': give one that --runs filled for"),
    ],
)
def test_a_bad_value_ends_in_one_sentence(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(message) and printed.err.count("\n") == 1 and not printed.out
    assert not (tmp_path / "home" / "data" / "benchmark").exists()


def test_a_folder_for_runs_that_is_a_file_is_refused(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main(["--runs", str(tmp_path / "file")]) == 1
    assert "cannot be made (not a directory): give another one." in capsys.readouterr().err


def test_an_unknown_option_ends_in_one_sentence(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--pictures", "9"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == (
        "Unrecognized arguments: --pictures 9; see python -m rag_lib.evaluation --help.\n"
    )
