"""The command as a process of its own: pipes, terminals without letters, signals."""

import os
import signal
import subprocess
import sys
import time

import pytest
from cli_helpers import records, shop_rows, shop_text

from sklhier._cli import main

COMMAND = [sys.executable, "-W", "error", "-m", "sklhier"]


def call(*arguments, stdin=None, **environment):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    table, model = folder / "t.csv", folder / "m.joblib"
    table.write_text(shop_text(), "utf-8")
    status = main(
        ["train", str(table), "--text", "name", "--levels", "rayon", "sous-rayon", "--test", "0",
         "--out", str(model)]
    )  # fmt: skip
    assert status == 0
    return folder


PREDICT = ("predict", "--allow-pickle", "--id", "id", "--model")


@pytest.mark.slow
def test_from_a_pipe_into_a_pipe(folder):
    done = call(*PREDICT, folder / "m.joblib", "-", stdin=shop_text().encode("utf-16"))
    assert (done.returncode, done.stderr) == (0, b"")
    rows = records(done.stdout.decode("utf-8"))
    assert [row["predicted_sous-rayon"] for row in rows] == [row[-1] for row in shop_rows()[1]]


@pytest.mark.slow
def test_a_terminal_without_letters(folder):
    done = call("taxonomy", folder / "m.joblib", "--allow-pickle", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"`-- \\xc9picerie" in done.stdout
    done = call(
        "taxonomy", folder / "m.joblib", "--allow-pickle", "--json", PYTHONIOENCODING="ascii"
    )
    assert b'"\\u00c9picerie"' in done.stdout
    done = call(*PREDICT, folder / "m.joblib", folder / "t.csv", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert b"\\xc9picerie" in done.stdout
    assert done.stdout.count(b"\n") == 91


@pytest.mark.skipif(sys.platform == "win32", reason="pipes and signals of POSIX")
class TestPipesAndSignals:
    """What POSIX has."""

    @pytest.mark.more
    def test_a_reader_that_goes_away(self, folder):
        big = folder / "big.csv"
        header, *rows = shop_text().splitlines(keepends=True)
        big.write_text(header + "".join(rows * 60), "utf-8")
        with subprocess.Popen(
            [*COMMAND, *PREDICT, str(folder / "m.joblib"), str(big)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout.readline().startswith(b"id,predicted_rayon")
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 0

    @pytest.mark.slow
    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full")
    def test_a_full_disk(self, folder):
        model = ("--model", str(folder / "m.joblib"), "--allow-pickle")
        for arguments in (
            ["taxonomy", str(folder / "m.joblib"), "--allow-pickle"],
            ["predict", str(folder / "t.csv"), *model],
        ):
            with open("/dev/full", "w") as full:
                done = subprocess.run(
                    [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, check=False
                )
            assert done.returncode == 1
            assert done.stderr == (
                b"sklhier: Standard output cannot be written: No space left on device.\n"
            )

    @pytest.mark.slow
    def test_a_model_is_saved_without_a_reader(self, folder):
        out = folder / "unread.joblib"
        with subprocess.Popen(
            [*COMMAND, "train", str(folder / "t.csv"), "--text", "name", "--levels", "rayon",
             "sous-rayon", "--out", str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 0
        assert call("taxonomy", out, "--allow-pickle").returncode == 0

    @pytest.mark.slow
    @pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_a_stopped_run_leaves_nothing(self, folder, number, status):
        out = folder / "stopped.csv"
        with subprocess.Popen(
            [*COMMAND, *PREDICT, str(folder / "m.joblib"), "--out", str(out), "-"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Shells let what they start in the background ignore the key that interrupts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            line = shop_text().splitlines(keepends=True)[0]
            process.stdin.write(line.encode())
            process.stdin.flush()
            while not any(".part" in name for name in os.listdir(folder)):
                assert process.poll() is None
                time.sleep(0.01)
            process.send_signal(number)
            assert b"Traceback" not in process.stderr.read()
        assert process.returncode == status
        assert not [name for name in os.listdir(folder) if "stopped" in name]


@pytest.mark.slow
def test_the_main_job_as_a_command():
    done = call("--ask", "solve a sparse linear system")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"scipy" in done.stdout
    assert b"sparse" in done.stdout
