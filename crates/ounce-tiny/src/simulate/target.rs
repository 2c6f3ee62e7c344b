//! The processors that can be simulated.

/// A processor and the board that QEMU simulates it on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// Cortex-M4 with single-precision floating point: STM32F4, nRF52 and many more. Board `mps2-an386`.
    CortexM4,
    /// Cortex-M7 with single-precision floating point: STM32F7, STM32H7, i.MX RT. Board `mps2-an500`.
    CortexM7,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 2] = [Self::CortexM4, Self::CortexM7];

    /// QEMU's name of the board.
    pub fn board(self) -> &'static str {
        match self {
            Self::CortexM4 => "mps2-an386",
            Self::CortexM7 => "mps2-an500",
        }
    }

    /// The options that make gcc compile for this processor.
    pub fn compiler_flags(self) -> &'static [&'static str] {
        match self {
            Self::CortexM4 => &["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
            Self::CortexM7 => &["-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"],
        }
    }

    /// Bytes of flash of the board, the most that a budget can be.
    pub fn flash(self) -> u64 {
        4 << 20
    }

    /// Bytes of RAM of the board, the most that a budget can be.
    pub fn ram(self) -> u64 {
        4 << 20
    }
}
