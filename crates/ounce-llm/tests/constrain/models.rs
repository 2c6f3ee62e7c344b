//! Real models and vocabularies, where they are there.

use std::path::PathBuf;
use std::sync::Arc;

use ounce_kernels::ThreadPool;
use ounce_llm::constrain::{ConstraintFactory, Grammar};
use ounce_llm::sampling::{Past, Sampler, SamplerOptions};
use ounce_llm::template::{Message, RenderOptions};
use ounce_llm::tokenizer::Special;
use ounce_llm::tools::{ParsedOutput, Tool, ToolChoice, ToolGrammar, ToolPrompt, encode_forced};
use ounce_llm::{Model, Session, SessionOptions};
use serde_json::{Value as Json, json};

fn models() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("OUNCE_TEST_MODELS") else {
        eprintln!("skipped: OUNCE_TEST_MODELS names no folder with models");
        return Vec::new();
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "gguf"));
    files.sort();
    files
}

fn schema() -> Json {
    json!({"type": "object", "additionalProperties": false, "required": ["name", "age", "colours", "note"], "properties": {
        "name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "minimum": 1, "maximum": 99},
        "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 3},
        "note": {"type": "string", "maxLength": 60}}})
}

fn tools() -> Vec<Tool> {
    Tool::from_openai(&json!([{"type": "function", "function": {"name": "get_weather", "description": "Current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"], "additionalProperties": false}}}]))
    .unwrap()
}

#[test]
fn real_models_obey() {
    for path in models() {
        let mut pool = ThreadPool::new(ounce_kernels::available_threads());
        let model = Arc::new(Model::load(&path, &mut pool, &mut |_| ()).unwrap());
        let encoder = Arc::clone(&model);
        let encode = move |text: &str| encode_forced(encoder.tokenizer(), text);
        let factory = ConstraintFactory::with_encoder(model.tokenizer(), encode).unwrap();
        let mut session = Session::new(Arc::clone(&model), pool, SessionOptions::default()).unwrap();
        let question = [Message::new("user", "Describe a person named Ann as JSON.")];
        let text = answer(&mut session, &factory, &question, &[], &Grammar::json_schema(schema()));
        println!("{}: {text}", path.display());
        assert!(jsonschema::is_valid(&schema(), &serde_json::from_str(&text).unwrap()), "{text}");
        let question = [Message::new("user", "What is the weather in Oslo, in celsius?")];
        for choice in [ToolChoice::Required, ToolChoice::Auto] {
            let grammar = Grammar::Tools(ToolGrammar::new(&tools(), &choice, false).unwrap().unwrap());
            let text = answer(&mut session, &factory, &question, &tools(), &grammar);
            println!("{}, {choice:?}: {text}", path.display());
            let output = ParsedOutput::parse(&text);
            assert!(choice == ToolChoice::Auto || output.calls.len() == 1, "{text}");
            for call in output.calls {
                let arguments = serde_json::from_str(&call.arguments).unwrap();
                assert!(jsonschema::is_valid(tools()[0].parameters(), &arguments), "{text}");
            }
        }
    }
}

/// A greedy answer of at most 200 tokens.
fn answer(
    session: &mut Session,
    factory: &ConstraintFactory,
    question: &[Message],
    tools: &[Tool],
    grammar: &Grammar,
) -> String {
    session.reset();
    let model = Arc::clone(session.model());
    let tokenizer = model.tokenizer();
    let text = match model.chat_template() {
        Some(template) => {
            let prompt = ToolPrompt::new(template, question, tools);
            let options = RenderOptions { add_generation_prompt: true, tools: &prompt.tools };
            template.render_with(&prompt.messages, &options).unwrap()
        }
        None => question[0].content.clone(),
    };
    let mut feed = tokenizer.encode(&text, Special::Parse).unwrap();
    let mut sampler = Sampler::new(SamplerOptions::greedy()).unwrap();
    let mut constraint = factory.compile(grammar).unwrap();
    let mut output = Vec::new();
    while output.len() < 200 && !constraint.is_complete() {
        let mut logits = session.feed(&feed, &mut |_| true).unwrap().to_vec();
        feed = constraint.forced();
        if feed.is_empty() {
            constraint.mask(&mut logits).unwrap();
            feed = vec![sampler.sample(&logits, Past { prompt: &[], generated: &[], spared: &[] }).unwrap()];
        }
        for &token in &feed {
            constraint.accept(token).unwrap();
        }
        output.extend_from_slice(&feed);
    }
    output.retain(|&id| !tokenizer.is_end_of_generation(id));
    let mut stream = tokenizer.stream(false).continuing();
    output.iter().map(|&id| stream.push(id)).collect::<String>() + &stream.finish()
}
