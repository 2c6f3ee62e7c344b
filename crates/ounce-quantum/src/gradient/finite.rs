//! Central finite differences: the check of the other methods.

use crate::backend::{Backend, BackendError, Gradients, Request};

/// Gradients of `sum of cotangent * expectation` by central differences of `step`; the error is of the order of `step^2`.
///
/// # Errors
/// As [`Backend::expectations`].
pub fn gradients(
    backend: &mut dyn Backend,
    request: &Request<'_>,
    cotangents: &[f64],
    step: f64,
) -> Result<Gradients, BackendError> {
    let mut weighted = |request: &Request<'_>| -> Result<Vec<f64>, BackendError> {
        let values = backend.expectations(request)?;
        let width = request.observables.len();
        let sample =
            |row: usize| (0..width).map(|i| values[row * width + i] * cotangents[row * width + i]).sum();
        Ok((0..request.samples).map(sample).collect())
    };
    let mut parameters = request.parameters.to_vec();
    let mut by_parameter = Vec::with_capacity(parameters.len());
    for index in 0..parameters.len() {
        let value = parameters[index];
        parameters[index] = value + step;
        let plus: f64 = weighted(&Request { parameters: &parameters, ..*request })?.iter().sum();
        parameters[index] = value - step;
        let minus: f64 = weighted(&Request { parameters: &parameters, ..*request })?.iter().sum();
        parameters[index] = value;
        by_parameter.push((plus - minus) / (2.0 * step));
    }
    let width = request.circuit.inputs();
    let mut by_input = vec![0.0; request.inputs.len()];
    for index in 0..width {
        let shifted = |by: f64| -> Vec<f64> {
            let values = request.inputs.iter().enumerate();
            values.map(|(at, value)| if at % width == index { value + by } else { *value }).collect()
        };
        let plus = weighted(&Request { inputs: &shifted(step), ..*request })?;
        let minus = weighted(&Request { inputs: &shifted(-step), ..*request })?;
        for (sample, (plus, minus)) in plus.iter().zip(&minus).enumerate() {
            by_input[sample * width + index] = (plus - minus) / (2.0 * step);
        }
    }
    Ok(Gradients { parameters: by_parameter, inputs: by_input })
}
