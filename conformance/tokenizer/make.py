"""Writes the golden files of the tokenizer and template tests.

    python make.py OUT [MODELS]

OUT is crates/ounce-llm/tests/golden/tokenizer. With MODELS (a folder of GGUF files) the ids of those vocabularies are written too.
Needs: pip install tokenizers transformers sentencepiece gguf jinja2
"""

import json
import pathlib
import sys

import bpe
import corpus
import models
import spm
import templates

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
(out / "corpus.json").write_text(json.dumps(corpus.TEXTS, ensure_ascii=True, indent=0))
bpe.make(out)
spm.make(out)
templates.make(out)
if len(sys.argv) > 2:
    models.make(out, pathlib.Path(sys.argv[2]))
