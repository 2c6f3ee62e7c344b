//! A file as a list of tokens.

use super::error::{At, Problem, QasmError};

/// What a token is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Kind<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// A number without a sign.
    Number(f64),
    /// A text between quotes.
    Text(&'a str),
    /// A qubit of a device, `$0`.
    Hardware(usize),
    /// One of [`SYMBOLS`].
    Symbol(&'static str),
    /// The end of the file.
    End,
}

/// A token and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) at: At,
}

/// Longer ones come first.
const SYMBOLS: [&str; 36] = [
    "->", "==", "!=", "<=", ">=", "&&", "||", "**", "++", "+=", "-=", "<<", ">>", ";", ",", "(", ")", "[",
    "]", "{", "}", "=", "+", "-", "*", "/", "^", "%", "@", ":", "<", ">", "!", "&", "|", "~",
];

struct Lexer<'a> {
    rest: &'a str,
    at: At,
    tokens: Vec<Token<'a>>,
}

/// All tokens, the end last.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, QasmError> {
    let mut lexer = Lexer {
        rest: text.trim_start_matches('\u{feff}'),
        at: At { line: 1, column: 1 },
        tokens: Vec::new(),
    };
    while lexer.skip()? {
        let token = lexer.token()?;
        lexer.tokens.push(token);
    }
    lexer.tokens.push(Token { kind: Kind::End, at: lexer.at });
    Ok(lexer.tokens)
}

impl<'a> Lexer<'a> {
    /// Takes so many bytes.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        for character in taken.chars() {
            if character == '\n' {
                self.at.line = self.at.line.saturating_add(1);
                self.at.column = 1;
            } else {
                self.at.column = self.at.column.saturating_add(1);
            }
        }
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|character| !wanted(character)).unwrap_or(self.rest.len()))
    }

    /// Passes over blanks, comments, pragmas and annotations; whether anything is left.
    fn skip(&mut self) -> Result<bool, QasmError> {
        loop {
            self.take_while(char::is_whitespace);
            let between =
                self.tokens.last().is_none_or(|token| matches!(token.kind, Kind::Symbol(";" | "}" | "{")));
            let pragma = ["#pragma", "pragma "].iter().any(|word| self.rest.starts_with(word));
            if self.rest.starts_with("//") || (between && (self.rest.starts_with('@') || pragma)) {
                self.take_while(|character| character != '\n');
            } else if self.rest.starts_with("/*") {
                let end =
                    self.rest[2..].find("*/").ok_or_else(|| self.at.error(Problem::Unclosed("a comment")))?;
                self.take(end + 4);
            } else {
                return Ok(!self.rest.is_empty());
            }
        }
    }

    fn token(&mut self) -> Result<Token<'a>, QasmError> {
        let at = self.at;
        let first = self.rest.chars().next().unwrap_or(' ');
        let second = self.rest.chars().nth(1).unwrap_or(' ');
        let kind = if first.is_alphabetic() || first == '_' || first == 'ℇ' {
            Kind::Word(self.take_while(|c| c.is_alphanumeric() || c == '_' || c == 'ℇ'))
        } else if first.is_ascii_digit() || (first == '.' && second.is_ascii_digit()) {
            Kind::Number(self.number(at)?)
        } else if first == '"' || first == '\'' {
            self.take(1);
            let text = self.take_while(|c| c != first && c != '\n');
            if !self.rest.starts_with(first) {
                return Err(at.error(Problem::Unclosed("a text")));
            }
            self.take(1);
            Kind::Text(text)
        } else if first == '$' {
            self.take(1);
            let digits = self.take_while(|c| c.is_ascii_digit());
            Kind::Hardware(digits.parse().map_err(|_| at.error(Problem::Number(format!("${digits}"))))?)
        } else {
            let symbol = SYMBOLS.iter().find(|symbol| self.rest.starts_with(**symbol));
            let symbol = symbol.ok_or_else(|| at.error(Problem::Character(first)))?;
            self.take(symbol.len());
            Kind::Symbol(symbol)
        };
        Ok(Token { kind, at })
    }

    fn number(&mut self, at: At) -> Result<f64, QasmError> {
        let digit = |c: char| c.is_ascii_digit() || c == '_';
        let start = self.rest;
        let radix = match start.as_bytes().get(..2) {
            Some(b"0x" | b"0X") => Some(16),
            Some(b"0b" | b"0B") => Some(2),
            Some(b"0o") => Some(8),
            _ => None,
        };
        if radix.is_some() {
            self.take(2);
            self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        } else {
            self.take_while(digit);
            // `0:2` is a range, `1.` is a number.
            if self.rest.starts_with('.') {
                self.take(1);
                self.take_while(digit);
            }
            let exponent = self.rest.strip_prefix(['e', 'E']).map(|rest| rest.trim_start_matches(['+', '-']));
            if exponent.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
                self.take(1);
                self.take_while(|c| digit(c) || c == '+' || c == '-');
            }
            // Units of time and the like.
            self.take_while(|c| c.is_alphanumeric() || c == '_');
        }
        let text: String = start[..start.len() - self.rest.len()].chars().filter(|c| *c != '_').collect();
        let value = match radix {
            Some(radix) => u64::from_str_radix(&text[2..], radix).ok().map(|value| value as f64),
            None => text.parse::<f64>().ok().filter(|value| value.is_finite()),
        };
        value.ok_or_else(|| at.error(Problem::Number(text)))
    }
}
