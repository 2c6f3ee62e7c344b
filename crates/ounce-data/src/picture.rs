//! Decoding pictures.

use std::io::Cursor;

use image::error::ImageError;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::PictureError;

/// The most pixels along a side.
pub const MAX_SIDE: u32 = 16_384;
/// The most memory that decoding a picture may take.
pub const MAX_BYTES: u64 = 512 << 20;

/// No file makes more bytes of one: deflate makes up to 1032, and a byte of those may hold 8 pixels of one bit. A JPEG needs a bit for 64 pixels.
const MAX_RATIO: u64 = 8 * 1032;

/// A picture: 8 bits for each of red, green and blue.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// Decodes a PNG or JPEG file. Grey becomes three equal channels, 16 bits become 8, transparency is dropped. How a camera was held (EXIF) is
    /// not taken into account.
    ///
    /// # Errors
    /// [`PictureError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, PictureError> {
        let format = match image::guess_format(bytes) {
            Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
            _ => return Err(PictureError::Format),
        };
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        limits.max_alloc = Some(MAX_BYTES);
        reader.limits(limits);
        let wrong = |error| match error {
            ImageError::Limits(_) => PictureError::Limits,
            error => PictureError::Damaged(error),
        };
        let decoder = reader.into_decoder().map_err(wrong)?;
        let (width, height) = decoder.dimensions();
        if decoder.total_bytes() > (bytes.len() as u64).saturating_mul(MAX_RATIO) {
            return Err(PictureError::Claims { width, height, given: bytes.len() });
        }
        let decoded = DynamicImage::from_decoder(decoder).map_err(wrong)?;
        let rgb = decoded.into_rgb8();
        let (width, height) = (rgb.width() as usize, rgb.height() as usize);
        Ok(Self { width, height, pixels: rgb.into_raw() })
    }

    /// A picture from its pixels, row by row, red, green and blue of each; `None` if there are not `width * height * 3`, or none.
    pub fn from_rgb(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        let needed = width.checked_mul(height)?.checked_mul(3)?;
        (needed > 0 && pixels.len() == needed).then_some(Self { width, height, pixels })
    }

    /// Pixels along a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, row by row, red, green and blue of each.
    pub fn rgb(&self) -> &[u8] {
        &self.pixels
    }

    /// Three planes, red, green and blue, each row by row; numbers from 0 to 255.
    pub fn planes(&self) -> Vec<f32> {
        let channel = |channel| self.pixels.iter().skip(channel).step_by(3).map(|&value| f32::from(value));
        (0..3).flat_map(channel).collect()
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}
