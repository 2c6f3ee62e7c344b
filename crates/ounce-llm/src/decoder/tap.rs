//! Looking at the inputs of linear maps while a layer runs, for calibration.

use ounce_kernels::Team;
use ounce_kernels::ops::{self, Input};

/// The linear maps of a layer that read the same input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Site {
    /// Query, key and value maps.
    Attention,
    /// The output map of attention.
    AttentionOutput,
    /// Gate and up maps, or the router of experts.
    FeedForward,
    /// The down map.
    Down,
    /// Gate and up maps of an expert.
    Expert(usize),
    /// The down map of an expert.
    ExpertDown(usize),
}

/// Is shown the inputs of every linear map of a layer.
pub(crate) trait Tap {
    /// Whether inputs of this site are wanted.
    fn wants(&self, site: Site) -> bool;
    /// `x [n, d]`, after the normalisation, if any.
    fn input(&mut self, team: &mut Team<'_>, site: Site, x: &[f32]);
}

/// Perhaps a tap. Generating text has none.
pub(crate) type Taps<'a, 'b> = Option<&'a mut (dyn Tap + 'b)>;

/// Shows an input to the tap, if there is one that wants it.
pub(super) fn show(team: &mut Team<'_>, tap: &mut Taps<'_, '_>, site: Site, input: Input<'_>, width: usize) {
    let Some(tap) = tap.as_deref_mut().filter(|tap| tap.wants(site)) else { return };
    match &input.norm {
        None => tap.input(team, site, input.x),
        Some(norm) => {
            let mut normed = vec![0.0; input.x.len()];
            ops::norm(team, norm, input.x, &mut normed, width);
            tap.input(team, site, &normed);
        }
    }
}
