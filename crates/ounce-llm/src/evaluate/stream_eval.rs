//! StreamEval (Xiao et al., 2023, section 4.4): a stream of lines to remember, and every few lines a question about one that was read a
//! fixed number of lines before. The lines are those of LongEval (Li et al., 2023). The authors did not release theirs; this is made from
//! the description.

use super::EvaluateError;
use crate::sampling::Pcg32;
use crate::session::Session;
use crate::tokenizer::{Special, Tokenizer};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// How a stream of lines is made and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEvalOptions {
    /// Lines of the stream.
    pub lines: usize,
    /// A question follows every so many lines, at least 1.
    pub every: usize,
    /// It asks for the line that was read so many lines before; 1 is the last one.
    pub back: usize,
    /// Where the choice of names and numbers begins.
    pub seed: u64,
    /// Forget everything before each question and read the last so many tokens anew.
    pub recompute: Option<usize>,
}

impl Default for StreamEvalOptions {
    /// A question every 10 lines about the line 20 lines before, as in the paper.
    fn default() -> Self {
        Self { lines: 1000, every: 10, back: 20, seed: 1, recompute: None }
    }
}

/// A question and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Lines read before it.
    pub lines: usize,
    /// Tokens of the stream before it.
    pub tokens: usize,
    /// Tokens of the right answer that were the most likely ones, each after the right ones before it.
    pub right: usize,
    /// Tokens of the right answer.
    pub of: usize,
}

impl Answer {
    /// Whether greedy decoding gives the right answer.
    pub fn is_correct(&self) -> bool {
        self.right == self.of
    }
}

const OPENING: &str = "Below is a record of lines to remember. Each line has a name and holds a number, its REGISTER_CONTENT.\n";
const FIRST: [&str; 16] = [
    "quiet", "torrid", "rusty", "gentle", "vivid", "sober", "hasty", "mellow", "brisk", "faded", "humble",
    "lucid", "nimble", "polite", "silver", "wooden",
];
const SECOND: [&str; 16] = [
    "harbor", "lantern", "meadow", "anchor", "button", "candle", "engine", "feather", "garden", "hammer",
    "island", "jacket", "kettle", "ladder", "mirror", "needle",
];
/// Numbers lie below this, as in LongEval.
const LARGEST: u32 = 50_000;

/// A line that may be asked for.
struct Line {
    name: String,
    number: u32,
}

/// Reads a stream of lines into an emptied session and asks. A session that does not stream is asked until it is full.
///
/// # Errors
/// Text that cannot be tokenized, and what [`Session::feed`] refuses.
///
/// # Panics
/// If `every` or `back` is 0.
pub fn stream_eval(
    session: &mut Session,
    options: StreamEvalOptions,
    each: &mut dyn FnMut(Answer) -> ControlFlow<()>,
) -> Result<(), EvaluateError> {
    assert!(options.every > 0 && options.back > 0);
    let model = session.model().clone();
    let tokenizer = model.tokenizer();
    let encode = |text: &str| tokenizer.encode(text, Special::AsText);
    session.reset();
    let mut random = Pcg32::new(options.seed);
    let mut recent: VecDeque<Line> = VecDeque::new();
    let mut stream = Reader { session, recompute: options.recompute, last: VecDeque::new(), read: 0 };
    if !stream.read(&tokenizer.encode_document(OPENING, Special::AsText)?)? {
        return Ok(());
    }
    for lines in 1..=options.lines {
        let line = Line { name: name(lines - 1), number: 1 + random.next_u32() % LARGEST };
        let text = format!("line {}: REGISTER_CONTENT is <{}>\n", line.name, line.number);
        if !stream.read(&encode(&text)?)? {
            return Ok(());
        }
        if recent.len() == options.back {
            recent.pop_front();
        }
        recent.push_back(line);
        if !lines.is_multiple_of(options.every) || recent.len() < options.back {
            continue;
        }
        let asked = &recent[0];
        let question =
            format!("What is the REGISTER_CONTENT in line {}? The REGISTER_CONTENT is <", asked.name);
        let (question, number) = (encode(&question)?, encode(&asked.number.to_string())?);
        let tokens = stream.read;
        let Some(right) = stream.ask(&question, &number)? else { return Ok(()) };
        if each(Answer { lines, tokens, right, of: number.len() }).is_break() {
            return Ok(());
        }
        if !stream.read(&encode(">\n")?)? {
            return Ok(());
        }
    }
    Ok(())
}

/// The name of a line; it returns after 256 lines.
fn name(line: usize) -> String {
    // Both words change from line to line.
    let (first, second) = (line % FIRST.len(), (line / FIRST.len() + line) % SECOND.len());
    format!("{}-{}", FIRST[first], SECOND[second])
}

/// A session, or one that is filled anew for every question.
struct Reader<'a> {
    session: &'a mut Session,
    recompute: Option<usize>,
    /// The last tokens of the stream, where they are read anew.
    last: VecDeque<u32>,
    /// Tokens of the stream.
    read: usize,
}

impl Reader<'_> {
    /// Reads tokens, or notes them; `false` if the session has no room.
    fn read(&mut self, tokens: &[u32]) -> Result<bool, EvaluateError> {
        if let Some(window) = self.recompute {
            self.last.extend(tokens);
            self.last.drain(..self.last.len().saturating_sub(window));
        } else if self.fits(tokens.len()) {
            self.session.feed(tokens, &mut |_| true)?;
        } else {
            return Ok(false);
        }
        self.read += tokens.len();
        Ok(true)
    }

    /// Reads a question and its answer; how many tokens of the answer were the most likely ones, or `None` without room.
    fn ask(&mut self, question: &[u32], answer: &[u32]) -> Result<Option<usize>, EvaluateError> {
        if self.recompute.is_some() {
            self.session.reset();
            let last: Vec<u32> = self.last.iter().copied().collect();
            if !self.fits(last.len() + question.len() + answer.len()) {
                return Ok(None);
            }
            self.session.feed(&last, &mut |_| true)?;
        } else if !self.fits(question.len() + answer.len()) {
            return Ok(None);
        }
        let mut right = 0;
        let mut logits = self.session.feed(question, &mut |_| true)?;
        for &token in answer {
            right += usize::from(most_likely(logits) == token);
            logits = self.session.feed(&[token], &mut |_| true)?;
        }
        if self.recompute.is_some() {
            self.last.extend(question.iter().chain(answer));
        }
        self.read += question.len() + answer.len();
        Ok(Some(right))
    }

    fn fits(&self, more: usize) -> bool {
        self.session.stream().is_some() || self.session.position() + more <= self.session.context()
    }
}

fn most_likely(logits: &[f32]) -> u32 {
    let largest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(b.cmp(&a)));
    largest.map_or(0, |token| token as u32)
}

/// The number of tokens that lines and questions between an answer and its question take, for choosing a window: those of `lines` lines
/// and a question for every `every` of them.
///
/// # Errors
/// Text that cannot be tokenized.
pub fn tokens_back(tokenizer: &Tokenizer, options: StreamEvalOptions) -> Result<usize, EvaluateError> {
    let count = |text: &str| tokenizer.encode(text, Special::AsText).map(|tokens| tokens.len());
    let line = count(&format!("line {}: REGISTER_CONTENT is <{LARGEST}>\n", name(0)))?;
    let question = count(&format!(
        "What is the REGISTER_CONTENT in line {}? The REGISTER_CONTENT is <{LARGEST}>\n",
        name(0)
    ))?;
    let questions = options.back.div_ceil(options.every.max(1));
    Ok(options.back.saturating_mul(line).saturating_add(questions.saturating_mul(question)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_repeat_soon() {
        let names: std::collections::HashSet<_> = (0..256).map(name).collect();
        assert_eq!(names.len(), 256);
        assert_eq!(name(256), name(0));
    }

    #[test]
    fn of_equal_logits_the_first_is_taken() {
        assert_eq!(most_likely(&[1.0, 3.0, 3.0, 2.0]), 1);
        assert_eq!(most_likely(&[]), 0);
    }
}
