//! The values of a pickle. They lie in one list and refer to each other by number, so that what Python shares is shared here too.

use std::borrow::Cow;

/// A value as it is stored. Numbers are indices of the list.
#[derive(Debug)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// Little-endian two's complement.
    Long(&'a [u8]),
    Float(f64),
    Bytes(Cow<'a, [u8]>),
    Str(Cow<'a, str>),
    List(Vec<u32>),
    Tuple(Box<[u32]>),
    Set(Vec<u32>),
    Dict(Vec<(u32, u32)>),
    Global(&'a str, &'a str),
    Object(Box<ObjectNode>),
    Persistent(u32),
}

#[derive(Debug)]
pub(super) struct ObjectNode {
    pub(super) class: u32,
    pub(super) args: u32,
    pub(super) state: Option<u32>,
    pub(super) items: Vec<u32>,
    pub(super) entries: Vec<(u32, u32)>,
}

/// The list of all values of a pickle.
pub(super) type Nodes<'a> = [Node<'a>];

/// A value of a pickle, borrowed from it. Lists, dictionaries and objects may contain themselves, as in Python.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Value<'p> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of up to 64 bits.
    Int(i64),
    /// A longer integer, little-endian, two's complement.
    Long(&'p [u8]),
    /// A float.
    Float(f64),
    /// Bytes, a bytearray, or a string of Python 2.
    Bytes(&'p [u8]),
    /// A text.
    Str(&'p str),
    /// A list.
    List(Items<'p>),
    /// A tuple.
    Tuple(Items<'p>),
    /// A set or frozenset, in the order of the file.
    Set(Items<'p>),
    /// A dictionary.
    Dict(Entries<'p>),
    /// A class or function, by module and name. It is a name only: nothing is imported.
    Global(&'p str, &'p str),
    /// What Python would get by calling a class or function. Nothing is called.
    Object(Object<'p>),
    /// Something outside the pickle, by the value that names it.
    Persistent(Reference<'p>),
}

/// Values in a row.
#[derive(Clone, Copy)]
pub struct Items<'p> {
    nodes: &'p Nodes<'p>,
    ids: &'p [u32],
}

/// Keys with their values.
#[derive(Clone, Copy)]
pub struct Entries<'p> {
    nodes: &'p Nodes<'p>,
    pairs: &'p [(u32, u32)],
}

/// A value that is looked up when it is asked for.
#[derive(Clone, Copy)]
pub struct Reference<'p> {
    nodes: &'p Nodes<'p>,
    id: u32,
}

/// A call that Python would make, with what it would do to the result.
#[derive(Clone, Copy)]
pub struct Object<'p> {
    nodes: &'p Nodes<'p>,
    object: &'p ObjectNode,
}

/// The value of this number. The machine makes no number without a value.
pub(super) fn value<'p>(nodes: &'p Nodes<'p>, id: u32) -> Value<'p> {
    let items = |ids: &'p [u32]| Items { nodes, ids };
    match nodes.get(id as usize) {
        None | Some(Node::None) => Value::None,
        Some(Node::Bool(value)) => Value::Bool(*value),
        Some(Node::Int(value)) => Value::Int(*value),
        Some(Node::Long(bytes)) => Value::Long(bytes),
        Some(Node::Float(value)) => Value::Float(*value),
        Some(Node::Bytes(bytes)) => Value::Bytes(bytes),
        Some(Node::Str(text)) => Value::Str(text),
        Some(Node::List(ids)) => Value::List(items(ids)),
        Some(Node::Tuple(ids)) => Value::Tuple(items(ids)),
        Some(Node::Set(ids)) => Value::Set(items(ids)),
        Some(Node::Dict(pairs)) => Value::Dict(Entries { nodes, pairs }),
        Some(Node::Global(module, name)) => Value::Global(module, name),
        Some(Node::Object(object)) => Value::Object(Object { nodes, object }),
        Some(Node::Persistent(id)) => Value::Persistent(Reference { nodes, id: *id }),
    }
}

impl<'p> Value<'p> {
    /// A text, or bytes that are one (strings of Python 2 are).
    pub fn as_str(self) -> Option<&'p str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// An integer of up to 64 bits.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            _ => None,
        }
    }

    /// An integer that is a length or an index.
    pub fn as_usize(self) -> Option<usize> {
        self.as_i64().and_then(|value| usize::try_from(value).ok())
    }

    /// A float, or an integer as one.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(value),
            Self::Int(value) => Some(value as f64),
            _ => None,
        }
    }

    /// The items of a list or tuple.
    pub fn as_items(self) -> Option<Items<'p>> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a dictionary, or of an object that is one (`collections.OrderedDict` and the like).
    pub fn as_entries(self) -> Option<Entries<'p>> {
        match self {
            Self::Dict(entries) => Some(entries),
            Self::Object(object) if object.args().is_some_and(Items::is_empty) => Some(object.entries()),
            _ => None,
        }
    }

    /// Whether this is the class or function of this name.
    pub fn is_global(self, module: &str, name: &str) -> bool {
        matches!(self, Self::Global(m, n) if m == module && n == name)
    }

    /// What this is, in a few words, for messages.
    pub fn describe(self) -> String {
        let items = |kind: &str, items: Items<'_>| format!("a {kind} of {} items", items.len());
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(value) => format!("the bool {value}"),
            Self::Int(value) => format!("the integer {value}"),
            Self::Long(bytes) => format!("an integer of {} bytes", bytes.len()),
            Self::Float(value) => format!("the float {value}"),
            Self::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Self::Str(text) => format!("the text {:?}", text.chars().take(40).collect::<String>()),
            Self::List(list) => items("list", list),
            Self::Tuple(tuple) => items("tuple", tuple),
            Self::Set(set) => items("set", set),
            Self::Dict(entries) => format!("a dictionary of {} entries", entries.len()),
            Self::Global(module, name) => format!("the class {module}.{name}"),
            Self::Object(object) => match object.class() {
                Self::Global(module, name) => format!("an object of {module}.{name}"),
                _ => "an object".to_owned(),
            },
            Self::Persistent(_) => "a reference to something outside the pickle".to_owned(),
        }
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl<'p> Items<'p> {
    /// How many there are.
    pub fn len(self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.ids.is_empty()
    }

    /// The item of this number.
    pub fn get(self, index: usize) -> Option<Value<'p>> {
        self.ids.get(index).map(|&id| value(self.nodes, id))
    }

    /// All items in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Value<'p>> {
        self.ids.iter().map(move |&id| value(self.nodes, id))
    }
}

impl<'p> Entries<'p> {
    /// How many there are, a key that stands twice counted twice.
    pub fn len(self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.pairs.is_empty()
    }

    /// The value of a key that is a text; the last one if it stands twice.
    pub fn get(self, key: &str) -> Option<Value<'p>> {
        let found = self.pairs.iter().rev().find(|&&(k, _)| value(self.nodes, k).as_str() == Some(key));
        found.map(|&(_, v)| value(self.nodes, v))
    }

    /// All keys and values, in the order of the file.
    pub fn iter(self) -> impl ExactSizeIterator<Item = (Value<'p>, Value<'p>)> {
        self.pairs.iter().map(move |&(k, v)| (value(self.nodes, k), value(self.nodes, v)))
    }
}

impl<'p> Reference<'p> {
    /// The value that names the thing.
    pub fn name(self) -> Value<'p> {
        value(self.nodes, self.id)
    }
}

impl<'p> Object<'p> {
    /// What would be called: a [`Value::Global`] in all ordinary files.
    pub fn class(self) -> Value<'p> {
        value(self.nodes, self.object.class)
    }

    /// The positional arguments; `None` if they are no tuple.
    pub fn args(self) -> Option<Items<'p>> {
        value(self.nodes, self.object.args).as_items()
    }

    /// What `__setstate__` would be given.
    pub fn state(self) -> Option<Value<'p>> {
        self.object.state.map(|id| value(self.nodes, id))
    }

    /// What would be appended to it.
    pub fn items(self) -> Items<'p> {
        Items { nodes: self.nodes, ids: &self.object.items }
    }

    /// What would be set in it by key.
    pub fn entries(self) -> Entries<'p> {
        Entries { nodes: self.nodes, pairs: &self.object.entries }
    }

    /// Whether the class or function of this name would be called.
    pub fn is(self, module: &str, name: &str) -> bool {
        self.class().is_global(module, name)
    }
}
