//! Models in several files named `NAME-00001-of-00003.gguf`, as `llama-gguf-split` writes them: the first part holds the metadata of the
//! model, every part its share of the tensors and the keys `split.no` (from 0) and `split.count`.

use std::path::{Path, PathBuf};

use super::{Gguf, GgufError, index_by_name};

/// Opens `path` and, if its name says that it is one of several parts, the others beside it.
pub(super) fn open(path: &Path) -> Result<Gguf, GgufError> {
    let Some(parts) = part_paths(path) else { return Gguf::open_one(path) };
    let mut parts = parts.into_iter().enumerate();
    let count = parts.len();
    let Some((_, first_path)) = parts.next() else { return Gguf::open_one(path) };
    let mut model = Gguf::open_one(&first_path)?;
    check(&model, &first_path, 0, count)?;
    let announced = model.metadata.u64("split.tensors.count")?;
    for (number, path) in parts {
        let part = Gguf::open_one(&path)?;
        check(&part, &path, number, count)?;
        model.tensors.extend(part.tensors.into_iter().map(|mut tensor| {
            tensor.part = number as u16;
            tensor
        }));
        model.parts.extend(part.parts);
    }
    if let Some(announced) = announced
        && announced != model.tensors.len() as u64
    {
        let what =
            format!("split.tensors.count is {announced}, the parts hold {} tensors", model.tensors.len());
        return Err(GgufError::Split { path: first_path, what });
    }
    model.by_name = index_by_name(&model.tensors)?;
    Ok(model)
}

/// The names of all parts, or `None` if the name is not that of a part of several. At most 65535 parts.
fn part_paths(path: &Path) -> Option<Vec<PathBuf>> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let parse = |digits: &str| {
        (digits.len() == 5 && digits.bytes().all(|b| b.is_ascii_digit()))
            .then(|| digits.parse::<u16>().ok())
            .flatten()
    };
    let (number, count) = (parse(number)?, parse(count)?);
    if number == 0 || number > count || count < 2 {
        return None;
    }
    Some((1..=count).map(|i| path.with_file_name(format!("{name}-{i:05}-of-{count:05}.gguf"))).collect())
}

fn check(part: &Gguf, path: &Path, number: usize, count: usize) -> Result<(), GgufError> {
    for (key, expected) in [("split.no", number), ("split.count", count)] {
        if let Some(found) = part.metadata.u64(key)?
            && found != expected as u64
        {
            let what = format!("{key} is {found}, by the name of the file it should be {expected}");
            return Err(GgufError::Split { path: path.to_owned(), what });
        }
    }
    Ok(())
}
