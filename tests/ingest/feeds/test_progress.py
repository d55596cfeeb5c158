"""Progress of long runs, for people and for logs."""

import io

from ingest.feeds.progress import Progress


class Half:
    """A source that is half read."""

    def progress(self):
        return (50, 100)


def shown(monkeypatch, quiet=False, seconds=0.0):
    monkeypatch.setattr("ingest.feeds.progress.LINE_SECONDS", seconds)
    out = io.StringIO()
    progress = Progress(Half(), out, quiet)
    progress.show(1234)
    progress.close()
    return out.getvalue()


def test_without_a_terminal_a_line_says_how_far_it_is(monkeypatch):
    assert shown(monkeypatch) == "1,234 messages, 50%"


def test_lines_come_now_and_then_only(monkeypatch):
    assert shown(monkeypatch, seconds=10.0) == ""


def test_quiet_shows_nothing(monkeypatch):
    assert shown(monkeypatch, quiet=True) == ""


def test_on_a_terminal_a_bar_moves(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown(monkeypatch)
    assert "50%" in capsys.readouterr().err
