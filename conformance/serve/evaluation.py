"""Has EleutherAI's evaluation harness score a model through a running `ounce serve`, and compares with the library.

    pip install -r conformance/serve/requirements.txt
    cargo build -p ounce-llm --example loglikelihood --example convert
    convert MODEL.gguf FOLDER folder F16
    python conformance/serve/evaluation.py http://127.0.0.1:8080 MODEL MODEL.gguf --tokenizer FOLDER --loglikelihood PROGRAM

The model of the harness is `local-completions`. It must know where a context ends in tokens, so it needs the tokenizer
(of the folder, of which transformers reads no more without torch), and cannot do without (`tokenizer_backend=None`). It
asks once with tokens and once with texts, and for one token more than it wants. `loglikelihood` computes the same from
the file. Nothing is fetched: the tasks lie in `tasks/`.

The texts of the tasks have at least 6 tokens: fewer are rounded as if they came one by one in a `Session`, but not in a
batch.
"""

import argparse
import json
import math
import os
import re
import subprocess
import tempfile
from pathlib import Path

TASKS = Path(__file__).resolve().parent / "tasks"
# How far a log-probability may be from the library's.
TOLERANCE = 1e-3


def evaluate(arguments, tokenized):
    """What the harness finds: scores of the tasks, and of each request its context, continuation and answers."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    model_args = {
        "model": arguments.model,
        "base_url": f"{arguments.url}/v1/completions",
        "tokenizer": arguments.tokenizer,
        "tokenizer_backend": "huggingface",
        "tokenized_requests": tokenized,
        "num_concurrent": 4 if tokenized else 1,
        "batch_size": 1 if tokenized else 3,
        "max_retries": 1,
    }
    found = lm_eval.simple_evaluate(
        model="local-completions",
        model_args=model_args,
        tasks=["facts", "texts"],
        task_manager=TaskManager(include_path=str(TASKS), include_defaults=False),
        bootstrap_iters=0,
    )
    return found["results"], found["samples"]


def asked(samples):
    """Each request of a task: its document, context and continuation, and the log-probability that was answered."""
    for sample in samples:
        for texts, [answer] in zip(sample["arguments"], sample["resps"], strict=True):
            context, continuation = texts if len(texts) == 2 else ("", texts[0])
            logprob, greedy = answer if isinstance(answer, tuple) else (answer, None)
            yield sample["doc_id"], context, continuation, float(logprob), greedy


def library(arguments, requests):
    """The same from the library, in the same order."""
    lines = [json.dumps({"context": context, "continuation": text}) for _, context, text, *_ in requests]
    command = [arguments.loglikelihood, arguments.file]
    output = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def compare(name, requests, expected):
    """Prints what differs; how much does."""
    differ = 0
    for (document, _, text, logprob, greedy), right in zip(requests, expected, strict=True):
        if abs(logprob - right["logprob"]) > TOLERANCE or greedy not in (None, right["greedy"]):
            differ += 1
            print(f"{name} {document} {text[:40]!r}: {logprob}, {greedy}; the library says {right}")
    worst = max(abs(logprob - right["logprob"]) for (*_, logprob, _), right in zip(requests, expected))
    print(f"{name}: {len(requests)} requests, {differ} differ, largest difference {worst:.2g}")
    return differ


def accuracy(requests, expected):
    """The share of documents whose right choice is the most likely one."""
    documents = json.loads((TASKS / "facts.json").read_text())
    scores = {}
    for (document, *_), right in zip(requests, expected, strict=True):
        scores.setdefault(document, []).append(right["logprob"])
    right = [max(range(len(s)), key=s.__getitem__) == documents[d]["answer"] for d, s in scores.items()]
    assert len(right) == len(documents)
    return sum(right) / len(right)


def word_perplexity(requests, expected):
    words = sum(len(re.split(r"\s+", text)) for _, _, text, *_ in requests)
    return math.exp(-sum(right["logprob"] for right in expected) / words)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url", help="where the server is, without /v1")
    parser.add_argument("model", help="its name in the server")
    parser.add_argument("file", help="its file")
    parser.add_argument("--tokenizer", required=True, metavar="FOLDER")
    parser.add_argument("--loglikelihood", required=True, metavar="PROGRAM")
    parser.add_argument("--key", help="an API key of the server")
    arguments = parser.parse_args()
    for name in ("file", "tokenizer", "loglikelihood"):
        setattr(arguments, name, str(Path(getattr(arguments, name)).resolve()))
    # The tasks name their files relative to themselves.
    os.chdir(TASKS)
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OPENAI_API_KEY": arguments.key or "none"}
    with tempfile.TemporaryDirectory() as home:
        os.environ["HF_HOME"] = home
        runs = {tokenized: evaluate(arguments, tokenized) for tokenized in (True, False)}
    differ = 0
    for tokenized, (results, samples) in runs.items():
        print("asked with tokens" if tokenized else "asked with texts")
        for task, metric, measure in (("facts", "acc", accuracy), ("texts", "word_perplexity", word_perplexity)):
            requests = list(asked(samples[task]))
            expected = library(arguments, requests)
            differ += compare(task, requests, expected)
            found, right = results[task][f"{metric},none"], measure(requests, expected)
            print(f"{task}: {metric} {found}; from the library {right}")
            differ += not (found == right if task == "facts" else math.isclose(found, right, rel_tol=TOLERANCE))
    raise SystemExit(f"{differ} differ" if differ else 0)


if __name__ == "__main__":
    main()
