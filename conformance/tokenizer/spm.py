"""SentencePiece BPE: trains tiny models, writes them as GGUF and tokenizer.json, and the ids that SentencePiece itself and Hugging Face give.

The two agree on every text of the corpus but where the script says."""

import io
import json

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from bpe import decodings, ids_of
from corpus import TEXTS

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


def generate_merges(pieces):
    """Merge rules of a SentencePiece vocabulary, as transformers' SentencePieceExtractor derives them: for each piece all splits into two
    pieces, better pieces first."""
    scores = {p: s for p, s, k in pieces}
    ids = {p: i for i, (p, _, _) in enumerate(pieces)}
    merges = []
    for piece, score in scores.items():
        local = [(piece[:i], piece[i:], score) for i in range(1, len(piece)) if piece[:i] in scores and piece[i:] in scores]
        merges += sorted(local, key=lambda m: (ids[m[0]], ids[m[1]]))
    merges.sort(key=lambda m: (m[2], len(m[0]), len(m[1])), reverse=True)
    return [(a, b) for a, b, _ in merges]


def hugging_face(pieces, prefix):
    """The fast tokenizer of Llama 1 and 2 (with prefix) or Gemma (without)."""
    vocab = {p: i for i, (p, _, _) in enumerate(pieces)}
    unknown = next((p for p, _, k in pieces if k == UNKNOWN), "<unk>")
    has_bytes = any(k == BYTE for _, _, k in pieces)
    tokenizer = Tokenizer(models.BPE(vocab, generate_merges(pieces), unk_token=unknown, fuse_unk=True, byte_fallback=has_bytes))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if prefix else replace
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps + [decoders.Strip(" ", 1, 0)] if prefix else steps)
    tokenizer.add_special_tokens([AddedToken(p, special=True, normalized=False) for p, _, k in pieces if k in (CONTROL, UNKNOWN)])
    tokenizer.add_tokens([AddedToken(p, normalized=False) for p, _, k in pieces if k == USER_DEFINED])
    return tokenizer


def sentence_piece(pieces, prefix):
    """The library itself, on the same pieces."""
    model = proto.ModelProto()
    for piece, score, kind in pieces:
        model.pieces.add(piece=piece, score=score, type=kind)
    model.trainer_spec.model_type = proto.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = any(k == BYTE for _, _, k in pieces)
    model.trainer_spec.vocab_size = len(pieces)
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = prefix
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString())


def compare(pieces, prefix, name):
    """Hugging Face's ids, after checking them against SentencePiece's on every text without special tokens."""
    golden = ids_of(hugging_face(pieces, prefix))
    official = sentence_piece(pieces, prefix)
    user_defined = [p for p, _, k in pieces if k == USER_DEFINED]
    for i, text in enumerate(TEXTS):
        ids = golden["as_text"].get(i, golden["parse"][i])
        want = official.encode(text)
        if ids != want:
            # Hugging Face puts a prefix after every added token, SentencePiece only at the start of the text.
            expected = prefix and any(u in text for u in user_defined)
            print(f"{name}: text {i} {text[:40]!r}: Hugging Face and SentencePiece differ{' (prefix after an added token)' if expected else ''}")
    return golden


def write_gguf(path, pieces, prefix):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([p for p, _, _ in pieces])
    writer.add_token_scores([s for _, s, _ in pieces])
    writer.add_token_types([k for _, _, k in pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(prefix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def train(byte_fallback, user_defined):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([l for t in TEXTS for l in t.replace("\0", "").splitlines() if l] * 3),
        model_writer=model, model_type="bpe", vocab_size=900 if byte_fallback else 700, character_coverage=0.98, byte_fallback=byte_fallback,
        normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True, user_defined_symbols=user_defined,
        allow_whitespace_only_pieces=True, minloglevel=2,
    )
    parsed = proto.ModelProto.FromString(model.getvalue())
    return [(p.piece, p.score, p.type) for p in parsed.pieces]


def make(out):
    golden = {}
    spaces = ["\n" * n for n in range(2, 8)] + ["▁" * n for n in range(2, 8)]
    for name, prefix, byte_fallback, user_defined in [
        ("llama", True, True, ["<tool>"]),
        ("gemma", False, True, ["<tool>", "</tool>", *spaces]),
        ("plain", True, False, []),
    ]:
        pieces = train(byte_fallback, user_defined)
        write_gguf(out / f"spm-{name}.gguf", pieces, prefix)
        golden[name] = compare(pieces, prefix, name)
        tokenizer = hugging_face(pieces, prefix)
        golden[name]["decode"] = decodings(tokenizer, len(pieces)) + decodings(tokenizer, 260, seed=8)
        if name == "llama":
            tokenizer.save(str(out / "spm-llama.tokenizer.json"), pretty=False)
    (out / "spm.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))
