//! Sets of pictures for training and for testing.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ounce_data::idx::Labelled;
use ounce_data::{DataError, Fault, Picture, PictureSet};
use ounce_random::Pcg32;

/// Pictures for training and for testing, in the same classes.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// To train on.
    pub train: Part,
    /// To train on as well or, better, to choose rates by: pictures of the training part that are not in `train`.
    pub validation: Part,
    /// To test on.
    pub test: Part,
}

/// Some pictures with their labels. Pictures are read when they are asked for.
#[derive(Clone, Debug)]
pub struct Part {
    source: Arc<Source>,
    /// Number in the source, and label.
    items: Vec<(usize, i32)>,
}

#[derive(Debug)]
enum Source {
    Pictures(PictureSet),
    Idx(PathBuf, Labelled),
}

/// Which pictures of a set are taken. They are drawn, always in the same way, so that larger parts contain smaller ones.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Selection {
    /// Names of classes in the order of the labels; empty for all of the set.
    pub classes: Vec<String>,
    /// How many to train on; `None` for all that are not for something else.
    pub train: Option<usize>,
    /// How many of the training part are set aside for validation.
    pub validation: usize,
    /// How many to test on; `None` for all, or for a fifth where the set has no part for tests.
    pub test: Option<usize>,
}

/// Why a data set cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// Something in it cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It is not there.
    #[error("{path} does not exist: neither a folder nor a zip archive, nor in one", path = .0.display())]
    Missing(PathBuf),
    /// A class that is not there.
    #[error("{path}: there is no class {class:?}; there are {known}", path = path.display())]
    Class {
        /// The set.
        path: PathBuf,
        /// The class that was asked for.
        class: String,
        /// Those that there are.
        known: String,
    },
    /// Training and test parts have different classes.
    #[error("{path}: pictures for tests are of classes {test}, those for training of {train}", path = path.display())]
    Parts {
        /// The set.
        path: PathBuf,
        /// Classes to train on.
        train: String,
        /// Classes to test on.
        test: String,
    },
    /// Too few classes, or the same twice.
    #[error("{path}: {count} different classes are asked for; at least two are needed, each once", path = path.display())]
    Count {
        /// The set.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// More pictures than there are.
    #[error("{path}: {wanted} pictures {what} are asked for, and there are {found}", path = path.display())]
    Few {
        /// The set.
        path: PathBuf,
        /// What for.
        what: &'static str,
        /// How many were asked for.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
}

/// Of which set without a part for tests one picture in so many is for tests.
const TEST_SHARE: usize = 5;
/// Seeds by which pictures are drawn.
const TRAIN_SEED: u64 = 1;
const TEST_SEED: u64 = 2;

impl Dataset {
    /// Opens a set: a folder, a zip archive or a folder in one (`archive.zip/folder`) with a folder of pictures for each class, or with such folders in `train` and `test`; or a folder with the
    /// four files of MNIST, compressed or not, whose classes are called `0` to `9`.
    ///
    /// # Errors
    /// If it cannot be read, or has not what is asked for.
    pub fn open(path: &Path, selection: &Selection) -> Result<Self, DatasetError> {
        let (names, train, test) = open(path)?;
        let classes = if selection.classes.is_empty() { names.clone() } else { selection.classes.clone() };
        let mut labels = vec![None; names.len()];
        for (label, class) in (0..).zip(&classes) {
            let Some(at) = names.iter().position(|name| name == class) else {
                let (path, class) = (path.to_owned(), class.clone());
                return Err(DatasetError::Class { path, class, known: names.join(", ") });
            };
            labels[at] = Some(label);
        }
        let count = labels.iter().flatten().count();
        if count < 2 || count < classes.len() {
            return Err(DatasetError::Count { path: path.to_owned(), count });
        }
        let shuffled = |source: &Source, seed| {
            let mut items: Vec<(usize, i32)> = (0..source.len())
                .filter_map(|index| Some((index, (*labels.get(source.class(index))?)?)))
                .collect();
            Pcg32::new(seed).shuffle(&mut items);
            items
        };
        let mut rest = shuffled(&train, TRAIN_SEED);
        let take = |items: &mut Vec<(usize, i32)>, wanted: usize, what: &'static str| {
            let found = items.len();
            if wanted > found {
                return Err(DatasetError::Few { path: path.to_owned(), what, wanted, found });
            }
            Ok(items.drain(..wanted).collect::<Vec<_>>())
        };
        let (test, test_items) = match test {
            Some(test) => {
                let mut items = shuffled(&test, TEST_SEED);
                let wanted = selection.test.unwrap_or(items.len());
                (Arc::new(test), take(&mut items, wanted, "to test on")?)
            }
            None => {
                let wanted = selection.test.unwrap_or(rest.len() / TEST_SHARE);
                (Arc::clone(&train), take(&mut rest, wanted, "to test on")?)
            }
        };
        let validation = take(&mut rest, selection.validation, "to validate with")?;
        let wanted = selection.train.unwrap_or(rest.len());
        let items = take(&mut rest, wanted, "to train on")?;
        if items.is_empty() {
            return Err(DatasetError::Few {
                path: path.to_owned(),
                what: "to train on",
                wanted: 1,
                found: 0,
            });
        }
        let part = |items| Part { source: Arc::clone(&train), items };
        Ok(Self {
            classes,
            train: part(items),
            validation: part(validation),
            test: Part { source: test, items: test_items },
        })
    }
}

impl Part {
    /// All pictures of a set, as [`Dataset::open`] takes it, that are for tests, or all that there are if none are set apart; by class and name, with the number of their class as label. Beside them the
    /// names of the classes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn for_tests(path: &Path) -> Result<(Vec<String>, Self), DatasetError> {
        let (names, train, test) = open(path)?;
        Ok((names, Self::all(test.map_or(train, Arc::new))))
    }

    /// Likewise its pictures for training, or all that there are.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn for_training(path: &Path) -> Result<(Vec<String>, Self), DatasetError> {
        let (names, train, _) = open(path)?;
        Ok((names, Self::all(train)))
    }

    fn all(source: Arc<Source>) -> Self {
        let items = (0..source.len()).map(|at| (at, source.class(at) as i32)).collect();
        Self { source, items }
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The labels of all pictures.
    pub fn labels(&self) -> Vec<i32> {
        self.items.iter().map(|(_, label)| *label).collect()
    }

    /// Label and bytes of every picture, as its file has them (of MNIST, the pixels).
    ///
    /// # Errors
    /// [`DataError`], which names the file.
    pub(crate) fn files(&self) -> impl Iterator<Item = Result<(i32, Cow<'_, [u8]>), DataError>> {
        self.items.iter().map(|(at, label)| match &*self.source {
            Source::Pictures(set) => Ok((*label, set.bytes(*at)?)),
            Source::Idx(_, set) => Ok((*label, Cow::Borrowed(set.picture(*at).unwrap_or_default()))),
        })
    }

    /// Reads a picture.
    ///
    /// # Errors
    /// [`DataError`], which names the file.
    pub fn load(&self, index: usize) -> Result<Picture, DataError> {
        let at = self.items.get(index).map_or(usize::MAX, |(at, _)| *at);
        match &*self.source {
            Source::Pictures(set) => set.load(at),
            Source::Idx(path, set) => {
                let grey = set.picture(at).map(|grey| grey.iter().flat_map(|value| [*value; 3]).collect());
                let picture = grey.and_then(|pixels| Picture::from_rgb(set.width, set.height, pixels));
                let count = set.labels.len();
                let missing = || Box::new(Fault::Index { index: at, count });
                picture.ok_or_else(|| DataError { path: path.clone(), fault: missing() })
            }
        }
    }
}

impl Source {
    fn len(&self) -> usize {
        match self {
            Self::Pictures(set) => set.items().len(),
            Self::Idx(_, set) => set.labels.len(),
        }
    }

    fn class(&self, index: usize) -> usize {
        match self {
            Self::Pictures(set) => set.items()[index].class,
            Self::Idx(_, set) => set.labels[index].into(),
        }
    }
}

/// Names of all classes, what to train on, and what to test on if that is kept apart.
type Opened = (Vec<String>, Arc<Source>, Option<Source>);

fn open(path: &Path) -> Result<Opened, DatasetError> {
    if let (Some(train), Some(test)) = (idx(path, "train")?, idx(path, "t10k")?) {
        let names = (0..10).map(|digit| digit.to_string()).collect();
        return Ok((names, Arc::new(train), Some(test)));
    }
    let (train, test) = if path.is_dir() {
        if path.join("train").is_dir() && path.join("test").is_dir() {
            (PictureSet::folder(&path.join("train"))?, Some(PictureSet::folder(&path.join("test"))?))
        } else {
            (PictureSet::folder(path)?, None)
        }
    } else {
        let archive = path.ancestors().find(|ancestor| ancestor.is_file());
        let inside = archive.and_then(|archive| path.strip_prefix(archive).ok()?.to_str());
        let missing = || DatasetError::Missing(path.to_owned());
        let (archive, inside) = archive.zip(inside).ok_or_else(missing)?;
        let zip = |part: &str| PictureSet::zip(archive, &format!("{inside}{part}"));
        // An archive without these folders has the classes there, or says itself that there are none.
        match (zip("/train"), zip("/test")) {
            (Ok(train), Ok(test)) => (train, Some(test)),
            _ => (zip("")?, None),
        }
    };
    let names = train.classes().to_vec();
    if let Some(test) = test.as_ref().filter(|test| test.classes() != names) {
        let (train, test) = (names.join(", "), test.classes().join(", "));
        return Err(DatasetError::Parts { path: path.to_owned(), train, test });
    }
    Ok((names, Arc::new(Source::Pictures(train)), test.map(Source::Pictures)))
}

/// One part of MNIST, if its files are there.
fn idx(folder: &Path, part: &str) -> Result<Option<Source>, DataError> {
    let find = |name: &str| {
        let names = [format!("{part}-{name}"), format!("{part}-{name}.gz")];
        names.into_iter().map(|name| folder.join(name)).find(|path| path.is_file())
    };
    let (Some(pictures), Some(labels)) = (find("images-idx3-ubyte"), find("labels-idx1-ubyte")) else {
        return Ok(None);
    };
    let set = Labelled::open(&pictures, &labels)?;
    Ok(Some(Source::Idx(pictures, set)))
}
