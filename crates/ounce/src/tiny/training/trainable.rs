//! Networks and schemes of the command line.

use crate::failure::{Context as _, Failure, Result};
use crate::tiny::model::Kind;
use ounce_tiny::learn::Epoch;
use ounce_tiny::scheme::{self, Published, Scheme, layers};
use ounce_tiny::step::Network;
use std::path::Path;

/// What a file or folder is called, without folders and extension.
pub(crate) fn name(path: &Path) -> String {
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

/// The schemes that were published for a network: those of MCUNetV3 have some.
pub(crate) fn published(model: &Path) -> Vec<&'static Published> {
    match Kind::of(model) {
        Ok(Kind::Mcunet) => scheme::published(&name(model)).collect(),
        _ => Vec::new(),
    }
}

/// The scheme of a name or file, for a network of so many convolutions.
pub(crate) fn scheme(text: &str, model: &Path, convs: usize) -> Result<Scheme> {
    let number = |of: &str| {
        let refused = || Failure::usage(format!("--scheme {text}: {of:?} is no number of convolutions"));
        of.parse::<usize>().map_err(|_| refused())
    };
    let scheme = match text.split_once(':') {
        _ if text == "full" => Scheme::full(convs),
        Some(("bias", of)) => Scheme::bias_only(number(of)?),
        // More than there are is refused below.
        Some(("last", of)) => Scheme { biases: number(of)?, ..Scheme::last(convs, number(of)?) },
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            let all = published(model);
            let found = all.iter().find(|scheme| scheme.budget.to_string() == text);
            found.map(|found| found.scheme()).ok_or_else(|| {
                let known: Vec<String> = all.iter().map(|known| known.budget.to_string()).collect();
                let known = match &known[..] {
                    [] => "there are none at all, only for networks of MCUNetV3 (.pkl)".to_owned(),
                    known => format!("there are {}", known.join(", ")),
                };
                Failure::usage(format!("no scheme of {text} KB was published for {}", name(model)))
                    .hint(format!("{known}; give full, bias:N, last:N or a file, whose name has letters"))
            })?
        }
        _ => {
            let path = Path::new(text);
            let hint = "a scheme is a file, full, bias:N, last:N, or the KB of a published one";
            let read = std::fs::read_to_string(path).context(|| format!("cannot read the scheme {text}"));
            let read = read.map_err(|failure| failure.hint(hint))?;
            Scheme::parse(&read)
                .map_err(|error| Failure::new(format!("{text}: {}", error.to_string().trim_end())))?
        }
    };
    scheme.check(convs).map_err(|error| Failure::from_error(&error).hint(format!("--scheme was {text}")))?;
    Ok(scheme)
}

/// What a scheme takes beyond inference, by the original's formula, in KB.
pub(crate) fn extra_memory(network: &Network, scheme: &Scheme) -> f64 {
    scheme::extra_memory(&layers(&network.graph, &network.convs), scheme).kib()
}

/// Learning rates of weights and of biases, which have half of the former unless they have their own.
pub(crate) fn rates(rate: f32, bias_rate: Option<f32>) -> Result<[f32; 2]> {
    let rates = [rate, bias_rate.unwrap_or(rate / 2.0)];
    if rates.iter().all(|rate| rate.is_finite() && *rate >= 0.0) {
        return Ok(rates);
    }
    Err(Failure::usage(format!("learning rates of {} and {}", rates[0], rates[1]))
        .hint("they must be 0 or above"))
}

/// One line on an epoch.
pub(crate) fn line(epoch: &Epoch, of: usize) -> String {
    let held_out = epoch.test.map_or_else(String::new, |test| {
        format!("; held out {:.4}, {:.2} % right", test.loss, 100.0 * test.accuracy)
    });
    format!("epoch {:>3} of {of}: loss {:.4}{held_out}", epoch.epoch, epoch.loss)
}
