//! Networks that have learned.

use std::collections::BTreeMap;

use ounce_formats::mcunet::Network as Mcunet;
use ounce_graph::Tensor;

use super::StepError;

/// The network with weights and biases that training changed, under the names of the step's parameters (`conv24.weight`, `conv24.bias`, in the numbering of
/// update schemes, the classifier last). What error feedback keeps beside them (`conv24.weight.residual`) is no part of a network and passed over.
///
/// # Errors
/// [`StepError::Network`] if a parameter is not one of the network's, or of another size.
pub fn with_parameters(network: &Mcunet, parameters: &BTreeMap<String, Tensor>) -> Result<Mcunet, StepError> {
    let mut network = network.clone();
    let mut convs: Vec<_> = network.convs_mut().collect();
    for (name, value) in parameters {
        let place = name.strip_prefix("conv").and_then(|rest| rest.split_once('.'));
        let conv = place.and_then(|(number, _)| convs.get_mut(number.parse::<usize>().ok()?));
        let (Some(conv), Some((_, part))) = (conv, place) else {
            return Err(StepError::Network(format!("it has no parameter {name}")));
        };
        let fits = match (part, value.as_i8(), value.as_i32()) {
            ("weight", Some(weights), _) if weights.len() == conv.weight.len() => {
                conv.weight.copy_from_slice(weights);
                true
            }
            ("bias", _, Some(biases)) if biases.len() == conv.bias.len() => {
                conv.bias.copy_from_slice(biases);
                true
            }
            (part, ..) => part.ends_with(".residual"),
        };
        if !fits {
            let needed = format!("{} weights and {} biases", conv.weight.len(), conv.bias.len());
            return Err(StepError::Network(format!("{name} is {}, but there are {needed}", value.ty())));
        }
    }
    Ok(network)
}
