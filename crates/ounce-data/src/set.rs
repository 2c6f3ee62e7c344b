//! Sets of pictures with a class each.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, Entry};
use crate::{DataError, Fault, Picture, folder};

/// A set of pictures: where each lies and which class it belongs to. Pictures are read when they are asked for.
///
/// ```no_run
/// use ounce_data::PictureSet;
///
/// let set = PictureSet::zip("cifar10.zip".as_ref(), "train")?;
/// let (picture, class) = (set.load(0)?, &set.classes()[set.items()[0].class]);
/// # Ok::<(), ounce_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct PictureSet {
    path: PathBuf,
    classes: Vec<String>,
    items: Vec<Item>,
    source: Source,
}

/// A picture of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Number of its class.
    pub class: usize,
    /// Name of its file, without folders.
    pub name: String,
}

#[derive(Debug)]
enum Source {
    Folder,
    /// The archive, and the entry of each item.
    Archive(Archive, Vec<Entry>),
}

impl PictureSet {
    /// A folder that has a folder of PNG and JPEG pictures for each class. Hidden files and files of other kinds are passed over.
    ///
    /// # Errors
    /// [`DataError`] if the folder cannot be read, or a class has no picture, or there is no class.
    pub fn folder(path: &Path) -> Result<Self, DataError> {
        let found = folder::find(path)?;
        let (classes, items, _) = sort(found.into_iter().map(|(class, name)| (class, name, ())).collect());
        Ok(Self { path: path.to_owned(), classes, items, source: Source::Folder })
    }

    /// A zip archive that has such folders in the folder `inside` ("" for the top).
    ///
    /// # Errors
    /// [`DataError`] if the archive cannot be read or has no pictures there.
    pub fn zip(path: &Path, inside: &str) -> Result<Self, DataError> {
        let (archive, found) = Archive::open(path, inside).map_err(|fault| fault.at(path))?;
        let (classes, items, entries) = sort(found);
        if classes.is_empty() {
            return Err(Fault::NoClasses.at(&path.join(inside)));
        }
        Ok(Self { path: path.to_owned(), classes, items, source: Source::Archive(archive, entries) })
    }

    /// Names of the classes, sorted.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The pictures, sorted by class and name.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Reads and decodes the picture of this number.
    ///
    /// # Errors
    /// [`DataError`], which names the file.
    pub fn load(&self, index: usize) -> Result<Picture, DataError> {
        let bytes = self.bytes(index)?;
        Picture::decode(&bytes).map_err(|source| {
            let (class, name) = self.place(index).unwrap_or_default();
            match &self.source {
                Source::Folder => {
                    Fault::Picture { entry: None, source }.at(&self.path.join(class).join(name))
                }
                Source::Archive(..) => {
                    Fault::Picture { entry: Some(format!("{class}/{name}")), source }.at(&self.path)
                }
            }
        })
    }

    /// Reads the file of the picture of this number.
    ///
    /// # Errors
    /// [`DataError`], which names the file.
    pub fn bytes(&self, index: usize) -> Result<Cow<'_, [u8]>, DataError> {
        let missing = || Fault::Index { index, count: self.items.len() }.at(&self.path);
        let (class, name) = self.place(index).ok_or_else(missing)?;
        match &self.source {
            Source::Folder => {
                let path = self.path.join(class).join(name);
                let read = std::fs::read(&path).map_err(|error| Fault::Io(error).at(&path));
                read.map(Cow::Owned)
            }
            Source::Archive(archive, entries) => {
                let entry = entries.get(index).ok_or_else(missing)?;
                let fault = |what| Fault::Entry { entry: format!("{class}/{name}"), what };
                archive.read(entry).map_err(|what| fault(what).at(&self.path))
            }
        }
    }

    /// Class and name of a picture.
    fn place(&self, index: usize) -> Option<(&str, &str)> {
        let item = self.items.get(index)?;
        Some((self.classes.get(item.class).map_or("", String::as_str), &item.name))
    }
}

/// Whether a file is a picture by its name.
pub(crate) fn is_picture(name: &str) -> bool {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    let known =
        |extension: &str| ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    !is_hidden(name) && extension.is_some_and(known)
}

/// Whether a file or folder is hidden by its name.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

/// Puts pictures, each with a class, a name and more, in order and numbers the classes.
fn sort<T>(mut found: Vec<(String, String, T)>) -> (Vec<String>, Vec<Item>, Vec<T>) {
    found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let mut classes: Vec<String> = Vec::new();
    let mut items = Vec::with_capacity(found.len());
    let mut rest = Vec::with_capacity(found.len());
    for (class, name, more) in found {
        if classes.last() != Some(&class) {
            classes.push(class);
        }
        items.push(Item { class: classes.len() - 1, name });
        rest.push(more);
    }
    (classes, items, rest)
}
