//! Pictures as Pillow decodes them (`conformance/data`), sets of them in folders and archives, and what is wrong with some.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use flate2::Crc;
use ounce_data::{DataError, Fault, Picture, PictureError, PictureSet};
use support::{archive, bytes, data, golden};

fn decode(bytes: &[u8]) -> Picture {
    Picture::decode(bytes).unwrap()
}

#[test]
fn pictures_are_decoded_as_by_pillow() {
    let summary: serde_json::Value = serde_json::from_slice(&bytes("pictures.json")).unwrap();
    for (name, expected) in summary.as_object().unwrap() {
        let picture = decode(&bytes(name));
        assert_eq!(
            (picture.width() as u64, picture.height() as u64),
            (expected[0].as_u64().unwrap(), expected[1].as_u64().unwrap())
        );
        if name.ends_with(".png") {
            let mut crc = Crc::new();
            crc.update(picture.rgb());
            assert_eq!(Some(u64::from(crc.sum())), expected[2].as_u64(), "{name}");
        } else {
            // Decoders of JPEG may round each pixel differently.
            let theirs = expected[2].as_array().unwrap().iter().map(|value| value.as_i64().unwrap());
            let off =
                picture.rgb().iter().zip(theirs).map(|(&ours, theirs)| (i64::from(ours) - theirs).abs());
            assert!(off.max() <= Some(2), "{name}");
        }
    }
    let picture = decode(&bytes("rgb.png"));
    let planes = picture.planes();
    assert_eq!(planes.len(), 720);
    assert_eq!((planes[1], planes[20], planes[240 + 20], planes[480]), (12.0, 0.0, 20.0, 255.0));
    assert_eq!(Picture::from_rgb(20, 12, picture.rgb().to_vec()), Some(picture));
    assert_eq!(Picture::from_rgb(0, 12, Vec::new()), None);
    assert_eq!(Picture::from_rgb(1, 1, vec![0; 4]), None);
}

#[test]
fn wrong_pictures_are_refused() {
    let error = |bytes: &[u8]| Picture::decode(bytes).unwrap_err();
    assert!(matches!(error(b"GIF89a"), PictureError::Format));
    assert!(matches!(error(b""), PictureError::Format));
    let png = bytes("rgb.png");
    assert!(matches!(error(&png[..60]), PictureError::Damaged(_)));
    // The width and height of the header, whose checksum the decoder minds.
    let resized = |width: u32, height: u32| {
        let mut png = png.clone();
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let mut crc = Crc::new();
        crc.update(&png[12..29]);
        png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        error(&png)
    };
    assert!(matches!(resized(20_000, 10), PictureError::Limits));
    assert!(matches!(
        resized(16_000, 16_000),
        PictureError::Claims { width: 16_000, given: 90, .. } | PictureError::Limits
    ));
    assert!(matches!(resized(3000, 3000), PictureError::Claims { width: 3000, height: 3000, given: 90 }));
}

fn fault(result: Result<impl std::fmt::Debug, DataError>) -> (String, Fault) {
    let error = result.unwrap_err();
    (error.path.display().to_string(), *error.fault)
}

#[test]
fn folders_are_sets() {
    let root = tempfile::tempdir().unwrap();
    let put = |name: &str, from: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(golden(from), path).unwrap();
    };
    assert!(matches!(fault(PictureSet::folder(root.path())).1, Fault::NoClasses));
    for (name, from) in [
        ("dog/2.png", "rgb.png"),
        ("dog/10.JPG", "rgb.jpg"),
        ("cat/x.jpeg", "grey.jpg"),
        ("cat/.hidden.png", "rgb.png"),
        ("cat/notes.txt", "labels.idx"),
        (".cache/a.png", "rgb.png"),
        ("loose.png", "rgb.png"),
    ] {
        put(name, from);
    }
    let set = PictureSet::folder(root.path()).unwrap();
    assert_eq!(set.classes(), ["cat", "dog"]);
    let items: Vec<_> = set.items().iter().map(|item| (item.class, item.name.as_str())).collect();
    assert_eq!(items, [(0, "x.jpeg"), (1, "10.JPG"), (1, "2.png")]);
    assert_eq!(set.load(2).unwrap(), decode(&bytes("rgb.png")));
    let (path, found) = fault(set.load(3));
    assert!(
        matches!(found, Fault::Index { index: 3, count: 3 })
            && path.ends_with(&*root.path().to_string_lossy())
    );
    // A file that is no picture, and one that has gone.
    put("dog/2.png", "labels.idx");
    let error = set.load(2).unwrap_err().to_string();
    assert!(
        error.ends_with("2.png: this is neither a PNG nor a JPEG picture, whatever its name says"),
        "{error}"
    );
    fs::remove_file(root.path().join("dog/2.png")).unwrap();
    assert!(matches!(fault(set.load(2)), (path, Fault::Io(_)) if path.ends_with("2.png")));
    fs::create_dir(root.path().join("ant")).unwrap();
    assert!(
        matches!(fault(PictureSet::folder(root.path())), (path, Fault::EmptyClass) if path.ends_with("ant"))
    );
    assert!(matches!(fault(PictureSet::folder(&root.path().join("none"))).1, Fault::Io(_)));
}

#[test]
fn archives_are_sets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.zip");
    let files = [
        ("train/b/1.jpg", bytes("rgb.jpg")),
        ("train/a/2.png", bytes("grey.png")),
        ("train/a/1.png", bytes("rgb.png")),
        ("test/c/1.png", bytes("rgb.png")),
        ("train/readme.txt", b"hello".to_vec()),
        ("train/a/deeper/1.png", bytes("rgb.png")),
        ("__MACOSX/train/a/._1.png", vec![0]),
    ];
    let zipped = archive(&files);
    fs::write(&path, &zipped).unwrap();
    let set = PictureSet::zip(&path, "train").unwrap();
    assert_eq!(set.classes(), ["a", "b"]);
    let items: Vec<_> = set.items().iter().map(|item| (item.class, item.name.as_str())).collect();
    assert_eq!(items, [(0, "1.png"), (0, "2.png"), (1, "1.jpg")]);
    for (index, name) in ["rgb.png", "grey.png", "rgb.jpg"].into_iter().enumerate() {
        assert_eq!(set.load(index).unwrap(), decode(&bytes(name)), "{name}");
    }
    assert_eq!(PictureSet::zip(&path, "/test/").unwrap().items().len(), 1);
    assert!(
        matches!(fault(PictureSet::zip(&path, "valid")), (path, Fault::NoClasses) if path.ends_with("set.zip/valid"))
    );
    // A byte of the first picture, which is stored, and the end of the archive.
    let mut damaged = zipped.clone();
    damaged[60] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let error = PictureSet::zip(&path, "train").unwrap().load(2).unwrap_err().to_string();
    assert!(error.contains("set.zip: b/1.jpg: its checksum is wrong"), "{error}");
    fs::write(&path, &zipped[..zipped.len() - 30]).unwrap();
    assert!(matches!(fault(PictureSet::zip(&path, "train")).1, Fault::Zip(_)));
}

/// All of CIFAR-10 is found, and a sample of it decodes to 32 x 32 pixels.
#[test]
fn cifar_10() {
    let Some(path) = data("tiny/cifar10-jpg.zip") else { return };
    for (part, count) in [("train", 5000), ("test", 1000)] {
        let set = PictureSet::zip(&path, part).unwrap();
        let classes =
            ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
        assert_eq!(set.classes(), classes);
        assert_eq!(set.items().len(), 10 * count);
        for (index, item) in set.items().iter().enumerate().step_by(997) {
            assert_eq!((item.class, item.name.clone()), (index / count, format!("{:04}.jpg", index % count)));
            let picture = set.load(index).unwrap();
            assert_eq!((picture.width(), picture.height()), (32, 32));
        }
    }
}
