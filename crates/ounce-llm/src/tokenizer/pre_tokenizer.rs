//! How byte-level BPE cuts text into words before merging: a row per name of `tokenizer.ggml.pre`.
//!
//! A GGUF file names its pre-tokenizer; what the name stands for is what the tokenizer.json of that model family says. Normalizers are part of it:
//! GPT-NeoX, Qwen and Cohere tokenizers compose characters (NFC) first.

use tokenizers::normalizers::{NFC, NormalizerWrapper};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use serde_json::Value;

use super::TokenizerError;
use super::to_gguf::steps;

/// One row: the names of a family and how it treats text.
pub(crate) struct PreTokenizer {
    /// Names in `tokenizer.ggml.pre`.
    pub(crate) names: &'static [&'static str],
    /// Characters are composed (NFC) before anything else.
    nfc: bool,
    /// A word that is in the vocabulary as a whole is taken whole, whatever the merges say.
    pub(crate) ignore_merges: bool,
    /// What `tokenizer.ggml.add_bos_token` means where it is absent.
    pub(crate) add_bos: bool,
    steps: &'static [Step],
}

#[derive(Clone, Copy)]
enum Step {
    /// Matches become words of their own.
    Split(&'static str),
    /// Each digit, or each run of digits, becomes a word of its own.
    Digits { each: bool },
    /// Runs of punctuation become words of their own.
    Punctuation,
    /// The expression of GPT-2, then bytes become characters.
    Gpt2,
    /// Bytes become characters.
    Bytes,
}

const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN_3_5: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT_4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const KIMI_K2: &str = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// The cased letters of an older Unicode, as DeepSeek lists them.
const DEEPSEEK_WORDS: &str = concat!(
    r"\s?[A-Za-z",
    r"\u{b5}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{1ba}\u{1bc}-\u{1bf}\u{1c4}-\u{293}\u{295}-\u{2af}\u{370}-\u{373}\u{376}",
    r"\u{377}\u{37b}-\u{37d}\u{37f}\u{386}\u{388}-\u{38a}\u{38c}\u{38e}-\u{3a1}\u{3a3}-\u{3f5}\u{3f7}-\u{481}\u{48a}-\u{52f}",
    r"\u{531}-\u{556}\u{10a0}-\u{10c5}\u{13a0}-\u{13f5}\u{13f8}-\u{13fd}\u{1c90}-\u{1cba}\u{1cbd}-\u{1cbf}\u{1d00}-\u{1d2b}",
    r"\u{1d6b}-\u{1d77}\u{1d79}-\u{1d9a}\u{1e00}-\u{1f15}\u{1f18}-\u{1f1d}\u{1f20}-\u{1f45}\u{1f48}-\u{1f4d}",
    r"\u{1f50}-\u{1f57}\u{1f59}\u{1f5b}\u{1f5d}\u{1f5f}-\u{1f7d}\u{1f80}-\u{1fb4}\u{1fb6}-\u{1fbc}\u{1fbe}\u{1fc2}-\u{1fc4}",
    r"\u{1fc6}-\u{1fcc}\u{1fd0}-\u{1fd3}\u{1fd6}-\u{1fdb}\u{1fe0}-\u{1fec}\u{1ff2}-\u{1ff4}\u{1ff6}-\u{1ffc}\u{2102}\u{2107}",
    r"\u{210a}-\u{2113}\u{2115}\u{2119}-\u{211d}\u{2124}\u{2126}\u{2128}\u{212a}-\u{212d}\u{212f}-\u{2134}\u{2139}",
    r"\u{213c}-\u{213f}\u{2145}-\u{2149}\u{214e}\u{2183}\u{2184}\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}\u{2ceb}-\u{2cee}\u{2cf2}",
    r"\u{2cf3}\u{a640}-\u{a66d}\u{a680}-\u{a69b}\u{a722}-\u{a76f}\u{a771}-\u{a787}\u{a78b}-\u{a78e}\u{ab70}-\u{abbf}",
    r"\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}\u{ff21}-\u{ff3a}\u{ff41}-\u{ff5a}\u{10400}-\u{1044f}\u{104b0}-\u{104d3}",
    r"\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}",
    r"]+"
);
const DEEPSEEK_3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const BLOOM: &str = " ?[^(\\s|[.,!?…。，、।۔،])]+";
const BAILING: &str = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+";
const SEED_CODER: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";

use Step::{Bytes, Digits as Digit, Gpt2, Punctuation as Punct, Split as Regex};

const PLAIN: PreTokenizer =
    PreTokenizer { names: &[], nfc: false, ignore_merges: false, add_bos: false, steps: &[Gpt2] };

/// Every known pre-tokenizer. The first row is what an absent name means.
pub(crate) static TABLE: &[PreTokenizer] = &[
    PreTokenizer {
        names: &[
            "default",
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
        ],
        ..PLAIN
    },
    PreTokenizer { names: &["mpt", "olmo", "gpt-neox"], nfc: true, ..PLAIN },
    PreTokenizer {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        ignore_merges: true,
        add_bos: true,
        steps: &[Regex(LLAMA_3), Bytes],
        ..PLAIN
    },
    PreTokenizer { names: &["glm4", "glm5"], ignore_merges: true, steps: &[Regex(LLAMA_3), Bytes], ..PLAIN },
    PreTokenizer { names: &["dbrx", "smaug-bpe", "chatglm-bpe"], steps: &[Regex(LLAMA_3), Bytes], ..PLAIN },
    PreTokenizer {
        names: &["qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2"],
        nfc: true,
        steps: &[Regex(QWEN_2), Bytes],
        ..PLAIN
    },
    PreTokenizer { names: &["qwen35"], nfc: true, steps: &[Regex(QWEN_3_5), Bytes], ..PLAIN },
    PreTokenizer {
        names: &["stablelm2", "hunyuan", "solar-open", "grok-2"],
        steps: &[Regex(QWEN_2), Bytes],
        ..PLAIN
    },
    PreTokenizer {
        names: &["smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"],
        steps: &[Digit { each: true }, Gpt2],
        ..PLAIN
    },
    PreTokenizer { names: &["command-r"], nfc: true, steps: &[Digit { each: true }, Gpt2], ..PLAIN },
    PreTokenizer {
        names: &["falcon"],
        steps: &[Punct, Gpt2, Digit { each: false }, Regex("[0-9][0-9][0-9]")],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-llm"],
        steps: &[
            Regex("[\r\n]"),
            Regex(DEEPSEEK_WORDS),
            Regex(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
            Regex(r"\s+$"),
            Regex("[一-龥ࠀ-一가-퟿]+"),
            Digit { each: false },
            Bytes,
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-coder"],
        steps: &[
            Regex("[\r\n]"),
            Regex(r"\s?\p{L}+"),
            Regex(r"\s?\p{P}+"),
            Regex("[一-龥ࠀ-一가-퟿]+"),
            Digit { each: true },
            Bytes,
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-v3", "hunyuan-dense", "hy_v4", "joyai-llm"],
        steps: &[Regex(r"\p{N}{1,3}"), Regex("[一-龥぀-ゟ゠-ヿ]+"), Regex(DEEPSEEK_3), Bytes],
        ..PLAIN
    },
    PreTokenizer {
        names: &["tekken"],
        ignore_merges: true,
        add_bos: true,
        steps: &[Regex(TEKKEN), Bytes],
        ..PLAIN
    },
    PreTokenizer {
        names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        steps: &[Regex(GPT_4O), Bytes],
        ..PLAIN
    },
    PreTokenizer { names: &["kimi-k2"], steps: &[Regex(KIMI_K2), Bytes], ..PLAIN },
    PreTokenizer { names: &["bloom", "poro-chat", "gpt3-finnish"], steps: &[Regex(BLOOM), Bytes], ..PLAIN },
    PreTokenizer { names: &["viking"], steps: &[Regex(BLOOM), Digit { each: true }, Bytes], ..PLAIN },
    PreTokenizer {
        names: &["bailingmoe", "bailingmoe2", "llada-moe"],
        steps: &[Regex(BAILING), Bytes],
        ..PLAIN
    },
    PreTokenizer { names: &["seed-coder"], steps: &[Regex(SEED_CODER), Bytes], ..PLAIN },
];

/// The row of a name; `None` is a file that says nothing.
pub(crate) fn find(name: Option<&str>) -> Result<&'static PreTokenizer, TokenizerError> {
    let Some(name) = name else { return Ok(&TABLE[0]) };
    TABLE.iter().find(|row| row.names.contains(&name)).ok_or_else(|| {
        let known: Vec<_> = TABLE.iter().flat_map(|row| row.names).copied().collect();
        TokenizerError::UnknownPreTokenizer { found: name.to_owned(), known: known.join(", ") }
    })
}

/// The name in GGUF of what the `normalizer`, `pre_tokenizer` and `ignore_merges` of a tokenizer.json do; in words what they are if it
/// has none.
pub(crate) fn recognise(
    normalizer: Option<&Value>,
    pre_tokenizer: Option<&Value>,
    ignore_merges: bool,
) -> Result<&'static str, String> {
    let present = |part: Option<&'_ Value>, inner| {
        part.filter(|part| !part.is_null())
            .map_or_else(Vec::new, |part| steps(part, inner).into_iter().cloned().collect::<Vec<_>>())
    };
    let (normalizers, words) = (present(normalizer, "normalizers"), present(pre_tokenizer, "pretokenizers"));
    let nfc = match &normalizers[..] {
        [] => Some(false),
        [only] if only["type"] == "NFC" => Some(true),
        _ => None,
    };
    let fits = |row: &&PreTokenizer| {
        Some(row.nfc) == nfc
            && row.ignore_merges == ignore_merges
            && row.steps.len() == words.len()
            && row.steps.iter().zip(&words).all(|(step, word)| step.is(word))
    };
    // The first row's first name is for files that say nothing.
    let name = |row: &PreTokenizer| *row.names.iter().find(|name| **name != "default").unwrap_or(&"default");
    TABLE.iter().find(fits).map(name).ok_or_else(|| {
        let found = serde_json::json!({
            "normalizer": normalizers, "pre_tokenizer": words, "ignore_merges": ignore_merges,
        });
        format!("GGUF has no name for this way of cutting text into words: {found}")
    })
}

impl PreTokenizer {
    pub(crate) fn normalizer(&self) -> Option<NormalizerWrapper> {
        self.nfc.then_some(NormalizerWrapper::NFC(NFC))
    }

    pub(crate) fn build(&self) -> Result<PreTokenizerWrapper, TokenizerError> {
        let steps = self.steps.iter().map(Step::build).collect::<Result<Vec<_>, _>>()?;
        Ok(PreTokenizerWrapper::Sequence(Sequence::new(steps)))
    }
}

impl Step {
    /// Whether a part of a tokenizer.json does this.
    fn is(&self, part: &Value) -> bool {
        let flag = |key: &str, default: bool| part[key].as_bool().unwrap_or(default);
        match (*self, part["type"].as_str()) {
            (Step::Split(expression), Some("Split")) => {
                let isolated = part["behavior"] == "Isolated" && !flag("invert", false);
                // Words are what matches and nothing is left between them, so that both say the same.
                let matches = part["behavior"] == "Removed" && flag("invert", false);
                part["pattern"]["Regex"] == expression && (isolated || matches)
            }
            (Step::Digits { each }, Some("Digits")) => flag("individual_digits", false) == each,
            (Step::Punctuation, Some("Punctuation")) => part["behavior"] == "Contiguous",
            (Step::Gpt2, Some("ByteLevel")) => !flag("add_prefix_space", true) && flag("use_regex", true),
            (Step::Bytes, Some("ByteLevel")) => !flag("add_prefix_space", true) && !flag("use_regex", true),
            _ => false,
        }
    }

    fn build(&self) -> Result<PreTokenizerWrapper, TokenizerError> {
        Ok(match *self {
            Step::Split(expression) => {
                let pattern = SplitPattern::Regex(expression.to_owned());
                let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
                    .map_err(|e| TokenizerError::Vocabulary(format!("expression {expression}: {e}")))?;
                PreTokenizerWrapper::Split(split)
            }
            Step::Digits { each } => PreTokenizerWrapper::Digits(Digits::new(each)),
            Step::Punctuation => {
                PreTokenizerWrapper::Punctuation(Punctuation::new(SplitDelimiterBehavior::Contiguous))
            }
            Step::Gpt2 => PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, true)),
            Step::Bytes => PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, false)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_builds_and_no_name_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        for row in TABLE {
            row.build().unwrap();
            for name in row.names {
                assert!(seen.insert(name), "{name} stands twice");
                assert_eq!(find(Some(name)).unwrap().names, row.names);
            }
            // Written to a tokenizer.json it is known again, or as a row that does the same.
            let json = serde_json::to_value(row.build().unwrap()).unwrap();
            let normalizer = row.normalizer().map(|part| serde_json::to_value(part).unwrap());
            let name = recognise(normalizer.as_ref(), Some(&json), row.ignore_merges).unwrap();
            let again = find(Some(name)).unwrap();
            assert_eq!(serde_json::to_value(again.build().unwrap()).unwrap(), json);
        }
        let error = find(Some("nonesuch")).err().unwrap().to_string();
        assert!(error.contains("nonesuch") && error.contains("llama-bpe"), "{error}");
    }
}
