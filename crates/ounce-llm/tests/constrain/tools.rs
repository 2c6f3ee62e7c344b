//! Calls of tools under their grammar.

use ounce_llm::constrain::{Constraint, ConstraintFactory, Grammar};
use ounce_llm::sampling::Pcg32;
use ounce_llm::tokenizer::{Special, Tokenizer};
use ounce_llm::tools::{MAX_CALLS, ParsedOutput, Tool, ToolChoice, ToolGrammar};
use serde_json::{Value as Json, json};

use crate::{VOCABULARIES, random_text, tokenizer};

fn tools() -> Vec<Tool> {
    Tool::from_openai(&json!([
        {"type": "function", "function": {"name": "weather", "description": "Weather now", "parameters": {"type": "object",
            "properties": {"city": {"type": "string", "maxLength": 10}, "unit": {"enum": ["C", "F"]}}, "required": ["city"], "additionalProperties": false}}},
        {"type": "function", "function": {"name": "now"}},
        {"type": "function", "function": {"name": "add-2", "parameters": {"properties": {"n": {"type": "array", "uniqueItems": true, "maxItems": 2,
            "items": {"type": "integer", "minimum": 0, "maximum": 50}}}, "additionalProperties": false}}},
    ]))
    .unwrap()
}

fn compile(tokenizer: &Tokenizer, choice: &ToolChoice, parallel: bool) -> Constraint {
    let grammar = ToolGrammar::new(&tools(), choice, parallel).unwrap().unwrap();
    ConstraintFactory::new(tokenizer).unwrap().compile(&Grammar::Tools(grammar)).unwrap()
}

/// Feeds a text; false if it is not allowed.
fn accepts(mut constraint: Constraint, tokenizer: &Tokenizer, text: &str) -> Option<Constraint> {
    for token in tokenizer.encode(text, Special::AsText).unwrap() {
        constraint.accept(token).ok()?;
    }
    Some(constraint)
}

#[test]
fn required_calls_parse_and_obey_their_schemas() {
    let mut random = Pcg32::new(11);
    for name in VOCABULARIES {
        let tokenizer = tokenizer(name);
        for choice in [ToolChoice::Required, ToolChoice::Function("weather".to_owned())] {
            let fresh = compile(&tokenizer, &choice, true);
            let mut complete = 0;
            for _ in 0..12 {
                let Some(text) = random_text(fresh.clone(), &tokenizer, &mut random, 900) else { continue };
                complete += 1;
                let output = ParsedOutput::parse(&text);
                assert_eq!(output.content, "", "{text}");
                assert!((1..=MAX_CALLS).contains(&output.calls.len()), "{text}");
                for call in &output.calls {
                    let tool = tools().into_iter().find(|tool| tool.name() == call.name).unwrap();
                    let mut schema = tool.parameters().clone();
                    // Not enforced, since the tool is not strict.
                    if let Some(n) = schema.pointer_mut("/properties/n").and_then(Json::as_object_mut) {
                        n.remove("uniqueItems");
                    }
                    let arguments = serde_json::from_str(&call.arguments).unwrap();
                    assert!(jsonschema::is_valid(&schema, &arguments), "{text}");
                    if let ToolChoice::Function(only) = &choice {
                        assert_eq!((&call.name, output.calls.len()), (only, 1));
                    }
                }
            }
            assert!(complete >= 6, "{name}, {choice:?}: {complete}");
        }
    }
}

#[test]
fn free_text_becomes_a_call_at_the_mark() {
    let tokenizer = tokenizer("bpe.gguf");
    let call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let fresh = compile(&tokenizer, &ToolChoice::Auto, true);
    let ends = |text: &str| accepts(fresh.clone(), &tokenizer, text).map(|mut c| c.may_end());
    for (text, expected) in [
        ("", Some(true)),
        ("Free text, with <tags> & {\"json\": 1}\n\n日本", Some(true)),
        ("<tool_cal", Some(true)),
        ("<tool_call> later", None),
        ("<tool_call>", Some(false)),
        ("Let me see. <tool_call>", Some(false)),
        ("Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {", Some(false)),
        ("Let me see.\n<tool_call>\n{\"name\": \"other", None),
        (call, Some(true)),
        (&format!("a {call}\n{call}"), Some(true)),
        (&format!("a {call}\n{call} "), None),
        (&format!("a {call} and"), None),
    ] {
        assert_eq!(ends(text), expected, "{text:?}");
    }
    let single = compile(&tokenizer, &ToolChoice::Auto, false);
    assert!(accepts(single.clone(), &tokenizer, &format!("a {call}")).is_some_and(|c| c.is_complete()));
    assert!(accepts(single, &tokenizer, &format!("a {call}\n{call}")).is_none());
}

#[test]
fn calls_in_a_row_end() {
    let tokenizer = tokenizer("bpe.gguf");
    let call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>";
    let fresh = compile(&tokenizer, &ToolChoice::Required, true);
    let row = vec![call; MAX_CALLS].join("\n");
    assert!(accepts(fresh, &tokenizer, &row).unwrap().is_complete());
}

#[test]
fn a_strict_tool_must_be_enforceable() {
    let tools = Tool::from_openai(&json!([{"type": "function", "function": {"name": "f", "strict": true,
        "parameters": {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": true}}}}}]))
    .unwrap();
    let grammar = ToolGrammar::new(&tools, &ToolChoice::Auto, true).unwrap().unwrap();
    let factory = ConstraintFactory::new(&tokenizer("bpe.gguf")).unwrap();
    let error = factory.compile(&Grammar::Tools(grammar)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("uniqueItems"), "{error}");
}
