//! Reading the arguments of opcodes from bytes that cannot be trusted.

use std::borrow::Cow;

use super::error::Fault;

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let taken = taken.ok_or(Fault::Truncated { needed: len, remaining: rest.len() })?;
        self.at += taken.len();
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let rest = &self.bytes[self.at..];
        let taken = rest.first_chunk().ok_or(Fault::Truncated { needed: N as u64, remaining: rest.len() })?;
        self.at += N;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    /// The bytes up to the next end of line, which is passed.
    pub(super) fn line(&mut self) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n').ok_or(Fault::Line)?;
        self.at += end + 1;
        Ok(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]))
    }

    pub(super) fn text_line(&mut self) -> Result<&'a str, Fault> {
        text(self.line()?)
    }
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Text)
}

/// A number in a line of text.
pub(super) fn parse<T: std::str::FromStr>(line: &str) -> Result<T, Fault> {
    line.trim().parse().map_err(|_| Fault::Number)
}

/// The bytes that Python's `repr` of a byte string stands for.
pub(super) fn unquote(line: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    let inner = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err(Fault::Text),
    };
    if !inner.contains(&b'\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let mut unquoted = Vec::with_capacity(inner.len());
    let mut rest = inner;
    loop {
        rest = match rest {
            [] => return Ok(Cow::Owned(unquoted)),
            [b'\\', b'x', high, low, rest @ ..] => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).map_err(|_| Fault::Text)?;
                unquoted.push(u8::from_str_radix(digits, 16).map_err(|_| Fault::Text)?);
                rest
            }
            [b'\\', escaped, rest @ ..] => {
                unquoted.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'\\' | b'\'' | b'"' => *escaped,
                    _ => return Err(Fault::Text),
                });
                rest
            }
            [b'\\'] => return Err(Fault::Text),
            [byte, rest @ ..] => {
                unquoted.push(*byte);
                rest
            }
        }
    }
}

/// The text that Python's raw-unicode-escape coding stands for: Latin-1 with `\uXXXX` and `\UXXXXXXXX`.
pub(super) fn raw_unicode(line: &[u8]) -> Result<Cow<'_, str>, Fault> {
    if line.is_ascii() && !line.contains(&b'\\') {
        return text(line).map(Cow::Borrowed);
    }
    let mut decoded = String::with_capacity(line.len());
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        rest = after;
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                decoded.push(*byte as char);
                continue;
            }
        };
        let code = after.get(1..=digits).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        decoded.push(code.ok_or(Fault::Text)?);
        rest = &after[1 + digits..];
    }
    Ok(Cow::Owned(decoded))
}
