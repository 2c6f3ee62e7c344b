//! Random texts under schemas, judged by a validator of JSON schema.

use ounce_llm::constrain::{ConstraintFactory, Grammar};
use ounce_llm::sampling::Pcg32;
use serde_json::{Value as Json, json};

use crate::{VOCABULARIES, random_text, tokenizer};

fn schemas() -> Vec<(&'static str, Json)> {
    vec![
        (
            "nested objects",
            json!({"type": "object", "required": ["user", "tags"], "additionalProperties": false, "properties": {
            "user": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
                "name": {"type": "string", "maxLength": 12}, "admin": {"type": "boolean"}, "boss": {"type": ["null", "integer"], "minimum": 0, "maximum": 99}}},
            "tags": {"type": "array", "items": {"enum": ["a", "b\"c", "日本", 1, null, {"deep": [1]}]}, "minItems": 1, "maxItems": 3}}}),
        ),
        (
            "arrays with bounds",
            json!({"type": "array", "minItems": 2, "maxItems": 4,
            "items": {"type": "array", "prefixItems": [{"type": "integer", "minimum": -5, "maximum": 17}, {"const": "x"}], "items": false, "minItems": 2}}),
        ),
        (
            "recursion",
            json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "required": ["v"], "additionalProperties": false,
            "properties": {"v": {"type": "boolean"}, "kids": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/tree"}}}}}}),
        ),
        (
            "recursion at the root",
            json!({"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#"}, "maxItems": 2}]}),
        ),
        (
            "any of",
            json!({"anyOf": [{"type": "integer", "minimum": 100, "maximum": 200}, {"type": "string", "enum": ["auto", "off"]},
            {"type": "object", "properties": {"level": {"type": "number", "minimum": 0.5, "exclusiveMaximum": 2}}, "required": ["level"], "additionalProperties": false}]}),
        ),
        (
            "all of",
            json!({"allOf": [{"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
            {"type": "object", "properties": {"a": {"type": "integer", "maximum": 9}}, "additionalProperties": false}]}),
        ),
        (
            "integers",
            json!({"type": "array", "maxItems": 5, "items": {"type": "integer", "minimum": -123, "exclusiveMaximum": 4567}}),
        ),
        (
            "multiples",
            json!({"type": "array", "maxItems": 3, "items": {"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 500}}),
        ),
        (
            "multiples of decimals",
            json!({"type": "array", "maxItems": 3, "minItems": 1, "items": {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 40}}),
        ),
        (
            "numbers",
            json!({"type": "array", "maxItems": 3, "items": {"type": "number", "exclusiveMinimum": -1.25, "maximum": 31.5}}),
        ),
        (
            "patterns",
            json!({"type": "array", "maxItems": 3, "minItems": 1, "items": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3,4}(ä|ß)?$"}}),
        ),
        ("part of a string", json!({"type": "string", "pattern": "needle", "maxLength": 30})),
        (
            "lengths",
            json!({"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "minLength": 3, "maxLength": 6}}),
        ),
        (
            "formats",
            json!({"type": "object", "required": ["day", "id"], "additionalProperties": false,
            "properties": {"day": {"type": "string", "format": "date"}, "id": {"type": "string", "format": "uuid"}}}),
        ),
        (
            "further properties",
            json!({"type": "object", "properties": {"known": {"type": "integer", "maximum": 9, "minimum": 0}}, "required": ["known"], "maxProperties": 3,
            "additionalProperties": {"type": "boolean"}}),
        ),
        (
            "names by pattern",
            json!({"type": "object", "patternProperties": {"^x_[a-c]$": {"type": "integer", "minimum": 0, "maximum": 9}}, "additionalProperties": false}),
        ),
        (
            "unicode",
            json!({"type": "object", "required": ["grüße 😀"], "additionalProperties": false, "properties": {"grüße 😀": {"enum": ["žluťoučký kůň", "😀", "\t\u{7f}"]}}}),
        ),
        ("anything", json!(true)),
    ]
}

#[test]
fn random_texts_are_valid() {
    let mut random = Pcg32::new(7);
    for name in VOCABULARIES {
        let tokenizer = tokenizer(name);
        let factory = ConstraintFactory::new(&tokenizer).unwrap();
        for (what, schema) in schemas() {
            let validator = jsonschema::validator_for(&schema).unwrap();
            let fresh = factory.compile(&Grammar::json_schema(schema.clone())).unwrap();
            let mut complete = 0;
            for _ in 0..25 {
                let Some(text) = random_text(fresh.clone(), &tokenizer, &mut random, 240) else { continue };
                complete += 1;
                match serde_json::from_str::<Json>(&text) {
                    Ok(value) => assert!(validator.is_valid(&value), "{name}, {what}: {text}"),
                    // Digits are not bounded where the schema sets no bounds.
                    Err(error) => assert!(
                        what == "anything" && error.to_string().contains("number out of range"),
                        "{name}, {what}: {text}: {error}"
                    ),
                }
            }
            assert!(complete >= 10, "{name}, {what}: only {complete} texts were complete");
        }
    }
}

#[test]
fn an_object_of_any_shape_is_an_object() {
    let mut random = Pcg32::new(3);
    let tokenizer = tokenizer("bpe.gguf");
    let factory = ConstraintFactory::new(&tokenizer).unwrap();
    let fresh = factory.compile(&Grammar::JsonObject).unwrap();
    let texts = (0..40).filter_map(|_| random_text(fresh.clone(), &tokenizer, &mut random, 200));
    let mut complete = 0;
    for text in texts {
        complete += 1;
        assert!(text.starts_with('{'), "{text}");
        if let Err(error) = serde_json::from_str::<Json>(&text) {
            assert!(error.to_string().contains("number out of range"), "{text}: {error}");
        }
    }
    assert!(complete > 10);
}

#[test]
fn properties_come_in_the_order_of_the_schema() {
    let schema = r#"{"type": "object", "required": ["z", "a"], "additionalProperties": false, "properties": {"z": {"const": 1}, "a": {"const": 2}}}"#;
    let tokenizer = tokenizer("bpe.gguf");
    let factory = ConstraintFactory::new(&tokenizer).unwrap();
    let grammar = Grammar::json_schema(serde_json::from_str(schema).unwrap());
    let fresh = factory.compile(&grammar).unwrap();
    let text = random_text(fresh, &tokenizer, &mut Pcg32::new(0), 300).unwrap();
    assert!(text.find("\"z\"").unwrap() < text.find("\"a\"").unwrap(), "{text}");
}

#[test]
fn white_space_ends() {
    let tokenizer = tokenizer("bpe.gguf");
    let factory = ConstraintFactory::new(&tokenizer).unwrap();
    for grammar in [
        Grammar::JsonObject,
        Grammar::json_schema(json!({"type": "array", "x-guidance": {"whitespace_pattern": " *"}})),
    ] {
        let mut constraint = factory.compile(&grammar).unwrap();
        let first = allowed_with(&mut constraint, &tokenizer, |bytes| bytes == b"{" || bytes == b"[");
        constraint.accept(first.unwrap()).unwrap();
        let mut blanks = 0;
        while let Some(blank) =
            allowed_with(&mut constraint, &tokenizer, |bytes| bytes.iter().all(u8::is_ascii_whitespace))
        {
            constraint.accept(blank).unwrap();
            blanks += 1;
            assert!(blanks < 40);
        }
    }
}

fn allowed_with(
    constraint: &mut ounce_llm::constrain::Constraint,
    tokenizer: &ounce_llm::tokenizer::Tokenizer,
    wanted: impl Fn(&[u8]) -> bool,
) -> Option<u32> {
    let next = crate::allowed(constraint, tokenizer);
    next.into_iter().find(|&id| !tokenizer.token_bytes(id).is_empty() && wanted(&tokenizer.token_bytes(id)))
}
