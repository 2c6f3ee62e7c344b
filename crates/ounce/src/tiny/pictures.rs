//! Pictures for networks.

use crate::failure::{Context as _, Failure, Result};
use ounce_data::PictureSet;
use ounce_graph::{Tensor, TensorType};
use ounce_random::Pcg32;
use ounce_tiny::pictures;
use std::path::Path;

/// The set of a folder, of a zip archive, or of a folder in one, as `archive.zip/test`.
pub(crate) fn open(path: &Path) -> Result<PictureSet> {
    let cannot = || format!("cannot read pictures from {}", path.display());
    if path.is_dir() {
        return PictureSet::folder(path).context(cannot);
    }
    let archive = path.ancestors().find(|ancestor| ancestor.is_file());
    let inside = archive.and_then(|archive| path.strip_prefix(archive).ok()?.to_str());
    match (archive, inside) {
        (Some(archive), Some(inside)) => PictureSet::zip(archive, inside).context(cannot),
        _ => Err(Failure::new(format!("{} does not exist", path.display())).hint(
            "give a folder with a folder for each class, a zip archive of one, or a folder in an archive",
        )),
    }
}

/// Pictures drawn by a seed, as a network takes them, with the numbers of their classes: of all that there are, or of those named, in that order.
pub(crate) fn choose(
    path: &Path,
    classes: Option<&[String]>,
    ty: &TensorType,
    count: usize,
    seed: u64,
) -> Result<Vec<(Tensor, usize)>> {
    let set = open(path)?;
    let classes = classes.unwrap_or(set.classes());
    let number: Vec<Option<usize>> =
        set.classes().iter().map(|name| classes.iter().position(|known| known == name)).collect();
    let mut order: Vec<(usize, usize)> = (set.items().iter().enumerate())
        .filter_map(|(at, item)| Some((at, (*number.get(item.class)?)?)))
        .collect();
    if order.is_empty() {
        let cause = format!("{} has no pictures of {}", path.display(), classes.join(", "));
        return Err(Failure::new(cause).hint(format!("it has classes {}", set.classes().join(", "))));
    }
    Pcg32::new(seed).shuffle(&mut order);
    let load = |(at, class): (usize, usize)| {
        let cannot = || format!("cannot use a picture of {}", path.display());
        let picture = set.load(at).context(cannot)?;
        Ok((pictures::image(&picture, ty).context(cannot)?, class))
    };
    order.into_iter().take(count).map(load).collect()
}
