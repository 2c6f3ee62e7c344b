//! What the commands of `ounce tiny` share.

mod model;
mod network;
pub(crate) mod parity;
pub(crate) mod pictures;
pub(crate) mod plan;
pub(crate) mod rehearse;
pub(crate) mod training;

pub(crate) use self::model::Model;
pub(crate) use self::network::Network;
use clap::Args;
use ounce_tiny::emit::Budget;

/// The memory of a device.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// RAM for activations and stack, in bytes, or with K or M
    #[arg(long, value_name = "BYTES", default_value = "256K", value_parser = bytes)]
    sram: u64,
    /// Flash for weights and code, likewise
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = bytes)]
    flash: u64,
    /// The part of RAM that is the stack
    #[arg(long, value_name = "BYTES", default_value = "4K", value_parser = bytes)]
    stack: u64,
}

impl Limits {
    /// The memory that there is.
    pub(crate) fn budget(&self) -> Budget {
        Budget { sram: self.sram, flash: self.flash, stack: self.stack }
    }
}

/// A number of bytes, `K` being 1024 and `M` 1024 of them.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        _ => (text, 1),
    };
    let number: u64 =
        digits.parse().map_err(|_| "a whole number, with K or M behind it or not".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("256K"), Ok(262_144));
        assert_eq!(bytes("1m"), Ok(1 << 20));
        assert_eq!(bytes("100"), Ok(100));
        assert!(bytes("K").is_err() && bytes("").is_err() && bytes("99999999999999999M").is_err());
    }
}
