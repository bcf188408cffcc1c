"""No file makes `load` or a data set crash, hang, take much memory or run anything; `tests/hostile/` says which are tried."""

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import autograd
from tests.hostile import images, legacy, pt
from tests.hostile.cases import FORMATS
from tests.image_files import Cifar, drawn

COUNT = int(os.environ.get("HOSTILE_FILES", "500"))  # files of each format
SECONDS = 120
REFUSED = {"tar.gz": 0.7, "ppm": 0.5}  # dates and owners of members, and pixels without checksum, may be any
ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_and_hostile_files(format):
    command = [sys.executable, "-m", "tests.hostile", format, str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"the process died: {done.returncode}\n{done.stderr[-3000:]}"
    report = json.loads(done.stdout)
    sys.stdout.write(f"{format}: {report['files']} files, {report['outcomes']}\n")
    assert report["files"] >= COUNT
    assert sum(report["outcomes"].values()) == report["files"], report["failures"]
    assert report["failures"] == []
    assert report["events"] == []
    assert report["left behind"] == []
    assert report["megabytes"] < 100
    refused = sum(n for outcome, n in report["outcomes"].items() if outcome.endswith("error"))
    assert refused > REFUSED.get(format, 0.85) * report["files"]


@pytest.mark.parametrize("format", [format for format in FORMATS if format not in images.READERS])
def test_the_good_file_is_read(format):
    """The damaged ones would be refused, too, if it were not."""
    value = autograd.load(io.BytesIO(FORMATS[format][0]()))
    if format in ("pt", "legacy.pt"):
        assert value["model"]["weight"].tolist() == [0, 1, 2, 3]
        assert value["model"]["square"].tolist() == [[0, 2], [1, 3]]
        assert value["model"]["brain"].tolist() == [1.0, -3.0]
        value["model"]["weight"].zero_()
        assert value["model"]["part"].tolist() == [0, 0]
    elif format == "npz":
        assert value["net"]["a.part"].tolist() == [[4, 6], [8, 10]]
    else:
        assert value["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_the_good_files_of_images_are_read(tmp_path):
    found = {}
    for format, read in images.READERS.items():
        path = tmp_path / f"good.{format}"
        path.write_bytes(FORMATS[format][0]())
        found[format] = read(path)
    assert np.array_equal(found["idx.gz"], drawn(0, *images.SHAPE))
    assert np.array_equal(found["tar.gz"][0].array, Cifar().images[True])
    assert np.array_equal(found["images.npz"][1][0].array * 255, drawn(4, 4, 3, 4, 4))
    for format in ("png", "ppm"):
        assert np.array_equal(found[format].array, drawn(0, 20, 30, 3).transpose(2, 0, 1))


@pytest.mark.parametrize("make", [pt.good_pt, legacy.good_legacy])
def test_pytorch_reads_the_good_file_alike(torch, make):
    content = make()
    theirs, ours = torch.load(io.BytesIO(content)), autograd.load(io.BytesIO(content))
    assert list(theirs["model"]) == list(ours["model"])
    for name, value in theirs["model"].items():
        assert np.array_equal(value.float().numpy(), ours["model"][name].array), name
    assert theirs["optimizer"] == ours["optimizer"]


def test_the_guard_sees_what_is_harmful(tmp_path):
    """The test above would pass, too, if it noted nothing."""
    code = (
        "import os, sys; from tests.hostile import guarded\n"
        "events = []; stop = guarded.guard(events)\n"
        "eval('1'); os.system('true'); open(sys.argv[1], 'w').close()\n"
        "try: bytearray(1 << 30)\n"
        "except MemoryError: events.append('memory')\n"
        "stop(); eval('2'); print([each.split()[0] for each in events])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "['compile', 'exec', 'os.system', 'open', 'memory']"


def test_calls_in_pickles_would_do_harm():
    """What is refused is what Python's own unpickler would run."""
    programs = [program for program in pt.calls("PWNED") if b"cos\nsystem\n" in program]
    assert len(programs) >= 3
    with zipfile.ZipFile(io.BytesIO(pt.torch_file(programs[0]))) as archive:
        assert b"touch PWNED" in archive.read("x/data.pkl")
