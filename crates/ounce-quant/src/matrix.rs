//! A quantized matrix.

use crate::scheme::{Affine, Granularity, Scheme, SchemeError, bounds};

/// A matrix `[rows, cols]` of small integers with a scale and a zero point per group: `w = scale * (q - zero)`.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedMatrix {
    /// Output features.
    pub rows: usize,
    /// Input features.
    pub cols: usize,
    /// How it was quantized.
    pub scheme: Scheme,
    /// Columns that share a scale; divides `cols`.
    pub group: usize,
    /// `[rows, cols]`, each below `2^bits`.
    pub quants: Vec<u8>,
    /// `[rows, cols / group]`, each a half-precision number.
    pub scales: Vec<f32>,
    /// `[rows, cols / group]`; `2^(bits - 1)` everywhere in a symmetric scheme.
    pub zeros: Vec<u8>,
}

impl QuantizedMatrix {
    /// Quantizes `weights [rows, cols]` by rounding to nearest.
    ///
    /// # Errors
    /// [`SchemeError`] if the scheme does not fit the columns.
    ///
    /// # Panics
    /// If `weights` is not a whole number of rows.
    pub fn nearest(weights: &[f32], cols: usize, scheme: Scheme) -> Result<Self, SchemeError> {
        let group = scheme.group(cols)?;
        assert!(cols > 0 && weights.len().is_multiple_of(cols));
        let whole = (scheme.granularity == Granularity::Tensor).then(|| bounds(weights));
        let mut quants = Vec::with_capacity(weights.len());
        let (mut scales, mut zeros) = (Vec::new(), Vec::new());
        for weights in weights.chunks_exact(group) {
            let (min, max) = whole.unwrap_or_else(|| bounds(weights));
            let affine = scheme.affine(min, max);
            quants.extend(weights.iter().map(|&w| scheme.quant(w, affine)));
            scales.push(affine.scale);
            zeros.push(affine.zero);
        }
        Ok(Self { rows: weights.len() / cols, cols, scheme, group, quants, scales, zeros })
    }

    /// Quantizes `weights [rows, cols]` with given scales and zero points, `[rows, cols / group]`; weights beyond a range take its nearest
    /// end.
    ///
    /// # Errors
    /// [`SchemeError`] if the scheme does not fit the columns.
    ///
    /// # Panics
    /// If there is not one scale per group.
    pub fn with_affines(
        weights: &[f32],
        cols: usize,
        scheme: Scheme,
        affines: &[Affine],
    ) -> Result<Self, SchemeError> {
        let group = scheme.group(cols)?;
        assert_eq!(weights.len(), affines.len() * group);
        let quants = weights
            .chunks_exact(group)
            .zip(affines)
            .flat_map(|(weights, affine)| weights.iter().map(|&w| scheme.quant(w, *affine)));
        Ok(Self {
            rows: weights.len() / cols,
            cols,
            scheme,
            group,
            quants: quants.collect(),
            scales: affines.iter().map(|affine| affine.scale).collect(),
            zeros: affines.iter().map(|affine| affine.zero).collect(),
        })
    }

    /// Scales and zero points, `[rows, cols / group]`.
    pub fn affines(&self) -> Vec<Affine> {
        self.scales.iter().zip(&self.zeros).map(|(&scale, &zero)| Affine { scale, zero }).collect()
    }

    /// Writes the weights `[cols]` of a row.
    ///
    /// # Panics
    /// If the row does not exist or `out` is too short.
    pub fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        let groups = self.cols / self.group;
        let quants = &self.quants[row * self.cols..(row + 1) * self.cols];
        for (index, (quants, out)) in
            quants.chunks_exact(self.group).zip(out.chunks_exact_mut(self.group)).enumerate()
        {
            let at = row * groups + index;
            let affine = Affine { scale: self.scales[at], zero: self.zeros[at] };
            quants.iter().zip(out).for_each(|(&q, out)| *out = affine.weight(q));
        }
    }

    /// All weights, `[rows, cols]`.
    pub fn dequantize(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.rows * self.cols];
        for (row, out) in out.chunks_exact_mut(self.cols).enumerate() {
            self.dequantize_row(row, out);
        }
        out
    }

    /// Bits per weight, with scales of 16 bits and, unless symmetric, zero points of as many bits as a quant.
    pub fn bits_per_weight(&self) -> f64 {
        let zero = if self.scheme.symmetric { 0.0 } else { f64::from(self.scheme.bits) };
        f64::from(self.scheme.bits) + (16.0 + zero) / self.group as f64
    }
}
