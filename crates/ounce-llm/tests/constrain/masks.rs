//! Masks against a twin that tries each token on the text so far.

use ounce_llm::constrain::{ConstraintFactory, Grammar};
use ounce_llm::sampling::Pcg32;
use ounce_llm::tokenizer::Tokenizer;
use serde_json::json;

use crate::{VOCABULARIES, allowed, tokenizer};

/// A language as a sequence of parts.
enum Part {
    OneOf(&'static [&'static str]),
    Blanks,
}

/// What a text is to a language.
#[derive(Clone, Copy, Default)]
struct Verdict {
    prefix: bool,
    member: bool,
}

fn judge(text: &[u8], parts: &[Part]) -> Verdict {
    let Some((part, rest)) = parts.split_first() else {
        return Verdict { prefix: text.is_empty(), member: text.is_empty() };
    };
    let mut verdict = Verdict::default();
    let mut alternative = |word: &[u8]| {
        if let Some(after) = text.strip_prefix(word) {
            let then = judge(after, rest);
            verdict.prefix |= then.prefix;
            verdict.member |= then.member;
        } else {
            verdict.prefix |= word.starts_with(text);
        }
    };
    match part {
        Part::OneOf(words) => words.iter().for_each(|word| alternative(word.as_bytes())),
        Part::Blanks => {
            alternative(b"");
            let blank = |b: &&u8| matches!(b, b' ' | b'\t');
            for n in 1..=text.iter().take_while(blank).count().min(2) {
                alternative(&text[..n]);
            }
            for line in [b"\n".as_slice(), b"\r\n"] {
                if let Some(after) = text.strip_prefix(line) {
                    for n in 0..=after.iter().take_while(blank).count().min(32) {
                        alternative(&text[..line.len() + n]);
                    }
                } else if line.starts_with(text) {
                    alternative(line);
                }
            }
        }
    }
    verdict
}

/// Random walks through the language, the whole mask compared at every step.
fn check(grammar: &Grammar, parts: &[Part], name: &str, tokenizer: &Tokenizer, seed: u64) {
    let factory = ConstraintFactory::new(tokenizer).unwrap();
    let fresh = factory.compile(grammar).unwrap();
    let mut random = Pcg32::new(seed);
    for walk in 0..6 {
        let mut constraint = fresh.clone();
        let mut text = Vec::new();
        for _ in 0..80 {
            let now = judge(&text, parts);
            assert!(now.prefix, "{name}: {:?}", String::from_utf8_lossy(&text));
            assert_eq!(constraint.may_end(), now.member, "{name}: {:?}", String::from_utf8_lossy(&text));
            let expected: Vec<u32> = (0..tokenizer.vocab_size() as u32)
                .filter(|&id| {
                    if tokenizer.is_end_of_generation(id) {
                        return now.member;
                    }
                    let bytes = tokenizer.token_bytes(id);
                    !bytes.is_empty()
                        && !tokenizer.is_special(id)
                        && judge(&[text.as_slice(), &bytes].concat(), parts).prefix
                })
                .collect();
            if expected.is_empty() {
                // Complete, and the tokenizer names no end.
                assert!(constraint.is_complete() && constraint.mask(&mut [0.0]).is_err());
                break;
            }
            let next = allowed(&mut constraint, tokenizer);
            assert_eq!(next, expected, "{name}, walk {walk}, after {:?}", String::from_utf8_lossy(&text));
            let token = next[(random.next_f64() * next.len() as f64) as usize];
            constraint.accept(token).unwrap();
            if tokenizer.is_end_of_generation(token) {
                assert!(constraint.is_complete());
                break;
            }
            text.extend(tokenizer.token_bytes(token));
        }
    }
}

#[test]
fn masks_are_those_of_the_twin() {
    use Part::{Blanks, OneOf};
    const WORDS: &[&str] = &["yes", "yes, sure", "no", "naïve", "日本", "a\"b\\c\nd", "😀!"];
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["on", "läuft"], "properties": {
        "on": {"type": "boolean"}, "läuft": {"enum": [null, 12, "12", "ö"]}}});
    let object = [
        OneOf(&["{"]),
        Blanks,
        OneOf(&["\"on\""]),
        Blanks,
        OneOf(&[":"]),
        Blanks,
        OneOf(&["true", "false"]),
        Blanks,
        OneOf(&[","]),
        Blanks,
        OneOf(&["\"läuft\""]),
        Blanks,
        OneOf(&[":"]),
        Blanks,
        OneOf(&["null", "12", "\"12\"", "\"ö\""]),
        Blanks,
        OneOf(&["}"]),
    ];
    let choice = Grammar::Choice(WORDS.iter().map(|&w| w.to_owned()).collect());
    let regex = Grammar::Regex("(the|a)( (big|red)){0,2} (cat|cats|€)".to_owned());
    let regex_parts = [
        OneOf(&["the", "a"]),
        OneOf(&["", " big", " red"]),
        OneOf(&["", " big", " red"]),
        OneOf(&[" cat", " cats", " €"]),
    ];
    let lark = Grammar::Lark(
        "start: greeting \" \" NAME\ngreeting: \"hi\" | \"hello\"\nNAME: /Bob|Bobby/".to_owned(),
    );
    for (seed, name) in VOCABULARIES.into_iter().enumerate() {
        let tokenizer = tokenizer(name);
        let seed = seed as u64;
        check(&choice, &[OneOf(WORDS)], name, &tokenizer, seed);
        check(&regex, &regex_parts, name, &tokenizer, seed);
        check(
            &lark,
            &[OneOf(&["hi", "hello"]), OneOf(&[" "]), OneOf(&["Bob", "Bobby"])],
            name,
            &tokenizer,
            seed,
        );
        check(&Grammar::json_schema(schema.clone()), &object, name, &tokenizer, seed);
    }
}

#[test]
fn logits_above_the_vocabulary_are_masked_and_allowed_ones_kept() {
    let tokenizer = tokenizer("bpe.gguf");
    let factory = ConstraintFactory::new(&tokenizer).unwrap();
    let mut constraint = factory.compile(&Grammar::Choice(vec!["ab".to_owned()])).unwrap();
    let mut logits: Vec<f32> = (0..tokenizer.vocab_size() + 77).map(|i| i as f32 + 0.5).collect();
    constraint.mask(&mut logits).unwrap();
    let kept: Vec<usize> = (0..logits.len()).filter(|&i| logits[i] > f32::NEG_INFINITY).collect();
    assert!(
        !kept.is_empty() && kept.iter().all(|&i| i < tokenizer.vocab_size() && logits[i] == i as f32 + 0.5)
    );
    // Fewer logits than tokens are masked as far as they go.
    let mut short = [0.0; 3];
    constraint.mask(&mut short).unwrap();
    assert_eq!(short, [f32::NEG_INFINITY; 3]);
}

#[test]
fn forced_tokens_are_allowed_and_spell_the_only_text() {
    let text = "{\"temperature\": \"warm – très\"}";
    for name in VOCABULARIES {
        let (tokenizer, encoder) = (tokenizer(name), tokenizer(name));
        let encode = move |text: &str| ounce_llm::tools::encode_forced(&encoder, text);
        let factory = ConstraintFactory::with_encoder(&tokenizer, encode).unwrap();
        let mut constraint = factory.compile(&Grammar::Choice(vec![text.to_owned()])).unwrap();
        assert!(factory_without(&tokenizer, text).is_empty());
        let (mut bytes, mut forced_tokens) = (Vec::new(), 0);
        while !constraint.is_complete() {
            let forced = constraint.forced();
            forced_tokens += forced.len();
            let next =
                if forced.is_empty() { allowed(&mut constraint, &tokenizer)[..1].to_vec() } else { forced };
            for token in next {
                assert!(allowed(&mut constraint, &tokenizer).contains(&token), "{name}");
                constraint.accept(token).unwrap();
                bytes.extend(tokenizer.token_bytes(token));
            }
        }
        assert_eq!(String::from_utf8(bytes).unwrap(), text, "{name}");
        assert!(forced_tokens > 5, "{name}: {forced_tokens}");
    }
}

fn factory_without(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let factory = ConstraintFactory::new(tokenizer).unwrap();
    factory.compile(&Grammar::Choice(vec![text.to_owned()])).unwrap().forced()
}
