//! The stack machine that pickles are programs for. It builds values and calls nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cursor::{Cursor, parse, raw_unicode, text, unquote};
use super::error::{Fault, PickleError};
use super::value::{Node, ObjectNode, value};

/// Values that stand before all others, so that a byte of input that makes one takes no memory.
const NONE: u32 = 0;
const FALSE: u32 = 1;
const TRUE: u32 = 2;
const EMPTY_TUPLE: u32 = 3;

const NEWEST_PROTOCOL: u8 = 5;

struct Machine<'a> {
    cursor: Cursor<'a>,
    nodes: Vec<Node<'a>>,
    stack: Vec<u32>,
    /// Heights of the stack at which marks stand.
    marks: Vec<usize>,
    memo: HashMap<u32, u32>,
}

/// What a pickle holds, and how many bytes it takes.
pub(super) struct Output<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) root: u32,
    pub(super) end: usize,
}

/// Runs the program at the start of `bytes`.
pub(super) fn run(bytes: &[u8]) -> Result<Output<'_>, PickleError> {
    let constants = [Node::None, Node::Bool(false), Node::Bool(true), Node::Tuple(Box::default())];
    let mut machine = Machine {
        cursor: Cursor::new(bytes),
        nodes: Vec::from(constants),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let offset = machine.cursor.offset();
        let opcode = machine.cursor.u8().map_err(|fault| PickleError { opcode: None, offset, fault })?;
        let step =
            if opcode == b'.' { machine.stop().map(Some) } else { machine.step(opcode).map(|()| None) };
        match step {
            Ok(None) => {}
            Ok(Some(root)) => {
                return Ok(Output { nodes: machine.nodes, root, end: machine.cursor.offset() });
            }
            Err(fault) => return Err(PickleError { opcode: Some(opcode), offset, fault }),
        }
    }
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<(), Fault> {
        match opcode {
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.drop_top()?,
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.stack.push(NONE),
            0x88 => self.stack.push(TRUE),
            0x89 => self.stack.push(FALSE),
            b'I' | b'J' | b'K' | b'L' | b'M' | 0x8A | 0x8B | b'F' | b'G' => {
                let number = self.number(opcode)?;
                return self.push(number);
            }
            b'S' | b'T' | b'U' | b'B' | b'C' | 0x8E | 0x96 => {
                let bytes = self.bytes(opcode)?;
                return self.push(Node::Bytes(bytes));
            }
            b'V' | b'X' | 0x8C | 0x8D => {
                let text = self.text(opcode)?;
                return self.push(Node::Str(text));
            }
            b']' => return self.push(Node::List(Vec::new())),
            b'}' => return self.push(Node::Dict(Vec::new())),
            0x8F => return self.push(Node::Set(Vec::new())),
            b')' => self.stack.push(EMPTY_TUPLE),
            b'l' | b't' | b'd' | 0x91 => {
                let items = self.pop_to_mark()?;
                return self.push(match opcode {
                    b'l' => Node::List(items),
                    b't' => Node::Tuple(items.into()),
                    b'd' => Node::Dict(pairs(&items)?),
                    _ => Node::Set(items),
                });
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                return self.push(Node::Tuple(items.into()));
            }
            b'a' => {
                let items = self.pop_many(1)?;
                return self.append(&items);
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                return self.append(&items);
            }
            b's' => {
                let items = self.pop_many(2)?;
                return self.set_items(&items);
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                return self.set_items(&items);
            }
            b'c' | 0x93 | b'R' | b'b' | b'i' | b'o' | 0x81 | 0x92 | b'P' | b'Q' => {
                return self.object(opcode);
            }
            b'p' | b'q' | b'r' | 0x94 => {
                let key = match opcode {
                    b'p' => parse(self.cursor.text_line()?)?,
                    b'q' => self.cursor.u8()?.into(),
                    b'r' => self.cursor.u32()?,
                    _ => self.memo.len() as u32,
                };
                let top = self.top()?;
                self.memo.insert(key, top);
            }
            b'g' | b'h' | b'j' => {
                let key = match opcode {
                    b'g' => parse(self.cursor.text_line()?)?,
                    b'h' => self.cursor.u8()?.into(),
                    _ => self.cursor.u32()?,
                };
                let id = *self.memo.get(&key).ok_or(Fault::Memo(key))?;
                self.stack.push(id);
            }
            0x80 => {
                let protocol = self.cursor.u8()?;
                if protocol > NEWEST_PROTOCOL {
                    return Err(Fault::Protocol(protocol));
                }
            }
            0x95 => {
                // A frame is a hint for readers of streams.
                let (needed, remaining) = (self.cursor.u64()?, self.cursor.remaining());
                if needed > remaining as u64 {
                    return Err(Fault::Truncated { needed, remaining });
                }
            }
            0x82..=0x84 => return Err(Fault::Unsupported("codes of Python's extension registry")),
            0x97 | 0x98 => return Err(Fault::Unsupported("buffers outside the pickle")),
            _ => return Err(Fault::Unknown),
        }
        Ok(())
    }

    fn number(&mut self, opcode: u8) -> Result<Node<'a>, Fault> {
        let cursor = &mut self.cursor;
        Ok(match opcode {
            b'I' => match cursor.text_line()? {
                "00" => Node::Bool(false),
                "01" => Node::Bool(true),
                line => Node::Int(parse(line)?),
            },
            b'J' => Node::Int(i32::from_le_bytes(cursor.array()?).into()),
            b'K' => Node::Int(cursor.u8()?.into()),
            b'L' => {
                let line = cursor.text_line()?;
                Node::Int(parse(line.strip_suffix('L').unwrap_or(line))?)
            }
            b'M' => Node::Int(cursor.u16()?.into()),
            b'F' => Node::Float(parse(cursor.text_line()?)?),
            b'G' => Node::Float(f64::from_be_bytes(cursor.array()?)),
            _ => {
                let len = if opcode == 0x8A { cursor.u8()?.into() } else { cursor.u32()? };
                let bytes = cursor.take(len.into())?;
                if bytes.len() > 8 {
                    return Ok(Node::Long(bytes));
                }
                let sign = bytes.last().is_some_and(|&byte| byte >= 0x80);
                let mut extended = if sign { [0xFF; 8] } else { [0; 8] };
                extended[..bytes.len()].copy_from_slice(bytes);
                Node::Int(i64::from_le_bytes(extended))
            }
        })
    }

    fn bytes(&mut self, opcode: u8) -> Result<Cow<'a, [u8]>, Fault> {
        let cursor = &mut self.cursor;
        let len = match opcode {
            b'S' => return unquote(cursor.line()?),
            b'U' | b'C' => cursor.u8()?.into(),
            b'T' | b'B' => cursor.u32()?.into(),
            _ => cursor.u64()?,
        };
        cursor.take(len).map(Cow::Borrowed)
    }

    fn text(&mut self, opcode: u8) -> Result<Cow<'a, str>, Fault> {
        let cursor = &mut self.cursor;
        let len = match opcode {
            b'V' => return raw_unicode(cursor.line()?),
            0x8C => cursor.u8()?.into(),
            b'X' => cursor.u32()?.into(),
            _ => cursor.u64()?,
        };
        text(cursor.take(len)?).map(Cow::Borrowed)
    }

    fn object(&mut self, opcode: u8) -> Result<(), Fault> {
        match opcode {
            b'c' => {
                let global = self.global_lines()?;
                self.push(global)
            }
            0x93 => {
                let [module, name] = [1, 0].map(|below| self.borrowed_text(below));
                let global = Node::Global(module?, name?);
                self.pop_many(2)?;
                self.push(global)
            }
            b'R' | 0x81 => {
                let args = self.pop()?;
                let class = self.pop()?;
                self.push_object(class, args)
            }
            0x92 => {
                let (named, args) = (self.pop()?, self.pop()?);
                let class = self.pop()?;
                if !matches!(self.node(named), Node::Dict(entries) if entries.is_empty()) {
                    return Err(Fault::Unsupported("constructors with named arguments"));
                }
                self.push_object(class, args)
            }
            b'i' => {
                let global = self.global_lines()?;
                let args = self.pop_to_mark()?;
                let class = self.add(global)?;
                let args = self.add(Node::Tuple(args.into()))?;
                self.push_object(class, args)
            }
            b'o' => {
                let mut items = self.pop_to_mark()?.into_iter();
                let class = items.next().ok_or(Fault::Stack)?;
                let args = self.add(Node::Tuple(items.collect()))?;
                self.push_object(class, args)
            }
            b'b' => {
                let state = self.pop()?;
                let target = self.top()?;
                match self.nodes.get_mut(target as usize) {
                    Some(Node::Object(object)) if object.state.is_none() => object.state = Some(state),
                    Some(Node::Object(_)) => return Err(Fault::State),
                    _ => return Err(self.wrong_target(target)),
                }
                Ok(())
            }
            _ => {
                let id = if opcode == b'P' {
                    let line = self.cursor.text_line()?;
                    self.add(Node::Str(Cow::Borrowed(line)))?
                } else {
                    self.pop()?
                };
                self.push(Node::Persistent(id))
            }
        }
    }

    fn global_lines(&mut self) -> Result<Node<'a>, Fault> {
        Ok(Node::Global(self.cursor.text_line()?, self.cursor.text_line()?))
    }

    /// The text that stands so far below the top of the stack.
    fn borrowed_text(&self, below: usize) -> Result<&'a str, Fault> {
        let id = self.stack.len().checked_sub(below + 1).and_then(|at| self.stack.get(at));
        match self.node(*id.ok_or(Fault::Stack)?) {
            Node::Str(Cow::Borrowed(text)) => Ok(text),
            _ => Err(Fault::Text),
        }
    }

    fn append(&mut self, added: &[u32]) -> Result<(), Fault> {
        let target = self.top()?;
        match self.nodes.get_mut(target as usize) {
            Some(Node::List(items) | Node::Set(items)) => items.extend_from_slice(added),
            Some(Node::Object(object)) => object.items.extend_from_slice(added),
            _ => return Err(self.wrong_target(target)),
        }
        Ok(())
    }

    fn set_items(&mut self, items: &[u32]) -> Result<(), Fault> {
        let target = self.top()?;
        match self.nodes.get_mut(target as usize) {
            Some(Node::Dict(entries)) => entries.extend(pairs(items)?),
            Some(Node::Object(object)) => object.entries.extend(pairs(items)?),
            _ => return Err(self.wrong_target(target)),
        }
        Ok(())
    }

    fn wrong_target(&self, id: u32) -> Fault {
        Fault::Target { found: value(&self.nodes, id).describe() }
    }

    fn stop(&mut self) -> Result<u32, Fault> {
        let root = self.pop()?;
        if !self.stack.is_empty() || !self.marks.is_empty() {
            return Err(Fault::Left(self.stack.len() + self.marks.len()));
        }
        Ok(root)
    }

    fn node(&self, id: u32) -> &Node<'a> {
        self.nodes.get(id as usize).unwrap_or(&Node::None)
    }

    fn add(&mut self, node: Node<'a>) -> Result<u32, Fault> {
        let id = u32::try_from(self.nodes.len()).map_err(|_| Fault::TooMany)?;
        self.nodes.push(node);
        Ok(id)
    }

    fn push(&mut self, node: Node<'a>) -> Result<(), Fault> {
        let id = self.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn push_object(&mut self, class: u32, args: u32) -> Result<(), Fault> {
        let object = ObjectNode { class, args, state: None, items: Vec::new(), entries: Vec::new() };
        self.push(Node::Object(Box::new(object)))
    }

    /// The stack down to the last mark is out of reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<u32, Fault> {
        self.stack.get(self.floor()..).and_then(<[u32]>::last).copied().ok_or(Fault::Stack)
    }

    fn pop(&mut self) -> Result<u32, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Drops the topmost value, or the mark if that is on top.
    fn drop_top(&mut self) -> Result<(), Fault> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<u32>, Fault> {
        match self.stack.len().checked_sub(count) {
            Some(at) if at >= self.floor() => Ok(self.stack.drain(at..).collect()),
            _ => Err(Fault::Stack),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<u32>, Fault> {
        let at = self.marks.pop().ok_or(Fault::Mark)?;
        Ok(self.stack.drain(at..).collect())
    }
}

fn pairs(items: &[u32]) -> Result<Vec<(u32, u32)>, Fault> {
    match items.as_chunks() {
        (pairs, []) => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err(Fault::Pairs),
    }
}
