"""Run the course examples and write examples/README.md from what they print.

python examples/course/gallery.py                  all programs, at full size
python examples/course/gallery.py lenet5 dropout   these; the other sections stay as they are
python examples/course/gallery.py --write          no program: only the page anew, from docstrings

A program's docstring becomes its section; its pictures and its found-sentence (pictures/NAME.txt) are kept beside the
programs, so every number on the page was printed by the program named there.
"""

import argparse
import ast
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PICTURES = FOLDER / "pictures"
PAGE = FOLDER.parent / "README.md"
OTHER = "Further examples"  # the chapter of those that no other names
CHAPTERS = {
    "Classifiers": ["nearest_neighbours", "linear_classifiers", "manual_gradients"],
    "Initialisation and normalisation": ["initial_loss", "activation_scale", "batch_norm"],
    "Training": ["optimisers", "activations", "early_stopping", "hyperparameter_search"],
    "Many nets in place of one": ["dropout", "ensembles"],
    "Convolutional nets": ["filters", "strided_convolution", "lenet5", "plain_vs_residual", "architectures"],
    "Recurrent nets": ["vanishing_gradients"],
}
HEAD = """# Examples

`train.py` trains an image classifier, with checkpoints, a progress bar and pictures: `python examples/train.py --help`.

The programs in `course/` each show one idea of a course on deep learning, in about a hundred lines, and draw a picture.
They need the extra `examples` (`pip install 'magtape[examples]'`) and run on scikit-learn's handwritten digits, each in
less than two minutes on two cores; `--data images.npz` takes other images (arrays `train_x`, `train_y`, `test_x`,
`test_y`), `--seed 1` other weights, `--small` a few seconds. What is quoted below is what the program printed.

This page is written by `python examples/course/gallery.py`.
"""


def programs() -> list[str]:
    """Return the names of all course examples, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in {"common", "gallery"})


def run(name: str) -> None:
    """Run one program at full size; keep its pictures and its found-sentence."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, str(FOLDER / f"{name}.py"), "--output", output]
        lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        for picture in pictures(name):
            picture.unlink()
        for picture in Path(output).glob("*.png"):
            (PICTURES / picture.name).write_bytes(picture.read_bytes())
    (PICTURES / f"{name}.txt").write_text(lines[-1].removeprefix("found: ") + "\n", encoding="utf-8")
    print(f"{name}: {time.perf_counter() - begin:.0f} s, {lines[-1]}", flush=True)


def pictures(name: str) -> list[Path]:
    """Return a program's pictures: NAME.png, then NAME-WHAT.png."""
    return [path for path in (PICTURES / f"{name}.png", *sorted(PICTURES.glob(f"{name}-*.png"))) if path.exists()]


def section(name: str) -> str:
    """Return a program's part of the page."""
    docstring = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) or ""
    title, *paragraphs = docstring.split("\n\n")
    images = [f"![{title}](course/pictures/{path.name})" for path in pictures(name)]
    found = (PICTURES / f"{name}.txt").read_text(encoding="utf-8").strip()
    command = f"`python examples/course/{name}.py` found: {found}"
    return "\n\n".join([f"### {title.removesuffix('.')}", *paragraphs[:-1], *images, f"> {command}", paragraphs[-1]])


def page() -> str:
    """Return examples/README.md: one section for each program whose finding is kept."""
    kept = [name for name in programs() if (PICTURES / f"{name}.txt").exists()]
    named = {name for names in CHAPTERS.values() for name in names}
    chapters = {**CHAPTERS, OTHER: [name for name in kept if name not in named]}
    parts = [HEAD.strip()]
    for chapter, names in chapters.items():
        sections = [section(name) for name in names if name in kept]
        if sections:
            parts += [f"## {chapter}", *sections]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Run what was asked for, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs to run (default all)")
    parser.add_argument("--write", action="store_true", help="run none, write the page")
    options = parser.parse_args()
    unknown = set(options.names) - set(programs())
    if unknown:
        parser.error(f"no such example: {', '.join(sorted(unknown))}; there are {', '.join(programs())}")
    PICTURES.mkdir(exist_ok=True)
    for name in [] if options.write else options.names or programs():
        run(name)
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
