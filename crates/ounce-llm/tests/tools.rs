//! Tools: requests, prompts and the reading of calls.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;

use ounce_llm::template::{ChatTemplate, Message, RenderOptions, ToolCall};
use ounce_llm::tools::{
    ParsedOutput, Tool, ToolCallParser, ToolChoice, ToolError, ToolEvent, ToolGrammar, ToolPrompt,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn call(name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: None, name: name.to_owned(), arguments: arguments.to_owned() }
}

/// Texts, what they say and what they call.
fn outputs() -> Vec<(&'static str, &'static str, Vec<ToolCall>)> {
    vec![
        ("", "", vec![]),
        ("Plain text.\n", "Plain text.\n", vec![]),
        ("  a < b, <tool> and <tool_call", "  a < b, <tool> and <tool_call", vec![]),
        (
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>",
            "",
            vec![call("f", "{\"a\": 1}")],
        ),
        (
            "Let me see.\n\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n<tool_call>{ \"name\" :\"g\\\"ü\",\n\"arguments\":{\"x\": [{}, \"}]</tool_call>\\\"\"]} }</tool_call>\n",
            "Let me see.",
            vec![call("f", "{}"), call("g\"ü", "{\"x\": [{}, \"}]</tool_call>\\\"\"]}")],
        ),
        (
            "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n\nDone 日本. ",
            "Done 日本. ",
            vec![call("f", "{}")],
        ),
        // Other orders of keys, arguments as text, none at all.
        (
            "<tool_call>{\"arguments\": {\"a\": [1, 2]}, \"name\": \"f\"}</tool_call><tool_call>{\"name\": \"g\", \"arguments\": \"{\\\"b\\\": 2}\"}</tool_call><tool_call>{\"name\": \"h\"}</tool_call>",
            "",
            vec![call("f", "{\"a\":[1,2]}"), call("g", "{\"b\": 2}"), call("h", "{}")],
        ),
        // What is no call is text.
        ("a <tool_call>not a call</tool_call> b", "a<tool_call>not a call</tool_call> b", vec![]),
        ("<tool_call>{\"name\": 3}", "<tool_call>{\"name\": 3}", vec![]),
        // Cut off, or closed by nothing.
        (
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"city\": \"Os",
            "",
            vec![call("f", "{\"city\": \"Os")],
        ),
        ("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}", "", vec![call("f", "{}")]),
        ("<tool_call>\n{\"arguments\": {}, \"name\": \"f\"}", "", vec![call("f", "{}")]),
        (
            "<tool_call>{\"name\": \"f\", \"arguments\": {}}\n<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>",
            "",
            vec![call("f", "{}"), call("g", "{}")],
        ),
        ("<tool_call>\n{\"name\": \"f", "<tool_call>\n{\"name\": \"f", vec![]),
    ]
}

#[test]
fn outputs_are_taken_apart() {
    for (text, content, calls) in outputs() {
        assert_eq!(ParsedOutput::parse(text), ParsedOutput { content: content.to_owned(), calls }, "{text}");
    }
    // A long beginning is no endless wait.
    let long = format!("<tool_call>{{\"name\": \"{}\", \"arguments\": {{}}}}</tool_call>", "n".repeat(5000));
    assert_eq!(ParsedOutput::parse(&long).calls.len(), 1);
}

/// The events with neighbouring texts joined.
fn joined(events: impl IntoIterator<Item = ToolEvent>) -> Vec<ToolEvent> {
    let mut out: Vec<ToolEvent> = Vec::new();
    for event in events {
        match (out.last_mut(), event) {
            (Some(ToolEvent::Text(before)), ToolEvent::Text(text)) => before.push_str(&text),
            (Some(ToolEvent::Arguments { text: before, .. }), ToolEvent::Arguments { text, .. }) => {
                before.push_str(&text)
            }
            (_, event) => out.push(event),
        }
    }
    out
}

fn events<'a>(pieces: impl IntoIterator<Item = &'a str>) -> Vec<ToolEvent> {
    let mut parser = ToolCallParser::new();
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(parser.push(piece));
    }
    events.extend(parser.finish());
    joined(events)
}

#[test]
fn characters_one_by_one_give_the_same() {
    for (text, ..) in outputs() {
        let pieces: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(events(pieces.iter().map(String::as_str)), events([text]), "{text}");
    }
}

#[test]
fn text_and_arguments_stream() {
    let mut parser = ToolCallParser::new();
    let text = |text: &str| ToolEvent::Text(text.to_owned());
    let arguments = |text: &str| ToolEvent::Arguments { index: 0, text: text.to_owned() };
    assert_eq!(parser.push("Well "), [text("Well")]);
    assert_eq!(parser.push("so <tool"), [text(" so")]);
    assert_eq!(parser.push("_call>\n{\"name\": \"f\", \"arg"), []);
    assert_eq!(
        parser.push("uments\": {\"a\""),
        [ToolEvent::CallStart { index: 0, name: "f".to_owned() }, arguments("{\"a\"")]
    );
    assert_eq!(parser.push(": 1}}\n</tool"), [arguments(": 1}")]);
    assert_eq!(parser.push("_call>"), [ToolEvent::CallEnd { index: 0 }]);
    assert_eq!(parser.finish(), []);
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        parts in prop::collection::vec(prop::sample::select(vec![
            "<tool_call>", "</tool_call>", "<tool_", "call>", "\n", " ", "{\"name\": \"f\", \"arguments\": ", "{\"arguments\": {}, \"name\": \"g\"}",
            "{", "}", "}}", "\"", "\\\"", "text", "é😀", "{\"a\": \"</tool_call>\"}", "[", "]", ":", ",", "\"name\"", "<",
        ]), 0..24),
        cuts in prop::collection::vec(0.0_f64..1.0, 0..12),
    ) {
        let text: String = parts.concat();
        let mut places: Vec<usize> = cuts.iter().map(|cut| (cut * text.len() as f64) as usize).filter(|&at| text.is_char_boundary(at)).collect();
        places.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for at in places.into_iter().chain([text.len()]) {
            pieces.push(&text[start..at]);
            start = at;
        }
        prop_assert_eq!(events(pieces), events([text.as_str()]));
    }
}

fn definitions() -> Json {
    json!([{"type": "function", "function": {"name": "weather", "description": "Weather now",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])
}

#[test]
fn requests_are_checked() {
    let tools = Tool::from_openai(&definitions()).unwrap();
    assert_eq!((tools.len(), tools[0].name(), tools[0].is_strict()), (1, "weather", false));
    assert_eq!(Tool::from_openai(&Json::Null).unwrap(), []);
    for (request, part) in [
        (json!({}), "tools"),
        (json!([{"type": "code"}]), "tools[0].type"),
        (json!([{"type": "function"}]), "tools[0].function"),
        (json!([{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name"),
        (
            json!([{"type": "function", "function": {"name": "a", "parameters": []}}]),
            "tools[0].function.parameters",
        ),
        (
            json!([{"type": "function", "function": {"name": "a", "parameters": {"type": "array"}}}]),
            "tools[0].function.parameters.type",
        ),
        (json!([{"type": "function", "function": {"name": "a", "strict": 1}}]), "tools[0].function.strict"),
        (
            json!([{"type": "function", "function": {"name": "a", "description": 1}}]),
            "tools[0].function.description",
        ),
    ] {
        assert!(
            matches!(Tool::from_openai(&request), Err(ToolError::Form { part: p, .. }) if p == part),
            "{request}"
        );
    }
    let twice = json!([definitions()[0], definitions()[0]]);
    assert_eq!(Tool::from_openai(&twice), Err(ToolError::Twice("weather".to_owned())));
    let named = json!({"type": "function", "function": {"name": "weather"}});
    for (choice, expected) in [
        (json!(null), ToolChoice::Auto),
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (named.clone(), ToolChoice::Function("weather".to_owned())),
    ] {
        assert_eq!(ToolChoice::from_openai(&choice, &tools), Ok(expected));
    }
    assert_eq!(ToolChoice::from_openai(&json!("required"), &[]), Err(ToolError::NoTools));
    assert_eq!(ToolChoice::from_openai(&named, &[]), Err(ToolError::Unknown("weather".to_owned())));
    assert!(ToolChoice::from_openai(&json!("always"), &tools).is_err());
    assert_eq!(ToolGrammar::new(&tools, &ToolChoice::None, true), Ok(None));
    assert_eq!(ToolGrammar::new(&[], &ToolChoice::Auto, true), Ok(None));
    assert!(ToolGrammar::new(&tools, &ToolChoice::Auto, true).unwrap().unwrap().begins_free());
}

const QWEN: &str = "{%- if tools %}{{- '<|im_start|>system\\n# Tools' }}{%- for tool in tools %}{{- '\\n' }}{{- tool | tojson }}{%- endfor %}{{- '<|im_end|>\\n' }}{%- endif %}\
    {%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content }}\
    {%- for tool_call in message.tool_calls %}{%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}\
    {{- '\\n<tool_call>\\n{\"name\": \"' }}{{- tool_call.name }}{{- '\", \"arguments\": ' }}{{- tool_call.arguments | tojson }}{{- '}\\n</tool_call>' }}{%- endfor %}\
    {{- '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";
const PLAIN: &str =
    "{% for message in messages %}{{ '[' + message['role'] + ']' + message['content'] }}{% endfor %}";
const NO_SYSTEM: &str = "{% for message in messages %}{% if message['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ '[' + message['role'] + ']' + message['content'] }}{% endfor %}";

fn conversation() -> Vec<Message> {
    let oslo = ToolCall { id: Some("1".to_owned()), ..call("weather", "{\"city\": \"Oslo\"}") };
    vec![
        Message::new("user", "Weather in Oslo?"),
        Message::calling("", vec![oslo.clone(), oslo]),
        Message::result(Some("1".to_owned()), "rain"),
        Message::result(Some("2".to_owned()), "sun"),
    ]
}

fn render(source: &str, messages: &[Message], tools: &[Tool]) -> String {
    let template = ChatTemplate::parse(source, None, None).unwrap();
    let prompt = ToolPrompt::new(&template, messages, tools);
    let options = RenderOptions { add_generation_prompt: true, tools: &prompt.tools };
    let text = template.render_with(&prompt.messages, &options).unwrap();
    let parts = template.render_parts_with(&prompt.messages, &options).unwrap();
    assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<String>(), text);
    text
}

#[test]
fn templates_that_know_the_form_write_tools_themselves() {
    let tools = Tool::from_openai(&definitions()).unwrap();
    assert_eq!(
        render(QWEN, &conversation(), &tools),
        "<|im_start|>system\n# Tools\n{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \"Weather now\", \
         \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}}, \"required\": [\"city\"]}}}<|im_end|>\n\
         <|im_start|>user\nWeather in Oslo?<|im_end|>\n\
         <|im_start|>assistant\n\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call><|im_end|>\n\
         <|im_start|>tool\nrain<|im_end|>\n<|im_start|>tool\nsun<|im_end|>\n<|im_start|>assistant\n"
    );
}

#[test]
fn others_are_told_in_text() {
    let tools = Tool::from_openai(&definitions()).unwrap();
    let turns = "[user]Weather in Oslo?[assistant]<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>\
        [user]<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response>";
    assert_eq!(render(PLAIN, &conversation(), &[]), turns);
    let text = render(PLAIN, &conversation(), &tools);
    assert!(
        text.starts_with("[system]# Tools") && text.contains("\"name\":\"weather\"") && text.ends_with(turns),
        "{text}"
    );
    let with_system = [&[Message::new("system", "Be brief.")], conversation().as_slice()].concat();
    assert!(render(PLAIN, &with_system, &tools).starts_with("[system]Be brief.\n\n# Tools"));
    let text = render(NO_SYSTEM, &conversation(), &tools);
    assert!(
        text.starts_with("[user]# Tools")
            && text.contains("XML tags")
            && text.contains("\n\nWeather in Oslo?"),
        "{text}"
    );
}

#[test]
fn templates_of_real_models_take_tools() {
    let Some(folder) = std::env::var_os("OUNCE_TEST_MODELS") else {
        eprintln!("skipped: OUNCE_TEST_MODELS names no folder with models");
        return;
    };
    for (file, native) in [
        ("SmolLM2-135M-Instruct.Q4_1.gguf", false),
        ("gemma-3-270m-q4_k_m.gguf", false),
        ("qwen2.5-coder-0.5b-instruct.gguf", true),
    ] {
        let path = Path::new(&folder).join(file);
        if !path.exists() {
            eprintln!("skipped: {} is not there", path.display());
            continue;
        }
        let gguf = ounce_formats::gguf::Gguf::open(&path).unwrap();
        let Some(template) = ChatTemplate::from_gguf(gguf.metadata()).unwrap() else { continue };
        let tools = Tool::from_openai(&definitions()).unwrap();
        let prompt = ToolPrompt::new(&template, &conversation(), &tools);
        assert_eq!(!prompt.tools.is_empty(), native, "{file}");
        let text = render(template.source(), &conversation(), &tools);
        assert!(
            text.contains("# Tools") && text.contains("weather") && text.contains("rain"),
            "{file}: {text}"
        );
    }
}
