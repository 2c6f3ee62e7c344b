//! The conversation at a terminal.

use super::reader::{Input, Terminal, entry};
use super::save::save;
use super::{Conversation, Interrupt, remark, speed};
use crate::failure::{Failure, Result};
use crate::output::{self, note};
use std::path::{Path, PathBuf};

const HELP: &str = "\
/help          this list
/reset         forget the conversation
/system TEXT   begin anew with this system message; without TEXT, with none
/save FILE     write the conversation to FILE (Markdown, or JSON if it ends in .json)
/exit          leave (also Ctrl-D, or Ctrl-C twice)
A line that ends with \\ goes on; text between \"\"\" and \"\"\" may have many lines and is never a command.
Ctrl-C stops an answer; pressed again before it has stopped, the program.";

/// The loop of reading and answering.
pub(crate) struct Repl {
    conversation: Conversation,
    interrupt: Interrupt,
    show_speed: bool,
}

/// A line that is meant for the program, not for the model.
#[derive(Debug, PartialEq, Eq)]
enum Command<'a> {
    Help,
    Reset,
    System(&'a str),
    Save(&'a str),
    Exit,
    Unknown(&'a str),
}

impl<'a> Command<'a> {
    /// `None` if `text` is for the model. A path such as `/usr/bin is ...` would be taken for a command; a space before it helps.
    fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        Some(match name {
            "help" | "?" => Self::Help,
            "reset" => Self::Reset,
            "system" => Self::System(argument.trim()),
            "save" => Self::Save(argument.trim()),
            "exit" | "quit" | "bye" => Self::Exit,
            _ => Self::Unknown(name),
        })
    }
}

impl Repl {
    pub(crate) fn new(conversation: Conversation, interrupt: Interrupt, show_speed: bool) -> Self {
        Self { conversation, interrupt, show_speed }
    }

    /// Reads and answers until the user leaves.
    pub(crate) fn run(&mut self, history: Option<PathBuf>) -> Result<()> {
        let mut terminal = Terminal::open(history)?;
        let mut interrupted = false;
        loop {
            match entry(&mut terminal)? {
                Input::End => return Ok(()),
                Input::Interrupted if interrupted => return Ok(()),
                Input::Interrupted => {
                    note("Ctrl-C again or /exit leaves");
                    interrupted = true;
                }
                Input::Text(text) => {
                    interrupted = false;
                    if text.trim().is_empty() {
                        continue;
                    }
                    match Command::parse(&text) {
                        Some(Command::Exit) => return Ok(()),
                        Some(command) => self.obey(&command),
                        None => self.answer(&text)?,
                    }
                }
                Input::Block(text) => {
                    interrupted = false;
                    if !text.trim().is_empty() {
                        self.answer(&text)?;
                    }
                }
            }
        }
    }

    fn obey(&mut self, command: &Command<'_>) {
        match command {
            Command::Help => note(HELP),
            Command::Reset => {
                self.conversation.reset();
                note("forgotten");
            }
            Command::System(text) => {
                match self.conversation.set_system((!text.is_empty()).then(|| (*text).to_owned())) {
                    Ok(()) => note("begun anew"),
                    Err(failure) => {
                        failure.report();
                    }
                }
            }
            Command::Save("") => note("name a file: /save FILE"),
            Command::Save(path) => match save(&self.conversation.messages(), Path::new(path)) {
                Ok(()) => note(format_args!("saved to {path}")),
                Err(failure) => {
                    failure.report();
                }
            },
            Command::Unknown(name) => note(format_args!(
                "there is no command /{name}; /help lists them. If it is text for the model, put a space before it"
            )),
            Command::Exit => {}
        }
    }

    /// Answers; what goes wrong with one question does not end the conversation.
    fn answer(&mut self, text: &str) -> Result<()> {
        self.interrupt.clear();
        match self.conversation.say(text, &self.interrupt, &mut |piece| output::print(piece)) {
            Ok(generation) => {
                let line_open = !generation.text.is_empty() && !generation.text.ends_with('\n');
                output::print(if line_open { "\n" } else { "" })?;
                if let Some(remark) = remark(&generation, &self.conversation) {
                    note(format_args!("[{remark}]"));
                }
                if self.show_speed {
                    note(format_args!("[{}]", speed(&generation)));
                }
                Ok(())
            }
            Err(Failure::Quiet) => Err(Failure::Quiet),
            Err(failure) => {
                failure.report();
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_text() {
        assert_eq!(Command::parse("hello /help"), None);
        assert_eq!(Command::parse("/help"), Some(Command::Help));
        assert_eq!(Command::parse("/system Be  brief. "), Some(Command::System("Be  brief.")));
        assert_eq!(Command::parse("/save"), Some(Command::Save("")));
        assert_eq!(Command::parse("/nonsense x"), Some(Command::Unknown("nonsense")));
    }
}
