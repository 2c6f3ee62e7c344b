//! Grammars that want to use up time, memory or stack are refused or cost little.

use ounce_llm::constrain::{ConstraintFactory, Grammar, limits};
use ounce_llm::sampling::Pcg32;
use serde_json::{Value as Json, json};

use crate::tokenizer;

/// `levels` of `wrap` around a string.
fn nested(levels: usize, wrap: impl Fn(Json) -> Json) -> Json {
    (0..levels).fold(json!({"type": "string"}), |inner, _| wrap(inner))
}

/// A chain of definitions, each referring to the next.
fn chain(length: usize, link: impl Fn(Json) -> Json) -> Json {
    let mut definitions = serde_json::Map::new();
    for i in 0..length {
        definitions.insert(format!("d{i}"), link(json!({"$ref": format!("#/$defs/d{}", i + 1)})));
    }
    definitions.insert(format!("d{length}"), json!({"type": "null"}));
    json!({"$ref": "#/$defs/d0", "$defs": definitions})
}

fn grammars() -> Vec<(&'static str, Grammar)> {
    let schema = Grammar::json_schema;
    let patterns: serde_json::Map<String, Json> = (0..600)
        .map(|i| (format!("^(a|b)*a(a|b){{{i}}}$"), json!({"type": "integer", "minimum": i})))
        .collect();
    let objects = |n: usize| -> Vec<Json> {
        (0..n).map(|i| json!({"type": "object", "properties": {format!("p{i}"): {"type": "string", "pattern": format!("(a|b)*a(a|b){{{i}}}")}}})).collect()
    };
    let rules: String = (0..4000).map(|i| format!("r{i}: r{}\n", i + 1)).collect();
    vec![
        ("deep", schema(nested(limits::MAX_SCHEMA_DEPTH - 1, |inner| json!({"items": inner})))),
        ("deep, in pairs", schema(nested(11, |inner| json!({"anyOf": [inner.clone(), inner]})))),
        ("a chain of references", schema(chain(1999, |next| next))),
        ("a chain of arrays", schema(chain(1900, |next| json!({"type": "array", "items": next})))),
        ("a chain of unions", schema(chain(1300, |next| json!({"anyOf": [next, {"type": "null"}]})))),
        ("a chain of intersections", schema(chain(1300, |next| json!({"allOf": [next, {"minimum": 1}]})))),
        ("a circle", schema(json!({"$ref": "#"}))),
        ("a circle of intersections", schema(json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}))),
        ("a circle of unions", schema(json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}))),
        (
            "an endless value",
            schema(json!({"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}})),
        ),
        (
            "many items",
            schema(json!({"type": "array", "minItems": 1_000_000_000, "items": {"type": "integer"}})),
        ),
        ("long strings", schema(json!({"type": "string", "minLength": 1_000_000_000}))),
        (
            "strings of bounded length",
            schema(json!({"type": "string", "minLength": 50_000, "maxLength": 100_000})),
        ),
        (
            "many required names",
            schema(
                json!({"type": "object", "required": (0..2_000).map(|i| format!("n{i}")).collect::<Vec<_>>()}),
            ),
        ),
        ("many patterns", schema(json!({"type": "object", "patternProperties": patterns}))),
        ("many intersections", schema(json!({"allOf": objects(150)}))),
        ("many unions", schema(json!({"anyOf": objects(150)}))),
        ("large multiples", schema(json!({"type": "integer", "multipleOf": 982_451_653}))),
        (
            "common multiples",
            schema(
                json!({"allOf": [{"type": "integer", "multipleOf": 9973}, {"multipleOf": 9967}, {"multipleOf": 9949}]}),
            ),
        ),
        ("wide numbers", schema(json!({"type": "number", "minimum": -1.797e308, "maximum": 1.797e308}))),
        ("repeated repetitions", Grammar::Regex("((a{1000}){1000}){1000}".to_owned())),
        ("optional repetitions", Grammar::Regex("(a?){5000}a{5000}".to_owned())),
        ("exponential states", Grammar::Regex("(a|b)*a(a|b){200}".to_owned())),
        ("open brackets", Grammar::Regex("(".repeat(30_000) + &")".repeat(30_000))),
        ("characters", Grammar::Regex(r"\w{1,3000}\p{L}{1,3000}".to_owned())),
        (
            "brackets in lark",
            Grammar::Lark("start: ".to_owned() + &"(".repeat(20_000) + "\"a\"" + &")".repeat(20_000)),
        ),
        ("a chain of rules", Grammar::Lark(format!("start: r0\n{rules}r4000: \"a\"\n"))),
        ("ambiguity", Grammar::Lark("start: x\nx: x x | \"a\" | \"\"\n".to_owned())),
        (
            "much ambiguity",
            Grammar::Lark("start: x\nx: x x x x | y y | \"a\" | \"aa\"\ny: x y | y x | \"a\"*\n".to_owned()),
        ),
        ("many choices", Grammar::Choice((0..4096).map(|i| format!("choice {i}")).collect())),
    ]
}

#[test]
fn hostile_grammars_are_refused_or_run() {
    let tokenizer = tokenizer("bpe.gguf");
    let factory = ConstraintFactory::new(&tokenizer).unwrap();
    let mut random = Pcg32::new(1);
    for (what, grammar) in grammars() {
        let start = std::time::Instant::now();
        let compiled = factory.compile(&grammar);
        let compile = start.elapsed();
        let (mut slowest, mut ending) = (std::time::Duration::ZERO, "compiled".to_owned());
        match compiled {
            Err(error) => ending = format!("refused: {error}"),
            Ok(mut constraint) => {
                let mut logits = vec![0.0; tokenizer.vocab_size()];
                for _ in 0..60 {
                    logits.fill(0.0);
                    let start = std::time::Instant::now();
                    let masked = constraint.mask(&mut logits);
                    slowest = slowest.max(start.elapsed());
                    if let Err(error) = masked {
                        ending = format!("ended: {error}");
                        break;
                    }
                    let next: Vec<u32> =
                        (0..).zip(&logits).filter(|(_, l)| **l == 0.0).map(|(id, _)| id).collect();
                    let token = next[(random.next_f64() * next.len() as f64) as usize];
                    if let Err(error) = constraint.accept(token) {
                        ending = format!("ended: {error}");
                        break;
                    }
                }
            }
        }
        // Shown by --nocapture.
        println!(
            "{what}: compiled in {compile:?}, slowest mask {slowest:?}; {}",
            &ending[..ending.len().min(160)]
        );
    }
}

#[test]
fn sizes_are_limited() {
    let factory = ConstraintFactory::new(&tokenizer("bpe.gguf")).unwrap();
    for (grammar, what) in [
        (
            Grammar::json_schema(nested(limits::MAX_SCHEMA_DEPTH + 1, |inner| json!({"items": inner}))),
            "levels",
        ),
        (Grammar::json_schema(json!({"enum": vec![1; limits::MAX_SCHEMA_VALUES]})), "values"),
        (Grammar::json_schema(json!({"required": vec!["a"; limits::MAX_PROPERTIES + 1]})), "properties"),
        (Grammar::Regex("a".repeat(limits::MAX_TEXT_BYTES + 1)), "bytes"),
        (Grammar::Lark(" ".repeat(limits::MAX_TEXT_BYTES + 1)), "bytes"),
        (Grammar::Choice(vec!["a".to_owned(); limits::MAX_CHOICES + 1]), "strings"),
        (Grammar::Choice(vec!["a".repeat(limits::MAX_TEXT_BYTES + 1)]), "bytes"),
        (Grammar::Regex("(".repeat(limits::MAX_OPEN_BRACKETS + 1)), "brackets"),
    ] {
        let error = factory.compile(&grammar).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("too large") && error.contains(what), "{error}");
    }
}
