use super::*;
use ounce_random::Pcg32;

/// A random unitary: the directions of random columns.
pub(crate) fn random_unitary(dim: usize, random: &mut Pcg32) -> Matrix {
    let matrix = Matrix::from_fn(dim, |_, _| C64::new(random.normal(), random.normal()));
    orthonormal(&matrix, &(0..dim).collect::<Vec<_>>())
}

fn diagonal(values: &[C64]) -> Matrix {
    Matrix::from_fn(values.len(), |row, column| if row == column { values[row] } else { C64::default() })
}

/// Unitaries with what makes factorizations stumble: repeated eigenvalues, blocks, nearly diagonal, permutations.
fn hard_unitaries(dim: usize) -> Vec<Matrix> {
    let mut random = Pcg32::new(dim as u64);
    let mut all = vec![Matrix::identity(dim), Matrix::identity(dim).scaled(C64::i())];
    for _ in 0..20 {
        let basis = random_unitary(dim, &mut random);
        let conjugated = |values: &[C64]| &(&basis * &diagonal(values)) * &basis.adjoint();
        let signs: Vec<C64> = (0..dim).map(|i| C64::from(if i % 2 == 0 { 1.0 } else { -1.0 })).collect();
        let near: Vec<C64> = (0..dim).map(|i| C64::cis(1e-9 * i as f64)).collect();
        all.extend([conjugated(&signs), conjugated(&near), basis]);
        let mut order: Vec<usize> = (0..dim).collect();
        random.shuffle(&mut order);
        all.push(Matrix::from_fn(dim, |row, column| C64::from(f64::from(u8::from(order[row] == column)))));
    }
    let block = random_unitary(dim / 2, &mut random);
    all.push(block.controlled(1, 1.0));
    all.push(Matrix::identity(2).kron(&block));
    all
}

#[test]
fn unitaries_are_their_eigenvectors_and_eigenvalues() {
    for dim in [2, 4, 8, 16] {
        for matrix in hard_unitaries(dim) {
            let (values, vectors) = unitary_eigen(&matrix);
            assert!(vectors.is_unitary(1e-12));
            let again = &(&vectors * &diagonal(&values)) * &vectors.adjoint();
            assert!(again.distance(&matrix) < 1e-11, "{dim}: {}", again.distance(&matrix));
        }
    }
}

#[test]
fn unitaries_are_the_product_of_their_cosine_sine_decomposition() {
    for dim in [2, 4, 8, 16] {
        for matrix in hard_unitaries(dim) {
            let parts = cosine_sine(&matrix);
            let half = dim / 2;
            let blocks = |pair: &[Matrix; 2]| {
                Matrix::from_fn(dim, |row, column| match (row / half, column / half) {
                    (a, b) if a == b => pair[a].at(row % half, column % half),
                    _ => C64::default(),
                })
            };
            let middle = Matrix::from_fn(dim, |row, column| {
                let (sin, cos) = parts.angles[row % half].sin_cos();
                let entry = match (row / half, column / half) {
                    (a, b) if a == b => cos,
                    (0, _) => -sin,
                    _ => sin,
                };
                C64::from(if row % half == column % half { entry } else { 0.0 })
            });
            for side in parts.left.iter().chain(&parts.right) {
                assert!(side.is_unitary(1e-12));
            }
            let again = &(&blocks(&parts.left) * &middle) * &blocks(&parts.right);
            assert!(again.distance(&matrix) < 1e-12, "{dim}: {}", again.distance(&matrix));
        }
    }
}
