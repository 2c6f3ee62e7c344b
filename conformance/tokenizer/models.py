"""Ids of real vocabularies, taken from GGUF files and run by Hugging Face's tokenizers."""

import json

import gguf

import bpe
import spm

FILES = ["SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf", "qwen2.5-coder-0.5b-instruct.gguf"]


def fields(path):
    reader = gguf.GGUFReader(path)
    return {k: f.contents() for k, f in reader.fields.items() if k.startswith("tokenizer.")}


def make(out, folder):
    golden = {}
    for name in FILES:
        path = folder / name
        if not path.exists():
            print(f"{name} is not there: left out")
            continue
        meta = fields(path)
        tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
        if meta["tokenizer.ggml.model"] == "llama":
            # Converters to GGUF write the spaces of user-defined tokens as spaces and give them a low score; the model's own files
            # have U+2581 and 0.
            user_defined = [k == spm.USER_DEFINED for k in types]
            tokens = [t.replace(" ", "▁") if u else t for t, u in zip(tokens, user_defined)]
            scores = [0.0 if u else s for s, u in zip(meta["tokenizer.ggml.scores"], user_defined)]
            pieces = list(zip(tokens, scores, types))
            prefix = meta.get("tokenizer.ggml.add_space_prefix", True)
            golden[name] = spm.compare(pieces, prefix, name)
            tokenizer = spm.hugging_face(pieces, prefix)
        else:
            vocab = {t: i for i, t in enumerate(tokens)}
            merges = [tuple(m.split(" ")) for m in meta["tokenizer.ggml.merges"]]
            bpe.CONTROL = [t for t, k in zip(tokens, types) if k in (2, 3)]
            bpe.USER_DEFINED = [t for t, k in zip(tokens, types) if k == 4]
            tokenizer = bpe.build(vocab, merges, meta["tokenizer.ggml.pre"])
            golden[name] = bpe.ids_of(tokenizer)
        golden[name]["decode"] = bpe.decodings(tokenizer, len(tokens))
    (out / "models.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))
