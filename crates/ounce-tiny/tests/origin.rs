//! Checksums of networks and pictures.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::HashSet;
use std::path::Path;

use ounce_formats::mcunet::Network;
use ounce_import::mcunet::{Options, import};
use ounce_tiny::learn::{Dataset, Selection};
use ounce_tiny::origin::{Origin, OriginError, network, pictures};
use support::Random;
use support::learning::small;

fn checksum(of: &Network, size: usize) -> String {
    network(&import(of, &Options { size: Some(size), ..Options::default() }).unwrap().into())
}

#[test]
fn whatever_of_a_network_differs_its_checksum_does() {
    let original = small(&mut Random(7), 5);
    let changes: [&dyn Fn(&mut Network); 9] = [
        &|_| (),
        &|net| net.first_conv.weight[3] ^= 1,
        &|net| *net.classifier.weight.last_mut().unwrap() ^= 1,
        &|net| net.blocks[1].depthwise.bias[0] += 1,
        &|net| net.blocks[0].pointwise2.weight_scales[1] *= 1.5,
        &|net| net.first_conv.input.zero += 1,
        &|net| net.blocks[1].pointwise2.output.scale *= 1.5,
        // As many numbers in another order.
        &|net| net.first_conv.weight.swap(0, 1),
        &|net| net.blocks[1].depthwise.stride = 1,
    ];
    let changed = changes.map(|change| {
        let mut network = original.clone();
        change(&mut network);
        checksum(&network, 11)
    });
    assert_eq!(changed.iter().collect::<HashSet<_>>().len(), changes.len(), "{changed:?}");
    assert_eq!(changed[0], checksum(&original, 24), "images of another size");
}

/// Grey pictures in two classes, those of the first being lighter by `more`.
fn grey(folder: &Path, more: u8) {
    for class in ["ant", "bee"] {
        std::fs::create_dir_all(folder.join(class)).unwrap();
        for n in 0..10 {
            let value = 20 * n + if class == "ant" { more } else { 0 };
            let picture = image::RgbImage::from_pixel(2, 2, image::Rgb([value; 3]));
            picture.save(folder.join(class).join(format!("{n}.png"))).unwrap();
        }
    }
}

#[test]
fn pictures_are_told_by_what_is_in_them() {
    let folders = [0, 0, 1].map(|more| {
        let folder = tempfile::tempdir().unwrap();
        grey(folder.path(), more);
        folder
    });
    let set = |at: usize, classes: &[&str]| {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        Dataset::open(folders[at].path(), &Selection { classes, ..Selection::default() }).unwrap()
    };
    let of = |set: &Dataset| pictures(&[&set.train, &set.test]).unwrap();
    let here = of(&set(0, &[]));
    assert_eq!(here, of(&set(1, &[])), "a copy");
    assert_ne!(here, of(&set(2, &[])), "others of the same names");
    assert_ne!(here, of(&set(0, &["bee", "ant"])), "other labels");
    let fewer = set(0, &[]);
    assert_ne!(here, pictures(&[&fewer.train]).unwrap());
    assert_ne!(here, pictures(&[&fewer.test, &fewer.train]).unwrap());
    let gone = set(1, &[]);
    std::fs::remove_dir_all(folders[1].path().join("ant")).unwrap();
    assert!(pictures(&[&gone.train]).is_err());
}

#[test]
fn what_came_from_elsewhere_is_refused() {
    let origin =
        |network: &str, pictures: &str| Origin { network: network.into(), pictures: pictures.into() };
    let here = origin("a", "b");
    assert_eq!(here.check(Some(&here.clone())), Ok(()));
    assert_eq!(here.check(None), Err(OriginError::Unknown));
    assert!(matches!(here.check(Some(&origin("c", "b"))), Err(OriginError::Network { .. })));
    assert!(matches!(here.check(Some(&origin("a", "c"))), Err(OriginError::Pictures { .. })));
}
