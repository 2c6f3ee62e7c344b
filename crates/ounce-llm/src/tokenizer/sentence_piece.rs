//! SentencePiece's BPE: the adjacent pair whose joined piece scores best is merged, until none is in the vocabulary.
//!
//! After Kudo and Richardson, "SentencePiece" (EMNLP 2018), and the library of that name. Pieces are looked up by their text, so no list of merge
//! rules is derived from the vocabulary at load, which for the 262 144 pieces of Gemma would take seconds.

use std::collections::{BinaryHeap, HashMap};

use super::pieces::Kind;

/// How SentencePiece writes a space.
pub(crate) const SPACE: char = '\u{2581}';

/// A SentencePiece BPE vocabulary, ready to encode.
#[derive(Debug)]
pub(crate) struct SentencePiece {
    ids: HashMap<Box<str>, u32>,
    scores: Vec<f32>,
    kinds: Vec<Kind>,
    literals: Literals,
    /// The token of each byte; `None` if the vocabulary has no byte tokens at all.
    bytes: Option<Box<[u32; 256]>>,
    unknown: Option<u32>,
    add_space_prefix: bool,
}

/// What is needed besides the tokens themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) unknown: Option<u32>,
    pub(crate) add_space_prefix: bool,
}

/// One symbol of the text that is being merged: bytes `start..end` of it, and its neighbours. A symbol that was merged into its left
/// neighbour has `end == start`.
struct Symbol {
    start: usize,
    end: usize,
    previous: usize,
    next: usize,
    /// The token, if the symbol is one.
    id: Option<u32>,
}

const NONE: usize = usize::MAX;

/// A merge that may be made. Ordered by score, then from left to right.
struct Merge {
    score: f32,
    left: usize,
    right: usize,
    id: u32,
    bytes: usize,
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}
impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Merge {}

impl SentencePiece {
    /// `tokens`, `scores` and `kinds` run over the vocabulary and have the same length, which the caller has checked.
    pub(crate) fn new(
        tokens: &[String],
        scores: Vec<f32>,
        kinds: Vec<Kind>,
        settings: Settings,
    ) -> SentencePiece {
        let mut ids = HashMap::with_capacity(tokens.len());
        let mut literals = Literals::new();
        let mut bytes = [None; 256];
        for (id, (token, &kind)) in (0u32..).zip(tokens.iter().zip(&kinds)) {
            if token.is_empty() {
                continue;
            }
            ids.entry(Box::from(token.as_str())).or_insert(id);
            match kind {
                Kind::Control | Kind::Unknown => literals.add(token, id),
                // Files differ in how they write the spaces of these, and texts too.
                Kind::UserDefined => {
                    literals.add(token, id);
                    literals.add(&token.replace(SPACE, " "), id);
                    literals.add(&token.replace(' ', "\u{2581}"), id);
                }
                Kind::Byte => {
                    if let Some(byte) = byte_of(token) {
                        bytes[byte as usize].get_or_insert(id);
                    }
                }
                Kind::Normal | Kind::Unused => {}
            }
        }
        let unknown = settings.unknown.filter(|&id| (id as usize) < tokens.len());
        let bytes = bytes.iter().any(Option::is_some).then(|| {
            let fallback = unknown.unwrap_or(0);
            Box::new(bytes.map(|id| id.unwrap_or(fallback)))
        });
        SentencePiece {
            ids,
            scores,
            kinds,
            literals,
            bytes,
            unknown,
            add_space_prefix: settings.add_space_prefix,
        }
    }

    /// Whether a text begins with a space of its own.
    pub(crate) fn adds_space_prefix(&self) -> bool {
        self.add_space_prefix
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// Appends the tokens of `text`; control tokens in it are tokens only if `parse`.
    pub(crate) fn encode(&self, text: &str, parse: bool, out: &mut Vec<u32>) {
        let accept = |id: u32| parse || !self.kinds[id as usize].is_special();
        let mut plain = 0;
        let mut at = 0;
        while at < text.len() {
            match self.literals.longest_at(text, at, accept) {
                Some((id, length)) => {
                    self.encode_plain(&text[plain..at], out);
                    out.push(id);
                    at += length;
                    plain = at;
                }
                None => at = self.literals.next_candidate(text, at + 1),
            }
        }
        self.encode_plain(&text[plain..], out);
    }

    /// A stretch of text between literal tokens. Each gets its own leading space, as in the tokenizers of Llama 1 and 2.
    fn encode_plain(&self, text: &str, out: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        let mut spaced = String::with_capacity(text.len() + text.len() / 4 + 3);
        if self.add_space_prefix {
            spaced.push(SPACE);
        }
        for c in text.chars() {
            spaced.push(if c == ' ' { SPACE } else { c });
        }
        self.merge(&spaced, out);
    }

    fn merge(&self, text: &str, out: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = Vec::with_capacity(text.len());
        for (start, c) in text.char_indices() {
            let end = start + c.len_utf8();
            let index = symbols.len();
            symbols.push(Symbol {
                start,
                end,
                previous: index.wrapping_sub(1),
                next: index + 1,
                id: self.mergeable(&text[start..end]),
            });
        }
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
        let mut queue = BinaryHeap::with_capacity(symbols.len());
        let mut unused = HashMap::new();
        for left in 0..symbols.len().saturating_sub(1) {
            self.propose(text, &symbols, left, left + 1, &mut queue, &mut unused);
        }
        while let Some(merge) = queue.pop() {
            let (left, right) = (merge.left, merge.right);
            // Stale if either side has been merged since.
            let (l, r) = (&symbols[left], &symbols[right]);
            if l.end == l.start || r.end == r.start || r.end - l.start != merge.bytes || l.next != right {
                continue;
            }
            let (end, next) = (r.end, r.next);
            symbols[right].end = symbols[right].start;
            symbols[left].end = end;
            symbols[left].next = next;
            symbols[left].id = Some(merge.id);
            if next != NONE {
                symbols[next].previous = left;
                self.propose(text, &symbols, left, next, &mut queue, &mut unused);
            }
            let previous = symbols[left].previous;
            if previous != NONE {
                self.propose(text, &symbols, previous, left, &mut queue, &mut unused);
            }
        }
        let mut unknown_before = false;
        for symbol in symbols.iter().filter(|s| s.end > s.start) {
            let piece = &text[symbol.start..symbol.end];
            match symbol.id {
                Some(id) if self.kinds[id as usize] != Kind::Unused => {
                    out.push(id);
                    unknown_before = false;
                }
                Some(_) => {
                    self.split_unused(piece, &unused, out);
                    unknown_before = false;
                }
                None => match &self.bytes {
                    Some(bytes) => {
                        out.extend(piece.bytes().map(|b| bytes[b as usize]));
                        unknown_before = false;
                    }
                    // A run of unknown characters is one unknown token.
                    None if !unknown_before => {
                        out.extend(self.unknown);
                        unknown_before = true;
                    }
                    None => {}
                },
            }
        }
    }

    /// The token of a piece that merging may give.
    fn mergeable(&self, piece: &str) -> Option<u32> {
        let id = self.id(piece)?;
        matches!(self.kinds[id as usize], Kind::Normal | Kind::UserDefined | Kind::Unused).then_some(id)
    }

    /// Queues the merge of two neighbours if the vocabulary has the joined piece.
    fn propose<'t>(
        &self,
        text: &'t str,
        symbols: &[Symbol],
        left: usize,
        right: usize,
        queue: &mut BinaryHeap<Merge>,
        unused: &mut HashMap<&'t str, usize>,
    ) {
        let (l, r) = (&symbols[left], &symbols[right]);
        let piece = &text[l.start..r.end];
        let Some(id) = self.mergeable(piece) else { return };
        if self.kinds[id as usize] == Kind::Unused {
            unused.insert(piece, l.end - l.start);
        }
        queue.push(Merge { score: self.scores[id as usize], left, right, id, bytes: piece.len() });
    }

    /// An unused piece can be a step on the way to a longer one, but is never given out: it is taken apart as it was put together.
    fn split_unused(&self, piece: &str, unused: &HashMap<&str, usize>, out: &mut Vec<u32>) {
        let mut todo = vec![piece];
        while let Some(piece) = todo.pop() {
            match (self.mergeable(piece), unused.get(piece)) {
                (Some(id), None) => out.push(id),
                (_, Some(&at)) => {
                    let (left, right) = piece.split_at(at);
                    todo.push(right);
                    todo.push(left);
                }
                (None, None) => match &self.bytes {
                    Some(bytes) => out.extend(piece.bytes().map(|b| bytes[b as usize])),
                    None => out.extend(self.unknown),
                },
            }
        }
    }
}

/// The byte of a byte token `<0xAB>`.
pub(crate) fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Tokens that are matched in the text before merging, longest first.
#[derive(Debug)]
struct Literals {
    ids: HashMap<Box<str>, u32>,
    /// By first byte: the lengths that occur, longest first.
    lengths: Box<[Vec<usize>; 256]>,
}

impl Literals {
    fn new() -> Literals {
        Literals { ids: HashMap::new(), lengths: Box::new([const { Vec::new() }; 256]) }
    }

    fn add(&mut self, literal: &str, id: u32) {
        self.ids.entry(Box::from(literal)).or_insert(id);
        let Some(&first) = literal.as_bytes().first() else { return };
        let lengths = &mut self.lengths[first as usize];
        if let Err(at) = lengths.binary_search_by(|l| literal.len().cmp(l)) {
            lengths.insert(at, literal.len());
        }
    }

    fn longest_at(&self, text: &str, at: usize, accept: impl Fn(u32) -> bool) -> Option<(u32, usize)> {
        self.lengths[text.as_bytes()[at] as usize].iter().find_map(|&length| {
            let id = *self.ids.get(text.get(at..at + length)?)?;
            accept(id).then_some((id, length))
        })
    }

    /// The next place from `from` on where a literal could start.
    fn next_candidate(&self, text: &str, from: usize) -> usize {
        let bytes = text.as_bytes();
        (from..bytes.len())
            .find(|&i| !self.lengths[bytes[i] as usize].is_empty() && text.is_char_boundary(i))
            .unwrap_or(text.len())
    }
}

/// Writes what a token stands for into `out`.
pub(crate) fn decode_into(token: &str, kind: Kind, out: &mut Vec<u8>) {
    match (kind, byte_of(token)) {
        (Kind::Byte, Some(byte)) => out.push(byte),
        _ => out.extend(token.replace(SPACE, " ").bytes()),
    }
}
