//! Pictures for networks.

use crate::failure::{Context as _, Failure, Result};
use ounce_graph::{Tensor, TensorType};
use ounce_random::Pcg32;
use ounce_tiny::learn::{DatasetError, Part};
use ounce_tiny::pictures;
use std::path::Path;

/// Pictures of a data set, of which some are drawn.
pub(crate) struct Pictures<'a> {
    path: &'a Path,
    /// Names of all classes.
    classes: Vec<String>,
    part: Part,
}

impl<'a> Pictures<'a> {
    /// Those for tests, or all if none are set apart.
    pub(crate) fn for_tests(path: &'a Path) -> Result<Self> {
        Self::of(path, Part::for_tests(path))
    }

    /// Those for training, or all.
    pub(crate) fn for_training(path: &'a Path) -> Result<Self> {
        Self::of(path, Part::for_training(path))
    }

    fn of(path: &'a Path, opened: Result<(Vec<String>, Part), DatasetError>) -> Result<Self> {
        let (classes, part) = opened
            .context(|| format!("cannot read pictures from {}", path.display()))
            .map_err(|failure| failure.hint("give a folder with a folder for each class, a zip archive of one, or a folder in an archive"))?;
        Ok(Self { path, classes, part })
    }

    /// Pictures drawn by a seed, as a network takes them, with the numbers of their classes: of all that there are, or of those named, in that order.
    pub(crate) fn choose(
        &self,
        classes: Option<&[String]>,
        ty: &TensorType,
        count: usize,
        seed: u64,
    ) -> Result<Vec<(Tensor, usize)>> {
        let classes = classes.unwrap_or(&self.classes);
        let number: Vec<Option<usize>> =
            self.classes.iter().map(|name| classes.iter().position(|known| known == name)).collect();
        let labels = self.part.labels().into_iter().enumerate();
        let mut order: Vec<(usize, usize)> = labels
            .filter_map(|(at, label)| Some((at, (*number.get(usize::try_from(label).ok()?)?)?)))
            .collect();
        if order.is_empty() {
            let cause = format!("{} has no pictures of {}", self.path.display(), classes.join(", "));
            return Err(Failure::new(cause).hint(format!("it has classes {}", self.classes.join(", "))));
        }
        Pcg32::new(seed).shuffle(&mut order);
        let load = |(at, class): (usize, usize)| {
            let cannot = || format!("cannot use a picture of {}", self.path.display());
            let picture = self.part.load(at).context(cannot)?;
            Ok((pictures::image(&picture, ty).context(cannot)?, class))
        };
        order.into_iter().take(count).map(load).collect()
    }
}
