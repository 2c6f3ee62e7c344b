//! A rendered conversation split into what the template wrote and what the messages say.
//!
//! A template puts both into one text, in which a message that spells `<|im_end|>` looks like the end of a turn. Here each content is rendered between two
//! characters of the private use area that occur nowhere else, by which it is found again.

use super::{ChatTemplate, Message, RenderOptions, TemplateError};

/// A piece of a rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The text.
    pub text: String,
    /// Whether it is the content of a message, whose tokens must not be control tokens:
    /// [`Special::AsText`](crate::tokenizer::Special::AsText); else it is the template's own, for
    /// [`Special::Parse`](crate::tokenizer::Special::Parse).
    pub from_user: bool,
}

impl ChatTemplate {
    /// [`render`](ChatTemplate::render) in parts: the texts of the parts joined are the text that it gives. Contents are parts of their own, less the
    /// white space around them; no part is empty.
    ///
    /// A template may cut a content (reasoning models drop what the assistant thought) or decide by it, so that it cannot be told apart. Then only the
    /// contents of messages that are not the assistant's are, and where these cannot be either, the whole text is one part with `from_user` false.
    ///
    /// # Errors
    /// As [`render`](ChatTemplate::render).
    pub fn render_parts(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Vec<Part>, TemplateError> {
        self.render_parts_with(messages, &RenderOptions { add_generation_prompt, tools: &[] })
    }

    /// [`render_parts`](ChatTemplate::render_parts) with tools. Tools and calls count as the template's own text.
    ///
    /// # Errors
    /// As [`render`](ChatTemplate::render).
    pub fn render_parts_with(
        &self,
        messages: &[Message],
        options: &RenderOptions<'_>,
    ) -> Result<Vec<Part>, TemplateError> {
        let plain = self.render_with(messages, options)?;
        if let Some((start, end)) = self.sentinels(messages, &plain) {
            for assistant_too in [true, false] {
                let mut count = 0;
                let marked: Vec<Message> = messages
                    .iter()
                    .map(|m| {
                        let core = m.content.trim();
                        if core.is_empty() || (m.role == "assistant" && !assistant_too) {
                            return m.clone();
                        }
                        count += 1;
                        // White space stays outside, where the template can trim it.
                        let lead = m.content.len() - m.content.trim_start().len();
                        let (before, after) = (&m.content[..lead], &m.content[lead + core.len()..]);
                        Message { content: format!("{before}{start}{core}{end}{after}"), ..m.clone() }
                    })
                    .collect();
                if count > 0
                    && let Ok(text) = self.render_with(&marked, options)
                    && let Some(parts) = split(&text, start, end)
                    && joins_to(&parts, &plain)
                {
                    return Ok(parts);
                }
            }
        }
        let whole = Part { text: plain, from_user: false };
        Ok(if whole.text.is_empty() { Vec::new() } else { vec![whole] })
    }

    /// Two characters that neither the conversation nor the template contains.
    fn sentinels(&self, messages: &[Message], plain: &str) -> Option<(char, char)> {
        let mut used = std::collections::HashSet::new();
        let texts = messages.iter().flat_map(|m| [m.role.as_str(), m.content.as_str()]);
        for text in texts.chain([self.source(), plain]) {
            used.extend(text.chars().filter(|c| ('\u{E000}'..='\u{F8FF}').contains(c)));
        }
        let mut free = ('\u{E000}'..='\u{F8FF}').filter(|c| !used.contains(c));
        Some((free.next()?, free.next()?))
    }
}

/// The parts of `text`; nothing if the sentinels do not alternate.
fn split(text: &str, start: char, end: char) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut from_user = false;
    let mut rest = text;
    while let Some(at) = rest.find([start, end]) {
        let sentinel = rest[at..].chars().next()?;
        if (sentinel == end) != from_user {
            return None;
        }
        push(&mut parts, &rest[..at], from_user);
        from_user = !from_user;
        rest = &rest[at + sentinel.len_utf8()..];
    }
    push(&mut parts, rest, from_user);
    (!from_user).then_some(parts)
}

fn push(parts: &mut Vec<Part>, text: &str, from_user: bool) {
    if !text.is_empty() {
        parts.push(Part { text: text.to_owned(), from_user });
    }
}

fn joins_to(parts: &[Part], whole: &str) -> bool {
    let mut rest = Some(whole);
    for part in parts {
        rest = rest.and_then(|rest| rest.strip_prefix(part.text.as_str()));
    }
    rest == Some("")
}
