//! Conversations: what was said, how it becomes tokens, and the line editor around it.

mod conversation;
mod interrupt;
mod reader;
mod repl;
mod save;

pub(crate) use conversation::{Conversation, Settings, remark, speed};
pub(crate) use interrupt::Interrupt;
pub(crate) use repl::Repl;
