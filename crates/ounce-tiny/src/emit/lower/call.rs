//! Calls in the making.

use crate::emit::program::{Access, Operand, Share, Slot, Statement};

/// A call of the run-time, argument by argument.
pub(crate) struct Call {
    function: String,
    arguments: Vec<String>,
    statement: Statement,
}

impl Call {
    /// A call for a node.
    pub(crate) fn new(node: &str, function: &str) -> Self {
        let statement = Statement {
            node: node.to_owned(),
            text: String::new(),
            operands: Vec::new(),
            scratch: 0,
            shares: Vec::new(),
            copy: None,
        };
        Self { function: function.to_owned(), arguments: Vec::new(), statement }
    }

    /// Any expression.
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.arguments.push(text.into());
        self
    }

    /// A signed number.
    pub(crate) fn int(self, x: usize) -> Self {
        self.text(x.to_string())
    }

    /// A number of type `size_t`.
    pub(crate) fn count(self, x: usize) -> Self {
        self.text(format!("{x}U"))
    }

    /// Names an operand without passing it.
    pub(crate) fn operand(&mut self, slot: Slot, access: Access) -> String {
        self.statement.operands.push(Operand { slot, access });
        format!("${}$", self.statement.operands.len() - 1)
    }

    /// Memory that is read.
    pub(crate) fn read(mut self, slot: Slot) -> Self {
        let text = self.operand(slot, Access::Read);
        self.text(text)
    }

    /// Memory that is written.
    pub(crate) fn write(mut self, slot: Slot) -> Self {
        let text = self.operand(slot, Access::Write);
        self.text(text)
    }

    /// Memory that is written, or nothing.
    pub(crate) fn write_if(self, slot: Option<Slot>) -> Self {
        match slot {
            Some(slot) => self.write(slot),
            None => self.text("NULL"),
        }
    }

    /// Memory that is changed in place, by a function that takes it twice.
    pub(crate) fn change(mut self, slot: Slot) -> Self {
        let text = self.operand(slot, Access::Write);
        self.text(text.clone()).text(text)
    }

    /// Memory for the function's own use.
    pub(crate) fn scratch(mut self, bytes: usize) -> Self {
        self.statement.scratch = bytes;
        self.text("$s$")
    }

    /// What is written may lie where this is read.
    pub(crate) fn share(mut self, read: Slot, write: Slot) -> Self {
        self.statement.shares.push(Share { read, write, text: None });
        self
    }

    /// Reads `read` and writes `write`, but the function knows one piece of memory for both.
    pub(crate) fn update(mut self, read: Slot, write: Slot, bytes: usize) -> Self {
        self.operand(read, Access::Read);
        self.statement.copy = Some((read, write, bytes));
        self.write(write).share(read, write)
    }

    /// The statement so far, for what is no single call.
    pub(crate) fn statement(&mut self) -> &mut Statement {
        &mut self.statement
    }

    /// The statement.
    pub(crate) fn finish(mut self) -> Statement {
        if self.statement.text.is_empty() {
            self.statement.text = format!("{}({});", self.function, self.arguments.join(", "));
        }
        self.statement
    }
}
