"""Charts of several runs: every run is a point, in its group, over its value."""

from rag_lib.display.runs import run_points, sweep_lines


def test_a_row_a_run_in_every_panel():
    figure = run_points({"Recall@1": [0.5, 0.7], "seconds": [3, 2]}, ["[1]", "[2]"])
    first, second = figure.axes
    assert [text.get_text() for text in first.get_yticklabels()] == ["[1]", "[2]"]
    assert list(first.lines[0].get_xdata()) == [0.5, 0.7] and second.get_title() == "seconds"
    assert figure._repr_mimebundle_()[0]["text/plain"] == "Points: Recall@1, seconds of 2 runs."


def test_a_line_a_group_in_the_order_of_the_axis():
    figure = sweep_lines({"place": [3, 1, 8, 9]}, "limit", [9, 4, 4, 9], ["a", "a", "b", "b"])
    (axes,) = figure.axes
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}
    assert lines == {"a": ([4, 9], [1, 3]), "b": ([4, 9], [8, 9])} and axes.get_xlabel() == "limit"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_one_group_needs_no_legend():
    assert not sweep_lines({"place": [3, 1]}, "limit", [9, 4], ["", ""]).legends
