//! The beginning of a call, `{"name": "...", "arguments": {`, and the extent of the arguments.

/// Longer beginnings are not taken for such.
const MAX_HEADER: usize = 1024;

/// What a text that may be incomplete begins with.
#[derive(Debug, PartialEq)]
pub(super) enum Header {
    /// The call of this function, whose arguments, an object, begin at this byte.
    Call(String, usize),
    /// Something else.
    Other,
    /// It cannot be known yet.
    Unknown,
}

/// Looks for the beginning of a call in its usual order.
pub(super) fn header(text: &str) -> Header {
    let mut cursor = Cursor { bytes: &text.as_bytes()[..text.len().min(MAX_HEADER)], at: 0 };
    match cursor.call() {
        Ok(name) => Header::Call(name, cursor.at),
        Err(End) if cursor.at < cursor.bytes.len() || text.len() >= MAX_HEADER => Header::Other,
        Err(End) => Header::Unknown,
    }
}

/// The text is at its end, or the next byte is another than expected.
struct End;

struct Cursor<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    fn call(&mut self) -> Result<String, End> {
        self.expect("{")?;
        self.expect("\"name\"")?;
        self.expect(":")?;
        let name = self.string()?;
        self.expect(",")?;
        self.expect("\"arguments\"")?;
        self.expect(":")?;
        self.blanks();
        if self.bytes.get(self.at) == Some(&b'{') { Ok(name) } else { Err(End) }
    }

    fn blanks(&mut self) {
        self.at +=
            self.bytes[self.at..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count();
    }

    /// Blanks, then `word`. Stops at the first byte that differs.
    fn expect(&mut self, word: &str) -> Result<(), End> {
        self.blanks();
        for byte in word.bytes() {
            if self.bytes.get(self.at) != Some(&byte) {
                return Err(End);
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Blanks, then a JSON string. An end within it leaves the cursor at the end of the text, a fault in it at its beginning.
    fn string(&mut self) -> Result<String, End> {
        self.expect("\"")?;
        let start = self.at - 1;
        let mut escaped = false;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            if byte == b'"' && !escaped {
                return serde_json::from_slice(&self.bytes[start..self.at]).map_err(|_| {
                    self.at = start;
                    End
                });
            }
            escaped = byte == b'\\' && !escaped;
        }
        Err(End)
    }
}

/// Finds the end of a JSON object that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct ObjectScanner {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ObjectScanner {
    /// The next piece: how many of its bytes belong to the object, if it ends in it.
    pub(super) fn push(&mut self, text: &str) -> Option<usize> {
        for (i, byte) in text.bytes().enumerate() {
            if self.in_string {
                if byte == b'"' && !self.escaped {
                    self.in_string = false;
                }
                self.escaped = byte == b'\\' && !self.escaped;
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(i + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}
