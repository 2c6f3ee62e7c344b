//! Losses over a batch, with their derivatives.

/// The loss of a batch.
#[derive(Clone, PartialEq, Debug)]
pub struct Loss {
    /// The mean over the samples.
    pub value: f64,
    /// Its derivatives with respect to what the model gave, in the same shape.
    pub derivatives: Vec<f64>,
    /// Samples whose largest output is that of their class; 0 where there are no classes.
    pub correct: usize,
}

/// The class of the largest output; the first of equals. 0 if there are none.
pub fn argmax(outputs: &[f64]) -> usize {
    let larger = |best: usize, index: usize| if outputs[index] > outputs[best] { index } else { best };
    (0..outputs.len()).fold(0, larger)
}

/// Cross entropy of the softmax of `logits` (a row of `classes` for each label), as PyTorch's `log_softmax` and `nll_loss`.
///
/// # Panics
/// If there is not one row for each label, or a label is not below `classes`.
pub fn cross_entropy(logits: &[f64], classes: usize, labels: &[usize]) -> Loss {
    assert_eq!(logits.len(), classes * labels.len());
    let mut loss = Loss { value: 0.0, derivatives: Vec::with_capacity(logits.len()), correct: 0 };
    let samples = labels.len() as f64;
    for (row, &label) in logits.chunks(classes.max(1)).zip(labels) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|logit| (logit - largest).exp()).sum();
        loss.value += (sum.ln() + largest - row[label]) / samples;
        let probability = |logit: f64| (logit - largest).exp() / sum;
        let derivatives = row.iter().enumerate();
        loss.derivatives.extend(
            derivatives
                .map(|(class, &logit)| (probability(logit) - f64::from(u8::from(class == label))) / samples),
        );
        loss.correct += usize::from(argmax(row) == label);
    }
    loss
}

/// The mean of squared differences, over all outputs, as PyTorch's `mse_loss`.
///
/// # Panics
/// If there are not as many targets as outputs.
pub fn mean_squared_error(outputs: &[f64], targets: &[f64]) -> Loss {
    assert_eq!(outputs.len(), targets.len());
    let count = outputs.len().max(1) as f64;
    let differences = || outputs.iter().zip(targets).map(|(output, target)| output - target);
    Loss {
        value: differences().map(|difference| difference * difference).sum::<f64>() / count,
        derivatives: differences().map(|difference| 2.0 * difference / count).collect(),
        correct: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_is_that_of_the_closed_form_and_its_derivatives_those_of_differences() {
        let logits = [0.2, -0.4, 1.1, 0.9, 0.1, -2.0];
        let labels = [2, 1];
        let loss = cross_entropy(&logits, 3, &labels);
        let row = |a: f64, b: f64, c: f64, own: f64| (a.exp() + b.exp() + c.exp()).ln() - own;
        let expected = (row(0.2, -0.4, 1.1, 1.1) + row(0.9, 0.1, -2.0, 0.1)) / 2.0;
        assert!((loss.value - expected).abs() < 1e-12);
        assert_eq!(loss.correct, 1);
        for index in 0..logits.len() {
            let at = |by: f64| {
                let mut moved = logits;
                moved[index] += by;
                cross_entropy(&moved, 3, &labels).value
            };
            let finite = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((finite - loss.derivatives[index]).abs() < 1e-9);
        }
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let loss = cross_entropy(&[1e4, -1e4], 2, &[1]);
        assert!((loss.value - 2e4).abs() < 1e-6 && loss.derivatives == [1.0, -1.0]);
    }
}
