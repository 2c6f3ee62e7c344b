//! The wire format of Protocol Buffers: keys, varints, lengths; reading and writing.
//!
//! Source: the encoding guide of Protocol Buffers. A message is a row of fields, each a key (number of the field and wire type, a varint) and a
//! payload; fields may come in any order and unknown ones are skipped.

use thiserror::Error;

/// What is wrong with the bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireFault {
    /// A field is longer than the message that it stands in.
    #[error("{needed} bytes needed, {remaining} left in the message; the file is truncated or damaged")]
    Truncated {
        /// Bytes of the field.
        needed: u64,
        /// Bytes left.
        remaining: usize,
    },
    /// A varint of more than 64 bits.
    #[error("a varint has more than 64 bits; the file is damaged")]
    Varint,
    /// A wire type that does not exist or was given up (groups).
    #[error("wire type {0} is not supported; the file is damaged")]
    WireType(u8),
    /// A field has the number 0.
    #[error("a field has the number 0; the file is damaged")]
    FieldNumber,
    /// A field has another wire type than its kind needs.
    #[error("field {field} has wire type {found}; expected {expected}")]
    Kind {
        /// Number of the field.
        field: u32,
        /// What is needed.
        expected: &'static str,
        /// Wire type in the file.
        found: u8,
    },
    /// A text is not UTF-8.
    #[error("the text of field {field} is not UTF-8")]
    NotUtf8 {
        /// Number of the field.
        field: u32,
    },
}

/// A fault and where in the file it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fell {
    pub(super) offset: usize,
    pub(super) fault: WireFault,
}

/// A message, and where in the file it starts.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    start: usize,
    at: usize,
}

/// The payload of a field.
#[derive(Clone, Copy)]
enum Payload<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// A field of a message.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    /// Where its payload starts in the file.
    pub(super) offset: usize,
    payload: Payload<'a>,
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, start, at: 0 }
    }

    /// Where the message starts in the file.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// How often each of the fields stands in the message.
    pub(super) fn count<const N: usize>(mut self, fields: [u32; N]) -> Result<[usize; N], Fell> {
        let mut counts = [0; N];
        while let Some(field) = self.next()? {
            if let Some(at) = fields.iter().position(|&number| number == field.number) {
                counts[at] += 1;
            }
        }
        Ok(counts)
    }

    /// The next field; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, Fell> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let offset = self.start + self.at;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).unwrap_or(0);
        if number == 0 {
            return Err(Fell { offset, fault: WireFault::FieldNumber });
        }
        let mut offset = self.start + self.at;
        let payload = match (key & 7) as u8 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(self.array()?),
            2 => {
                let len = self.varint()?;
                offset = self.start + self.at;
                Payload::Bytes(self.take(len)?)
            }
            5 => Payload::Fixed32(self.array()?),
            other => return Err(Fell { offset, fault: WireFault::WireType(other) }),
        };
        Ok(Some(Field { number, offset, payload }))
    }

    pub(super) fn varint(&mut self) -> Result<u64, Fell> {
        let offset = self.start + self.at;
        let rest = &self.bytes[self.at..];
        let mut value = 0;
        for (i, &byte) in rest.iter().take(10).enumerate() {
            // The tenth byte has room for one bit.
            if i == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7F) << (7 * i);
            if byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        let fault = if rest.len() < 10 {
            WireFault::Truncated { needed: rest.len() as u64 + 1, remaining: rest.len() }
        } else {
            WireFault::Varint
        };
        Err(Fell { offset, fault })
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Fell> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let taken = taken.ok_or(Fell {
            offset: self.start + self.at,
            fault: WireFault::Truncated { needed: len, remaining: rest.len() },
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fell> {
        let rest = &self.bytes[self.at..];
        let fault = WireFault::Truncated { needed: N as u64, remaining: rest.len() };
        let taken = rest.first_chunk().ok_or(Fell { offset: self.start + self.at, fault })?;
        self.at += N;
        Ok(*taken)
    }

    fn done(&self) -> bool {
        self.at == self.bytes.len()
    }
}

impl<'a> Field<'a> {
    fn wire_type(&self) -> u8 {
        match self.payload {
            Payload::Varint(_) => 0,
            Payload::Fixed64(_) => 1,
            Payload::Bytes(_) => 2,
            Payload::Fixed32(_) => 5,
        }
    }

    fn wrong<T>(&self, expected: &'static str) -> Result<T, Fell> {
        let fault = WireFault::Kind { field: self.number, expected, found: self.wire_type() };
        Err(Fell { offset: self.offset, fault })
    }

    pub(super) fn bytes(&self) -> Result<&'a [u8], Fell> {
        match self.payload {
            Payload::Bytes(bytes) => Ok(bytes),
            _ => self.wrong("2 (bytes)"),
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, Fell> {
        let fault = WireFault::NotUtf8 { field: self.number };
        std::str::from_utf8(self.bytes()?).map_err(|_| Fell { offset: self.offset, fault })
    }

    pub(super) fn message(&self) -> Result<Message<'a>, Fell> {
        Ok(Message::new(self.bytes()?, self.offset))
    }

    /// An int64, or an int32 or enum, which are extended to 64 bits.
    pub(super) fn int(&self) -> Result<i64, Fell> {
        match self.payload {
            Payload::Varint(value) => Ok(value as i64),
            _ => self.wrong("0 (varint)"),
        }
    }

    pub(super) fn float(&self) -> Result<f32, Fell> {
        match self.payload {
            Payload::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => self.wrong("5 (32 bits)"),
        }
    }

    /// Appends the integers of a repeated field, packed or one by one.
    pub(super) fn ints(&self, into: &mut Vec<i64>) -> Result<(), Fell> {
        let Payload::Bytes(bytes) = self.payload else {
            into.push(self.int()?);
            return Ok(());
        };
        // The last byte of each varint is below 128.
        into.reserve(bytes.iter().filter(|&&byte| byte < 0x80).count());
        let mut packed = Message::new(bytes, self.offset);
        while !packed.done() {
            into.push(packed.varint()? as i64);
        }
        Ok(())
    }

    /// The bytes of a repeated field of numbers of `N` bytes each: a packed row, or one number.
    pub(super) fn fixed<const N: usize>(&self) -> Result<Fixed<'a>, Fell> {
        let fixed = match self.payload {
            Payload::Bytes(bytes) if bytes.len() % N == 0 => Fixed::Packed(bytes),
            Payload::Bytes(bytes) => {
                let fault = WireFault::Truncated { needed: N as u64, remaining: bytes.len() % N };
                return Err(Fell { offset: self.offset, fault });
            }
            Payload::Fixed32(bytes) if N == 4 => Fixed::One32(bytes),
            Payload::Fixed64(bytes) if N == 8 => Fixed::One64(bytes),
            _ => return self.wrong("2 (packed numbers)"),
        };
        Ok(fixed)
    }
}

/// Numbers of fixed size, little-endian.
pub(super) enum Fixed<'a> {
    Packed(&'a [u8]),
    One32([u8; 4]),
    One64([u8; 8]),
}

/// A message being written.
#[derive(Default)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    fn key(&mut self, field: u32, wire_type: u8) {
        self.varint(u64::from(field) << 3 | u64::from(wire_type));
    }

    pub(super) fn int(&mut self, field: u32, value: i64) {
        self.key(field, 0);
        self.varint(value as u64);
    }

    pub(super) fn float(&mut self, field: u32, value: f32) {
        self.key(field, 5);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.key(field, 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
    }

    /// A text, left out if it is empty, as the default of fields is.
    pub(super) fn text(&mut self, field: u32, value: &str) {
        if !value.is_empty() {
            self.bytes(field, value.as_bytes());
        }
    }

    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let mut encoder = Encoder::default();
        write(&mut encoder);
        encoder.into_bytes()
    }

    /// The examples of the encoding guide.
    #[test]
    fn examples_of_the_guide() {
        assert_eq!(encoded(|e| e.int(1, 150)), [0x08, 0x96, 0x01]);
        assert_eq!(encoded(|e| e.text(2, "testing")), b"\x12\x07testing");
        assert_eq!(encoded(|e| e.message(3, |e| e.int(1, 150))), [0x1A, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(encoded(|e| e.int(1, -2))[1..], [0xFE, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        let packed = [0x32, 0x06, 0x03, 0x8E, 0x02, 0x9E, 0xA7, 0x05];
        let field = Message::new(&packed, 0).next().unwrap().unwrap();
        let mut ints = Vec::new();
        field.ints(&mut ints).unwrap();
        assert_eq!((field.number, ints), (6, vec![3, 270, 86942]));
    }

    #[test]
    fn bad_bytes_are_refused() {
        let fault = |bytes: &[u8]| Message::new(bytes, 100).next().map(|_| ()).unwrap_err();
        let truncated = |needed, remaining| WireFault::Truncated { needed, remaining };
        assert_eq!(fault(&[0x08]), Fell { offset: 101, fault: truncated(1, 0) });
        assert_eq!(fault(&[0x08, 0x80]), Fell { offset: 101, fault: truncated(2, 1) });
        assert_eq!(fault(&[0x0A, 5, 1]), Fell { offset: 102, fault: truncated(5, 1) });
        assert_eq!(fault(&[0x0D, 5, 1]), Fell { offset: 101, fault: truncated(4, 2) });
        assert_eq!(fault(&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2]).fault, WireFault::Varint);
        assert_eq!(fault(&[0x0B]).fault, WireFault::WireType(3));
        assert_eq!(fault(&[0x00, 0]).fault, WireFault::FieldNumber);
        let long = [0x0A, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
        assert_eq!(fault(&long), Fell { offset: 111, fault: truncated(u64::MAX, 0) });
    }

    proptest! {
        #[test]
        fn fields_come_back(fields in proptest::collection::vec((1u32..(1 << 29), any::<i64>(), any::<Vec<u8>>(), any::<u32>()), 0..20)) {
            let bytes = encoded(|e| for (number, int, bytes, float) in &fields {
                e.int(*number, *int);
                e.bytes(*number, bytes);
                e.float(*number, f32::from_bits(*float));
            });
            let mut message = Message::new(&bytes, 7);
            for (number, int, bytes, float) in &fields {
                let field = message.next().unwrap().unwrap();
                prop_assert_eq!((field.number, field.int()), (*number, Ok(*int)));
                prop_assert!(field.bytes().is_err());
                prop_assert_eq!(message.next().unwrap().unwrap().bytes(), Ok(bytes.as_slice()));
                let field = message.next().unwrap().unwrap();
                prop_assert_eq!(field.float().unwrap().to_bits(), *float);
            }
            prop_assert!(message.next().unwrap().is_none());
        }

        #[test]
        fn any_bytes_end_in_a_result(bytes in any::<Vec<u8>>()) {
            let mut message = Message::new(&bytes, 0);
            while let Ok(Some(field)) = message.next() {
                let mut ints = Vec::new();
                field.ints(&mut ints).ok();
                prop_assert!(ints.len() <= bytes.len());
            }
        }
    }
}
