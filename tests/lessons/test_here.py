"""What differs from machine to machine is shown, and never stored."""

from qviz.lessons import Here


def test_the_answer_is_shown_and_the_stored_text_has_the_question_alone():
    here = Here("How long?", lambda: "3 < 4 ms")
    assert "3 &lt; 4 ms" in here.value and "How long?" in here.value
    bundle = here._repr_mimebundle_()
    assert bundle["text/plain"] == "How long? Your own machine answers when you run this page."
    assert "3" not in bundle["text/plain"] and "text/html" not in bundle
    here.close()


def test_an_error_does_not_stop_the_page():
    here = Here("How long?", lambda: 1 / 0)
    assert "No answer on this machine: division by zero" in here.value
    here.close()
