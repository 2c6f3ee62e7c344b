//! Eigenvectors of small symmetric matrices.

/// Eigenvalues and eigenvectors of a symmetric matrix of `dim` rows, largest eigenvalue first, by Jacobi's rotations. The component of a vector of largest
/// magnitude is positive.
pub(super) fn symmetric_eigen(matrix: &[f64], dim: usize) -> Vec<(f64, Vec<f64>)> {
    let mut a = matrix.to_vec();
    let mut vectors: Vec<f64> = (0..dim * dim).map(|i| f64::from(u8::from(i / dim == i % dim))).collect();
    let scale: f64 = a.iter().map(|entry| entry * entry).sum();
    for _ in 0..100 {
        let off = || (0..dim).flat_map(|p| (0..p).map(move |q| (p, q)));
        let size: f64 = off().map(|(p, q)| a[p * dim + q].powi(2)).sum();
        if size <= 1e-30 * scale {
            break;
        }
        for (p, q) in off().collect::<Vec<_>>() {
            let entry = a[p * dim + q];
            if entry == 0.0 {
                continue;
            }
            let theta = (a[q * dim + q] - a[p * dim + p]) / (2.0 * entry);
            let tangent = 1f64.copysign(theta) / (theta.abs() + (theta * theta + 1.0).sqrt());
            let cos = 1.0 / (tangent * tangent + 1.0).sqrt();
            let sin = tangent * cos;
            let rotate = |x: f64, y: f64| (cos * x - sin * y, sin * x + cos * y);
            for k in 0..dim {
                (a[k * dim + p], a[k * dim + q]) = rotate(a[k * dim + p], a[k * dim + q]);
            }
            for k in 0..dim {
                (a[p * dim + k], a[q * dim + k]) = rotate(a[p * dim + k], a[q * dim + k]);
                (vectors[p * dim + k], vectors[q * dim + k]) =
                    rotate(vectors[p * dim + k], vectors[q * dim + k]);
            }
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> = (0..dim)
        .map(|i| {
            let vector = &vectors[i * dim..(i + 1) * dim];
            let largest =
                vector.iter().copied().fold(0.0, |best: f64, x| if x.abs() > best.abs() { x } else { best });
            (a[i * dim + i], vector.iter().map(|x| x * 1f64.copysign(largest)).collect())
        })
        .collect();
    pairs.sort_by(|x, y| y.0.total_cmp(&x.0));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_orthonormal_and_satisfy_the_equation() {
        let dim = 6;
        let matrix: Vec<f64> =
            (0..36).map(|i| ((i / 6 * (i % 6) + i / 6 + i % 6) as f64 * 0.9).sin()).collect();
        let pairs = symmetric_eigen(&matrix, dim);
        for (index, (value, vector)) in pairs.iter().enumerate() {
            for row in 0..dim {
                let image: f64 = (0..dim).map(|k| matrix[row * dim + k] * vector[k]).sum();
                assert!((image - value * vector[row]).abs() < 1e-10);
            }
            for (other, (_, second)) in pairs.iter().enumerate() {
                let dot: f64 = vector.iter().zip(second).map(|(a, b)| a * b).sum();
                assert!((dot - f64::from(u8::from(index == other))).abs() < 1e-10);
            }
        }
        assert!(pairs.windows(2).all(|pair| pair[0].0 >= pair[1].0));
    }
}
