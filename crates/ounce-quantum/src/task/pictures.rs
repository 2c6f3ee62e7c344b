//! Pictures as the angles of an encoder.

/// A grey picture, values from 0 to 1, row by row.
#[derive(Clone, PartialEq, Debug)]
pub struct Picture {
    width: usize,
    values: Vec<f64>,
}

/// Mean and deviation of MNIST's pixels, by which the papers normalize all pictures.
const MEAN: f64 = 0.1307;
const DEVIATION: f64 = 0.3081;

impl Picture {
    /// A picture of rows of `width` values; `None` if the last row is not whole.
    pub fn new(width: usize, values: Vec<f64>) -> Option<Self> {
        (width > 0 && values.len().is_multiple_of(width)).then_some(Self { width, values })
    }

    /// Grey of bytes.
    pub fn from_grey(width: usize, bytes: &[u8]) -> Option<Self> {
        Self::new(width, bytes.iter().map(|&byte| f64::from(byte) / 255.0).collect())
    }

    /// Grey of red, green and blue bytes, weighted by ITU-R 601 as PIL and torchvision do.
    pub fn from_rgb(width: usize, bytes: &[u8]) -> Option<Self> {
        let grey = |pixel: &[u8]| {
            let [red, green, blue] = [0, 1, 2].map(|channel| f64::from(pixel[channel]));
            (0.299 * red + 0.587 * green + 0.114 * blue) / 255.0
        };
        let whole = bytes.len().is_multiple_of(3);
        whole.then(|| Self::new(width, bytes.chunks_exact(3).map(grey).collect())).flatten()
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.values.len() / self.width
    }

    /// The square of `size` by `size` in the middle; `None` if the picture is smaller.
    pub fn center_crop(&self, size: usize) -> Option<Self> {
        let top = self.height().checked_sub(size)? / 2;
        let left = self.width.checked_sub(size)? / 2;
        let rows = self.values.chunks(self.width).skip(top).take(size);
        let values = rows.flat_map(|row| &row[left..left + size]).copied().collect();
        Self::new(size, values)
    }

    /// Means of squares of `size` by `size`, as PyTorch's `avg_pool2d`: what does not fill a square is left out.
    pub fn average_pool(&self, size: usize) -> Option<Self> {
        let size = size.max(1);
        let (rows, columns) = (self.height() / size, self.width / size);
        let mean = |row: usize, column: usize| {
            let cells =
                (0..size * size).map(|i| (row * size + i / size) * self.width + column * size + i % size);
            cells.map(|cell| self.values[cell]).sum::<f64>() / (size * size) as f64
        };
        Self::new(columns, (0..rows * columns).map(|i| mean(i / columns, i % columns)).collect())
    }

    /// The angles of an encoder of `side` by `side` values: the middle, pooled, and normalized with the mean and deviation of MNIST, as QuantumNAT
    /// does for all its picture tasks (24 x 24 of 28 x 28 for 4 x 4 and 6 x 6, 28 x 28 of 32 x 32 for CIFAR). `None` if the picture is too small.
    pub fn angles(&self, crop: usize, side: usize) -> Option<Vec<f64>> {
        let pooled = self.center_crop(crop)?.average_pool(crop.checked_div(side)?)?;
        let fits = pooled.values.len() == side * side;
        fits.then(|| pooled.values.iter().map(|value| (value - MEAN) / DEVIATION).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_pooled_and_normalized() {
        let values =
            (0..28 * 28).map(|i| f64::from(u8::from(i / 28 >= 2 && i / 28 < 8 && i % 28 >= 2 && i % 28 < 8)));
        let picture = Picture::new(28, values.collect());
        let angles = picture.and_then(|picture| picture.angles(24, 4)).unwrap_or_default();
        assert_eq!(angles.len(), 16);
        assert!((angles[0] - (1.0 - MEAN) / DEVIATION).abs() < 1e-12);
        assert!(angles[1..].iter().all(|angle| (angle + MEAN / DEVIATION).abs() < 1e-12));
    }

    #[test]
    fn small_and_torn_pictures_are_refused() {
        assert!(Picture::new(3, vec![0.0; 7]).is_none());
        assert!(Picture::from_rgb(2, &[0; 7]).is_none());
        let small = Picture::from_grey(8, &[255; 64]);
        assert!(small.as_ref().is_some_and(|picture| picture.angles(24, 4).is_none()));
        assert!(small.is_some_and(|picture| picture.angles(8, 4).is_some_and(|angles| angles.len() == 16)));
    }

    #[test]
    fn colours_are_weighted() {
        let grey = Picture::from_rgb(1, &[255, 0, 0]).map(|picture| picture.values[0]);
        assert_eq!(grey, Some(0.299));
    }
}
