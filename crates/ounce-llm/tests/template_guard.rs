//! Templates made to exhaust the stack or the memory, and the parts of a rendered conversation.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use ounce_llm::template::{ChatTemplate, Message, Part, TemplateError};

fn parse(source: &str) -> Result<ChatTemplate, TemplateError> {
    ChatTemplate::parse(source, Some("<s>"), Some("</s>"))
}

fn render(source: &str) -> Result<String, TemplateError> {
    parse(source)?.render(&[Message::new("user", "Hi")], true)
}

#[test]
fn tags_too_deep_for_a_parser_are_refused() {
    for (before, repeated, times, after) in [
        ("", "-", 50_000, "1"),
        ("1", "+1", 21_000, ""),
        ("", "not ", 21_000, "1"),
        ("a", ".b", 43_000, ""),
        ("'x'", " ~ 'x'", 21_000, ""),
        ("'x'", "|upper", 40_000, ""),
        ("", "(", 21_000, "1"),
        ("", "[", 21_000, "1"),
        ("a", "[0]", 21_000, ""),
        ("a", " if b else c", 20_000, ""),
        ("1", " < 1", 20_000, ""),
        ("a", "\n.b", 20_000, "}}{{ b"),
    ] {
        for (open, close) in
            [("{{ ", " }}"), ("x\n{% set x = ", " %}"), ("x\n{%- if ", " %}{% endif %}"), ("{{ ", "")]
        {
            let source = format!("{open}{before}{}{after}{close}", repeated.repeat(times));
            assert!(matches!(parse(&source), Err(TemplateError::Syntax { .. })), "{repeated}");
        }
    }
    assert!(matches!(parse(&" ".repeat((256 << 10) + 1)), Err(TemplateError::Syntax { line: 1, .. })));
    // What stands in strings, comments and texts is no step.
    let harmless = format!("{{{{ '{0}' | length }}}}{{# {0} #}}{0}", "-.(|".repeat(1000));
    assert!(render(&harmless).unwrap().starts_with("4000"));
}

#[test]
fn values_too_deep_to_be_written_are_refused() {
    let deep =
        "{% set ns = namespace(x=[1]) %}{% for i in range(60000) %}{% set ns.x = [ns.x] %}{% endfor %}";
    let wide =
        "{% set ns = namespace(x=[1]) %}{% for i in range(40) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
    let straight = "{% set x = [1] %}".to_owned() + &"{% set x = {'a': x, 'b': x} %}".repeat(40);
    for value in [deep, wide] {
        for end in [
            "{{ ns.x }}",
            "{{ ns.x ~ 'a' }}",
            "{{ ns.x | string }}",
            "{{ ns.x | join }}",
            "{{ ns.x | pprint }}",
            "{{ ns.x == [ns.x] }}",
            "",
        ] {
            assert!(render(&format!("{value}{end}")).is_err(), "{end}");
        }
    }
    assert!(render(&(straight + "{{ x ~ '' }}")).is_err());
    assert!(render("{{ [[1] * 1000000] * 1000000 }}").is_err());
    assert!(render("{% set ns = namespace() %}{% set ns.x = ns %}{{ ns ~ '' }}").is_err());
}

#[test]
fn assignments_keep_their_values() {
    for (source, expected) in [
        ("{% set a = [1, {'b': '%}'}] %}{{ a }}", "[1, {'b': '%}'}]"),
        ("{%- set a, b = 1, 2 -%} {{ a ~ b }}", "12"),
        ("{% set a = 'x' if false %}{{ a is defined }}", "False"),
        ("{% set a = 'x' if false else 'y' -%}  {{ a|upper }}", "Y"),
        ("{% set a %}t{% endset %}{{ a }}", "t"),
        ("{% set a | replace('a', b='c') %}t{% endset %}", ""),
        ("{% raw %}{% set a = 1 %}{% endraw %}", "{% set a = 1 %}"),
        ("{# {% set a = 1 %} #}{{ '{% set a = 1 %}' }}", "{% set a = 1 %}"),
        ("{% set ns = namespace(a=1) %}{% set ns.a = ns.a + 1 %}{{ ns.a == 2 }}", "True"),
        ("{% set m = messages[0] %}{{ m.content }}{{ {'a': {'b': 1}} }}", "Hi{'a': {'b': 1}}"),
    ] {
        let rendered = render(source);
        if expected.is_empty() {
            continue;
        }
        assert_eq!(rendered.unwrap(), expected, "{source}");
    }
}

const CHAT_ML: &str = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim + '<|im_end|>\n' }}{% endfor %}";

fn part(text: &str, from_user: bool) -> Part {
    Part { text: text.into(), from_user }
}

#[test]
fn contents_are_parts_of_their_own() {
    let template = parse(CHAT_ML).unwrap();
    let messages = [
        Message::new("user", " Hi<|im_end|> \u{E000}\n"),
        Message::new("assistant", ""),
        Message::new("user", "a"),
    ];
    let parts = template.render_parts(&messages, false).unwrap();
    let expected = [
        part("<|im_start|>user\n", false),
        part("Hi<|im_end|> \u{E000}", true),
        part("<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n<|im_start|>user\n", false),
        part("a", true),
        part("<|im_end|>\n", false),
    ];
    assert_eq!(parts, expected);
    let joined: String = parts.into_iter().map(|p| p.text).collect();
    assert_eq!(joined, template.render(&messages, false).unwrap());
}

#[test]
fn contents_that_a_template_changes_stay_with_its_text() {
    let cut = parse("{% for m in messages %}<{{ m.content.split('|')[-1] }}>{% endfor %}").unwrap();
    let messages = [Message::new("user", "</s>"), Message::new("assistant", "thought|said")];
    let parts = cut.render_parts(&messages, false).unwrap();
    assert_eq!(parts, [part("<", false), part("</s>", true), part("><said>", false)]);
    let length = parse("{{ messages[0].content | length }}").unwrap();
    assert_eq!(length.render_parts(&messages, false).unwrap(), [part("4", false)]);
    assert!(parse("").unwrap().render_parts(&messages, false).unwrap().is_empty());
    let refusing = parse("{{ raise_exception('no') }}").unwrap();
    assert!(matches!(refusing.render_parts(&messages, false), Err(TemplateError::Refused(_))));
}
