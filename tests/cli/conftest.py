"""The command, called as a shell would."""

from __future__ import annotations

import sys

import pytest

from vitrail.cli import main as cli


@pytest.fixture
def vitrail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """Runs the command in this process: its exit code, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vitrail", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = capsys.readouterr()
        return int(caught.value.code or 0), said.out, said.err

    return call
