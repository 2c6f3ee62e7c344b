//! Bilinear interpolation as PyTorch computes it: `F.interpolate(mode="bilinear", align_corners=False)`, without antialiasing.

/// For an index of the output: the two indices of the input that it lies between, and the weight of the second.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    weight: f32,
}

fn taps(input: usize, output: usize) -> Vec<Tap> {
    let scale = input as f32 / output as f32;
    let tap = |index: usize| {
        let source = ((index as f32 + 0.5) * scale - 0.5).max(0.0);
        let low = (source as usize).min(input - 1);
        let weight = (source - low as f32).clamp(0.0, 1.0);
        Tap { low, high: (low + 1).min(input - 1), weight }
    };
    (0..output).map(tap).collect()
}

/// Resizes planes of `[height, width]`, one after the other, to planes of `target`. Centres of pixels are mapped onto each other, edges repeated.
/// Empty if a length is 0 or the planes are not whole.
pub fn bilinear(planes: &[f32], [height, width]: [usize; 2], target: [usize; 2]) -> Vec<f32> {
    let area = height.saturating_mul(width);
    if area == 0 || target.contains(&0) || !planes.len().is_multiple_of(area) {
        return Vec::new();
    }
    let (rows, columns) = (taps(height, target[0]), taps(width, target[1]));
    let mut resized = Vec::with_capacity(planes.len() / area * rows.len() * columns.len());
    for plane in planes.chunks_exact(area) {
        for row in &rows {
            let [upper, lower] = [row.low, row.high].map(|y| &plane[y * width..][..width]);
            resized.extend(columns.iter().map(|column| {
                let along =
                    |row: &[f32]| row[column.low] * (1.0 - column.weight) + row[column.high] * column.weight;
                along(upper) * (1.0 - row.weight) + along(lower) * row.weight
            }));
        }
    }
    resized
}
