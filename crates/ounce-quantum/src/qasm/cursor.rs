//! A place among the tokens of a file.

use super::error::{At, Problem, QasmError};
use super::lexer::{Kind, Token};

pub(super) struct Cursor<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Cursor<'a> {
    /// Before the first of some tokens, of which the last is [`Kind::End`].
    pub(super) fn new(tokens: Vec<Token<'a>>) -> Self {
        Self { tokens, next: 0 }
    }

    pub(super) fn tokens(&self) -> &[Token<'a>] {
        &self.tokens
    }

    /// The next token; beyond the end it stays [`Kind::End`].
    pub(super) fn peek(&self) -> Token<'a> {
        self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    /// The token after the next.
    pub(super) fn second(&self) -> Kind<'a> {
        self.tokens[(self.next + 1).min(self.tokens.len() - 1)].kind
    }

    pub(super) fn at(&self) -> At {
        self.peek().at
    }

    pub(super) fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.next += 1;
        token
    }

    pub(super) fn is(&self, symbol: &str) -> bool {
        matches!(self.peek().kind, Kind::Symbol(own) if own == symbol)
    }

    /// Takes a symbol, if it is the next.
    pub(super) fn takes(&mut self, symbol: &str) -> bool {
        let is = self.is(symbol);
        self.next += usize::from(is);
        is
    }

    pub(super) fn takes_word(&mut self, word: &str) -> bool {
        let is = self.peek().kind == Kind::Word(word);
        self.next += usize::from(is);
        is
    }

    pub(super) fn expect(&mut self, symbol: &'static str) -> Result<(), QasmError> {
        if self.takes(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    pub(super) fn word(&mut self, what: &'static str) -> Result<(&'a str, At), QasmError> {
        match self.peek() {
            Token { kind: Kind::Word(word), at } => {
                self.next += 1;
                Ok((word, at))
            }
            _ => Err(self.expected(what)),
        }
    }

    /// Something must stand here and does not.
    pub(super) fn expected(&self, expected: &'static str) -> QasmError {
        let token = self.peek();
        let found = match token.kind {
            Kind::Word(word) => format!("{word:?}"),
            Kind::Number(value) => format!("the number {value}"),
            Kind::Text(text) => format!("the text {text:?}"),
            Kind::Hardware(number) => format!("${number}"),
            Kind::Symbol(symbol) => symbol.to_owned(),
            Kind::End => "the end of the file".to_owned(),
        };
        token.at.error(Problem::Expected { expected, found })
    }
}
