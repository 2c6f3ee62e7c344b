"""Real models in other containers, read by others: transformers and llama.cpp.

    python conformance/export/check.py CONVERT LLAMA_BIN TEXT WORK MODEL.gguf...

CONVERT is the program of `cargo build --release -p ounce-llm --example convert`, LLAMA_BIN the folder of llama.cpp's programs, TEXT a file
to predict, WORK a folder for some GB that can be deleted. For each MODEL:

* folder: MODEL as a folder of F32, its tokenizer held against llama-tokenize on MODEL, text by text, its perplexity in transformers
  against llama-perplexity on an F16 copy of MODEL that llama-quantize makes;
* gguf: the folder as F16 GGUF again, tokenizer and perplexity in llama.cpp;
* copy: MODEL as F16 GGUF directly.

Perplexities follow llama-perplexity: windows of 512 tokens with the first one replaced by bos where the model wants it, the second half of
each counts. Needs: torch transformers
"""

import ast
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "tokenizer"))
from corpus import TEXTS  # noqa: E402

CONVERT, LLAMA, TEXT, WORK = (Path(argument).resolve() for argument in sys.argv[1:5])
WINDOW, WINDOWS = 512, 4


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr[-3000:]}")
    return done.stdout + done.stderr


def convert(source, target, container, ty):
    shutil.rmtree(target, ignore_errors=True)
    target.unlink(missing_ok=True) if target.is_file() else None
    run(CONVERT, source, target, container, ty)
    return target


def llama_ids(model, texts):
    """The ids of each text, control tokens parsed, nothing before or after."""
    ids = []
    for text in texts:
        file = WORK / "text"
        file.write_bytes(text.encode())
        out = run(LLAMA / "llama-tokenize", "-m", model, "-f", file, "--ids", "--no-bos", "--no-escape", "--log-disable")
        found = re.search(r"^\[[\d, ]*\]$", out, re.M)
        ids.append(ast.literal_eval(found.group()))
    return ids


def llama_perplexity(model):
    out = run(LLAMA / "llama-perplexity", "-m", model, "-f", TEXT, "-c", WINDOW, "--chunks", WINDOWS, "-t", 2)
    return float(re.search(r"Final estimate: PPL = ([\d.]+)", out).group(1))


def transformers_perplexity(folder, tokenizer, bos):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = tokenizer(TEXT.read_text()[: WINDOW * WINDOWS * 8], add_special_tokens=bos)["input_ids"]
    losses = []
    for window in range(WINDOWS):
        tokens = ids[window * WINDOW : (window + 1) * WINDOW]
        if bos:
            tokens[0] = tokenizer.bos_token_id
        with torch.no_grad():
            logits = model(torch.tensor([tokens])).logits[0].float()
        first = WINDOW // 2
        targets = torch.tensor(tokens[first + 1 :])
        losses.append(torch.nn.functional.cross_entropy(logits[first:-1], targets))
    return math.exp(torch.stack(losses).mean().item())


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    texts = [text for text in TEXTS if text and "\0" not in text and "\x00" not in text]
    for argument in sys.argv[5:]:
        model = Path(argument).resolve()
        reference = WORK / "reference.gguf"
        run(LLAMA / "llama-quantize", "--allow-requantize", model, reference, "F16")
        folder = convert(model, WORK / "folder", "folder", "F32")
        again = convert(folder, WORK / "again.gguf", "gguf", "F16")
        copy = convert(model, WORK / "copy.gguf", "gguf", "F16")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        bos = bool(tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id)
        expected = llama_ids(model, texts)
        for name, found in [
            ("transformers", [tokenizer.encode(text, add_special_tokens=False) for text in texts]),
            ("llama.cpp, through the folder", llama_ids(again, texts)),
        ]:
            wrong = [(text, a, b) for text, a, b in zip(texts, expected, found) if a != b]
            print(f"{model.name}: {name}: {len(texts) - len(wrong)} of {len(texts)} texts give the same ids")
            for text, a, b in wrong:
                print(f"  {text!r}\n    expected {a}\n    found    {b}")
        print(f"{model.name}: perplexity, {WINDOWS} windows of {WINDOW}")
        print(f"  llama.cpp, its own F16 copy     {llama_perplexity(reference):.4f}")
        print(f"  llama.cpp, F16 copy             {llama_perplexity(copy):.4f}")
        print(f"  llama.cpp, F16 through a folder {llama_perplexity(again):.4f}")
        print(f"  transformers, folder of F32     {transformers_perplexity(folder, tokenizer, bos):.4f}", flush=True)
        shutil.rmtree(WORK)
        WORK.mkdir()


if __name__ == "__main__":
    main()
