//! Sets of pictures for training and testing.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;

use ounce_tiny::learn::{Dataset, DatasetError, Part, Selection};

/// Pictures of one colour, which says which picture it is: `folder/CLASS/N.png`.
fn pictures(folder: &Path, classes: &[&str], count: u8) {
    for (class, name) in classes.iter().enumerate() {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..count {
            image::RgbImage::from_pixel(2, 2, image::Rgb([class as u8, n, 9]))
                .save(folder.join(format!("{n}.png")))
                .unwrap();
        }
    }
}

/// Class and number of each picture, with its label.
fn contents(part: &Part) -> Vec<(u8, u8, i32)> {
    let one = |(index, label)| {
        let picture = part.load(index).unwrap();
        (picture.rgb()[0], picture.rgb()[1], label)
    };
    part.labels().into_iter().enumerate().map(one).collect()
}

#[test]
fn folders_of_classes_are_split() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), &["ant", "bee", "cat"], 10);
    let selection = Selection { validation: 4, ..Selection::default() };
    let set = Dataset::open(folder.path(), &selection).unwrap();
    assert_eq!(set.classes, ["ant", "bee", "cat"]);
    assert_eq!((set.train.len(), set.validation.len(), set.test.len()), (20, 4, 6));
    let all = [&set.train, &set.validation, &set.test].map(contents).concat();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 30, "each picture once");
    assert!(all.iter().all(|(class, _, label)| i32::from(*class) == *label));
    // Fewer are some of the same.
    let fewer = Dataset::open(folder.path(), &Selection { train: Some(5), ..selection }).unwrap();
    assert_eq!(contents(&fewer.train), contents(&set.train)[..5]);
}

#[test]
fn classes_are_taken_in_the_order_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("train"), &["ant", "bee", "cat"], 4);
    pictures(&folder.path().join("test"), &["ant", "bee", "cat"], 2);
    let of = |classes: &[&str]| {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        Dataset::open(folder.path(), &Selection { classes, ..Selection::default() })
    };
    let set = of(&["cat", "ant"]).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (8, 4));
    let labels: HashSet<(u8, i32)> =
        contents(&set.test).into_iter().map(|(class, _, label)| (class, label)).collect();
    assert_eq!(labels, HashSet::from([(2, 0), (0, 1)]));
    assert!(matches!(of(&["cat", "dog"]), Err(DatasetError::Class { class, .. }) if class == "dog"));
    assert!(matches!(of(&["cat"]), Err(DatasetError::Count { count: 1, .. })));
    assert!(matches!(of(&["cat", "cat"]), Err(DatasetError::Count { .. })));
    let many = Selection { test: Some(7), ..Selection::default() };
    assert!(matches!(
        Dataset::open(folder.path(), &many),
        Err(DatasetError::Few { wanted: 7, found: 6, .. })
    ));
    pictures(&folder.path().join("test"), &["dog"], 2);
    assert!(matches!(of(&[]), Err(DatasetError::Parts { .. })));
}

#[test]
fn files_of_mnist_are_grey_pictures() {
    let folder = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 6u8), ("t10k", 3)] {
        let mut pictures = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 1, 0, 0, 0, 2];
        pictures.extend((0..count).flat_map(|n| [n, 100 + n]));
        let mut labels = vec![0, 0, 8, 1, 0, 0, 0, count];
        labels.extend((0..count).map(|n| n % 3));
        std::fs::write(folder.path().join(format!("{part}-images-idx3-ubyte")), pictures).unwrap();
        std::fs::write(folder.path().join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    let classes = vec!["2".to_owned(), "0".to_owned()];
    let set = Dataset::open(folder.path(), &Selection { classes, ..Selection::default() }).unwrap();
    assert_eq!((set.train.len(), set.test.len()), (4, 2));
    for (index, label) in set.train.labels().into_iter().enumerate() {
        let picture = set.train.load(index).unwrap();
        let first = picture.rgb()[0];
        assert_eq!(picture.rgb(), [first, first, first, 100 + first, 100 + first, 100 + first]);
        assert_eq!(label, i32::from(first.is_multiple_of(3)));
    }
    set.train.load(4).unwrap_err();
    Dataset::open(&folder.path().join("nothing"), &Selection::default()).unwrap_err();
}

#[test]
fn parts_are_read_without_drawing() {
    let folder = tempfile::tempdir().unwrap();
    pictures(&folder.path().join("train"), &["ant", "bee", "cat"], 4);
    pictures(&folder.path().join("test"), &["ant", "bee", "cat"], 2);
    let (classes, part) = Part::for_tests(folder.path()).unwrap();
    assert_eq!(classes, ["ant", "bee", "cat"]);
    let all: Vec<_> = (0..3).flat_map(|class| (0..2).map(move |n| (class, n, i32::from(class)))).collect();
    assert_eq!(contents(&part), all);
    assert_eq!(Part::for_training(folder.path()).unwrap().1.len(), 12);
    // Where nothing is set apart both are all.
    let (_, part) = Part::for_tests(&folder.path().join("train")).unwrap();
    assert_eq!(part.len(), 12);
    let missing = folder.path().join("none.zip/test");
    assert!(matches!(Part::for_tests(&missing), Err(DatasetError::Missing(path)) if path == missing));
}
