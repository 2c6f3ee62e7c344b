"""Byte-level BPE: trains a tiny vocabulary, writes it as tokenizer.json and GGUF, and the ids that Hugging Face gives with each pre-tokenizer.

The pre-tokenizers are those of the tokenizer.json files of the model families, in Hugging Face's own terms."""

import json
import random

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from corpus import TEXTS

ISOLATED = "isolated"
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), ISOLATED)


def gpt2():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def raw():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def llama3(digits=r"\p{N}{1,3}"):
    return [
        split(CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        raw(),
    ]


def cased(suffix, digits):
    return [
        split(
            rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{suffix}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{suffix}|{digits}"
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        raw(),
    ]


# Name in GGUF -> (NFC first, steps).
PRE = {
    "gpt-2": (False, [gpt2()]),
    "mpt": (True, [gpt2()]),
    "llama-bpe": (False, llama3()),
    "dbrx": (False, llama3()),
    "qwen2": (True, llama3(r"\p{N}")),
    "stablelm2": (False, llama3(r"\p{N}")),
    "smollm": (False, [pre_tokenizers.Digits(individual_digits=True), gpt2()]),
    "starcoder": (False, [pre_tokenizers.Digits(individual_digits=True), gpt2()]),
    "command-r": (True, [pre_tokenizers.Digits(individual_digits=True), gpt2()]),
    "falcon": (
        False,
        [
            pre_tokenizers.Punctuation("contiguous"),
            gpt2(),
            pre_tokenizers.Digits(individual_digits=False),
            split("[0-9][0-9][0-9]"),
        ],
    ),
    "deepseek-coder": (
        False,
        [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), pre_tokenizers.Digits(True), raw()],
    ),
    "deepseek-v3": (
        False,
        [
            split(r"\p{N}{1,3}"),
            split("[一-龥぀-ゟ゠-ヿ]+"),
            split(
                r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
            ),
            raw(),
        ],
    ),
    "tekken": (False, cased("", r"\p{N}")),
    "gpt-4o": (False, cased(CONTRACTIONS + "?", r"\p{N}{1,3}")),
    "bloom": (False, [split(r" ?[^(\s|[.,!?…。，、।۔،])]+"), raw()]),
}
IGNORE_MERGES = {"llama-bpe", "tekken"}
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>"]
USER_DEFINED = ["<tool>", "</tool>"]


def build(vocab, merges, name):
    nfc, steps = PRE[name]
    tokenizer = Tokenizer(models.BPE(vocab, merges, ignore_merges=name in IGNORE_MERGES))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL if t in vocab])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t in USER_DEFINED if t in vocab])
    return tokenizer


def ids_of(tokenizer, texts=TEXTS):
    """Ids with control tokens parsed, and with them as text where that differs."""
    tokenizer.encode_special_tokens = False
    parsed = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
    tokenizer.encode_special_tokens = True
    plain = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
    tokenizer.encode_special_tokens = False
    return {"parse": parsed, "as_text": {i: p for i, (p, q) in enumerate(zip(plain, parsed)) if p != q}}


def decodings(tokenizer, size, count=60, seed=7):
    """Random tokens, which cut characters anywhere, and the text that Hugging Face makes of them."""
    chance = random.Random(seed)
    lists = [[chance.randrange(size) for _ in range(chance.randrange(1, 24))] for _ in range(count)]
    return [{"ids": l, "text": tokenizer.decode(l, skip_special_tokens=False), "skipped": tokenizer.decode(l)} for l in lists]


def make(out):
    text = [t for t in TEXTS if t] * 3
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = pre_tokenizers.Sequence(llama3())
    trainer = trainers.BpeTrainer(
        vocab_size=900, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), special_tokens=CONTROL + USER_DEFINED, show_progress=False
    )
    base.train_from_iterator(text, trainer)
    model = json.loads(base.to_str())["model"]
    vocab, merges = model["vocab"], [tuple(m) for m in model["merges"]]

    tokens = [t for t, _ in sorted(vocab.items(), key=lambda i: i[1])]
    writer = gguf.GGUFWriter(out / "bpe.gguf", "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if t in CONTROL else 4 if t in USER_DEFINED else 1 for t in tokens])
    writer.add_token_merges([" ".join(m) for m in merges])
    writer.add_bos_token_id(vocab["<|im_start|>"])
    writer.add_eos_token_id(vocab["<|im_end|>"])
    writer.add_add_bos_token(True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()

    build(vocab, merges, "llama-bpe").save(str(out / "bpe.tokenizer.json"), pretty=False)
    golden = {"pre": {name: ids_of(build(vocab, merges, name)) for name in PRE}}
    golden["decode"] = decodings(build(vocab, merges, "gpt-2"), len(tokens))
    (out / "bpe.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))
