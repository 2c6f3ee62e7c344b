//! Reading what the user types: a line, a line that goes on after a backslash, or a block between `"""`.

use crate::failure::{Failure, Result};
use crate::output::note;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use std::io::ErrorKind;
use std::path::PathBuf;

/// Lines kept between chats.
const HISTORY: usize = 1000;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A whole entry, of one or several lines; it may be a command.
    Text(String),
    /// What stood between `"""`: never a command.
    Block(String),
    /// Ctrl-C: the entry was thrown away.
    Interrupted,
    /// Ctrl-D.
    End,
}

/// Something that gives lines; a terminal, or a list in tests.
pub(super) trait Lines {
    /// The next line, after showing `prompt`.
    fn line(&mut self, prompt: &str) -> Result<Input>;
}

/// Reads one whole entry.
pub(super) fn entry(lines: &mut dyn Lines) -> Result<Input> {
    let first = match lines.line("> ")? {
        Input::Text(line) => line,
        other => return Ok(other),
    };
    if let Some(rest) = first.trim_start().strip_prefix("\"\"\"") {
        return block(rest, lines);
    }
    let mut text = first;
    while let Some(kept) = text.strip_suffix('\\') {
        let kept = kept.to_owned();
        match lines.line("… ")? {
            Input::Text(line) | Input::Block(line) => text = format!("{kept}\n{line}"),
            Input::Interrupted => return Ok(Input::Interrupted),
            Input::End => return Ok(Input::Text(kept)),
        }
    }
    Ok(Input::Text(text))
}

/// Reads on until a line ends with `"""`.
fn block(rest: &str, lines: &mut dyn Lines) -> Result<Input> {
    let mut parts: Vec<String> = Vec::new();
    let mut line = rest.to_owned();
    loop {
        if let Some(last) = line.trim_end().strip_suffix("\"\"\"") {
            if !last.is_empty() {
                parts.push(last.to_owned());
            }
            return Ok(Input::Block(parts.join("\n")));
        }
        if !(parts.is_empty() && line.trim().is_empty()) {
            parts.push(line);
        }
        line = match lines.line("… ")? {
            Input::Text(line) | Input::Block(line) => line,
            Input::Interrupted => return Ok(Input::Interrupted),
            Input::End => return Ok(Input::Block(parts.join("\n"))),
        };
    }
}

/// The terminal, with a history of earlier lines.
pub(super) struct Terminal {
    editor: Editor<(), FileHistory>,
    history: Option<PathBuf>,
}

impl Terminal {
    /// Takes over the terminal; a history that cannot be read begins empty, and without a path for it none is kept.
    pub(super) fn open(history: Option<PathBuf>) -> Result<Self> {
        let config = Config::builder().max_history_size(HISTORY)?.auto_add_history(true).build();
        let mut editor = Editor::with_config(config)?;
        if let Some(history) = &history {
            let _ = editor.load_history(history);
        }
        Ok(Self { editor, history })
    }
}

impl Lines for Terminal {
    fn line(&mut self, prompt: &str) -> Result<Input> {
        loop {
            match self.editor.readline(prompt) {
                Ok(line) => return Ok(Input::Text(line)),
                Err(ReadlineError::Interrupted) => return Ok(Input::Interrupted),
                Err(ReadlineError::Eof) => return Ok(Input::End),
                Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                    note("that line was not UTF-8 text; type it again");
                }
                Err(error) => return Err(Failure::new(format!("cannot read from the terminal: {error}"))),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Losing the history is no reason to complain on leaving.
        let Some(history) = &self.history else { return };
        if let Some(folder) = history.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let _ = self.editor.save_history(history);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Script(Vec<Input>);

    impl Lines for Script {
        fn line(&mut self, _: &str) -> Result<Input> {
            Ok(if self.0.is_empty() { Input::End } else { self.0.remove(0) })
        }
    }

    fn read(lines: &[&str]) -> Input {
        let lines = lines.iter().map(|line| Input::Text((*line).to_owned())).collect();
        entry(&mut Script(lines)).unwrap()
    }

    #[test]
    fn entries_of_several_lines() {
        let text = |text: &str| Input::Text(text.to_owned());
        assert_eq!(read(&["hello"]), text("hello"));
        assert_eq!(read(&["a\\", "b\\", "c"]), text("a\nb\nc"));
        assert_eq!(read(&["a\\"]), text("a"));
        let block = |text: &str| Input::Block(text.to_owned());
        assert_eq!(read(&["\"\"\"", "a", "", "b", "\"\"\""]), block("a\n\nb"));
        assert_eq!(read(&["\"\"\"a", "b\"\"\""]), block("a\nb"));
        assert_eq!(read(&["\"\"\"/reset\"\"\""]), block("/reset"));
        assert_eq!(read(&["\"\"\"", "open"]), block("open"));
        assert_eq!(read(&[]), Input::End);
    }

    #[test]
    fn an_interrupt_throws_the_entry_away() {
        let mut lines = Script(vec![Input::Text("a\\".into()), Input::Interrupted]);
        assert_eq!(entry(&mut lines).unwrap(), Input::Interrupted);
        let mut lines = Script(vec![Input::Text("\"\"\"a".into()), Input::Interrupted]);
        assert_eq!(entry(&mut lines).unwrap(), Input::Interrupted);
    }
}
