//! Chat templates against transformers' apply_chat_template. The golden file is written by conformance/tokenizer/make.py.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;

use ounce_formats::gguf::{Array, Gguf, Metadata, Value};
use ounce_llm::template::{ChatTemplate, Message, TemplateError};
use serde_json::Value as Json;

fn golden() -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tokenizer/templates.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn messages(conversation: &Json) -> Vec<Message> {
    let text = |m: &Json, key: &str| m[key].as_str().unwrap().to_owned();
    conversation
        .as_array()
        .unwrap()
        .iter()
        .map(|m| Message::new(text(m, "role"), text(m, "content")))
        .collect()
}

#[test]
fn renders_are_those_of_transformers() {
    let golden = golden();
    for (name, source) in golden["templates"].as_object().unwrap() {
        let template = ChatTemplate::parse(source.as_str().unwrap(), Some("<s>"), Some("</s>")).unwrap();
        for (i, conversation) in golden["conversations"].as_array().unwrap().iter().enumerate() {
            for generate in [false, true] {
                let expected = &golden["renders"][name][i][usize::from(generate)];
                let rendered = template.render(&messages(conversation), generate);
                match expected["text"].as_str() {
                    Some(text) => assert_eq!(rendered.unwrap(), text, "{name}, conversation {i}"),
                    None => match rendered.unwrap_err() {
                        TemplateError::Refused(message) => {
                            assert_eq!(message, expected["error"], "{name}, conversation {i}")
                        }
                        other => panic!("{name}, conversation {i}: {other}"),
                    },
                }
            }
        }
    }
}

fn parse(source: &str) -> Result<ChatTemplate, TemplateError> {
    ChatTemplate::parse(source, Some("<s>"), Some("</s>"))
}

fn render(source: &str) -> Result<String, TemplateError> {
    parse(source)?.render(&[Message::new("user", "Hi")], true)
}

#[test]
fn faults_are_told_apart() {
    assert!(matches!(parse("a\n{% if %}"), Err(TemplateError::Syntax { line: 2, .. })));
    assert!(
        matches!(render("{{ raise_exception('no ' + messages[0].role) }}"), Err(TemplateError::Refused(m)) if m == "no user")
    );
    assert!(matches!(render("\n{{ messages[0].nothing.more }}"), Err(TemplateError::Failed { line: 2, .. })));
    assert!(matches!(render("{{ no_such_function() }}"), Err(TemplateError::Failed { .. })));
    assert_eq!(
        render("{{ tools is iterable }}{{ 'a' is iterable }}{{ [] is iterable }}{{ 1 is iterable }}")
            .unwrap(),
        "FalseTrueTrueFalse"
    );
    assert_eq!(render("{{ strftime_now('%Y') | length }}").unwrap(), "4");
}

#[test]
fn hostile_templates_are_stopped() {
    let doubling = "{% set x = 'xxxxxxxx' %}".to_owned() + &"{% set x = x ~ x %}".repeat(60);
    for source in [
        "{% for a in range(100000) %}{% for b in range(100000) %}{% for c in range(100000) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{{ a * b }}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set ns = namespace(x='x') %}{% for a in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        &doubling,
        "{{ 'x' * 1000000000000 }}",
        "{{ ('x' * 1000000).replace('x', 'y' * 1000000) | length }}",
        "{{ ('x' * 1000000).join(('y' * 100000) | list) | length }}",
        "{{ '%1000000000000d' | format(1) }}",
        "{{ '{:>1000000000000}'.format(1) }}",
        "{{ range(10 ** 18) | list }}",
        "{{ [[1] * 1000000] * 1000000 | tojson | length }}",
        "{{ [1, 2] | tojson(indent=1000000000) | length }}{{ 'a' | indent(1000000000000) }}{{ ('a\n' * 1000000) | indent(1000000) | length }}",
    ] {
        let start = std::time::Instant::now();
        let result = render(source);
        assert!(result.is_err(), "{source} gave {} bytes", result.unwrap().len());
        assert!(start.elapsed().as_secs() < 60, "{source} took {:?}", start.elapsed());
    }
}

#[test]
fn without_a_template_the_vocabulary_decides() {
    let tokens = |list: &[&str]| {
        let list = Array::String(list.iter().map(|&t| t.to_owned()).collect());
        vec![
            ("tokenizer.ggml.tokens".to_owned(), Value::Array(list)),
            ("tokenizer.ggml.bos_token_id".to_owned(), Value::U32(0)),
        ]
    };
    let none = Metadata::new(tokens(&["<s>", "a"])).unwrap();
    assert!(ChatTemplate::from_gguf(&none).unwrap().is_none());
    let chat_ml = Metadata::new(tokens(&["<s>", "<|im_start|>"])).unwrap();
    let template = ChatTemplate::from_gguf(&chat_ml).unwrap().unwrap();
    let rendered = template.render(&[Message::new("user", "Hi")], true).unwrap();
    assert_eq!(rendered, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    let mut entries = tokens(&["<s>", "a"]);
    entries.push((
        "tokenizer.chat_template".to_owned(),
        Value::String("{{ bos_token }}{{ messages[0].content }}".to_owned()),
    ));
    let own = ChatTemplate::from_gguf(&Metadata::new(entries).unwrap()).unwrap().unwrap();
    assert_eq!(own.render(&[Message::new("user", "Hi")], true).unwrap(), "<s>Hi");
}

#[test]
fn a_folder_keeps_its_template_in_one_of_three_files() {
    let folder = std::env::temp_dir().join(format!("ounce-template-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let source = || ChatTemplate::from_folder(&folder).unwrap().map(|t| t.source().to_owned());
    assert_eq!(source(), None);
    std::fs::write(folder.join("tokenizer.json"), r#"{"added_tokens": [{"content": "<|im_start|>"}]}"#)
        .unwrap();
    assert!(source().unwrap().contains("<|im_start|>"));
    let several = r#"{"bos_token": "<s>", "chat_template": [{"name": "rag", "template": "r"}, {"name": "default", "template": "d{{ bos_token }}"}]}"#;
    std::fs::write(folder.join("tokenizer_config.json"), several).unwrap();
    assert_eq!(source().unwrap(), "d{{ bos_token }}");
    assert_eq!(ChatTemplate::from_folder(&folder).unwrap().unwrap().render(&[], false).unwrap(), "d<s>");
    std::fs::write(folder.join("chat_template.jinja"), "jinja").unwrap();
    assert_eq!(source().unwrap(), "jinja");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn templates_of_real_models() {
    let Some(folder) = std::env::var_os("OUNCE_TEST_MODELS") else {
        eprintln!("skipped: OUNCE_TEST_MODELS names no folder with models");
        return;
    };
    let path = Path::new(&folder).join("SmolLM2-135M-Instruct.Q4_1.gguf");
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return;
    }
    let file = Gguf::open(&path).unwrap();
    let template = ChatTemplate::from_gguf(file.metadata()).unwrap().unwrap();
    let golden = golden();
    for (i, conversation) in golden["conversations"].as_array().unwrap().iter().enumerate() {
        let rendered = template.render(&messages(conversation), true).unwrap();
        assert_eq!(
            rendered,
            golden["renders"]["smollm2"][i][1]["text"].as_str().unwrap(),
            "conversation {i}"
        );
    }
}
