//! Hugging Face folders, whole and broken.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use ounce_formats::hugging_face::{Folder, FolderError, SafetensorsType};
use safetensors::tensor::{Dtype, TensorView, serialize};

fn weights(names: &[&str]) -> Vec<u8> {
    let data: Vec<u8> = (0..24).collect();
    let view = || TensorView::new(Dtype::BF16, vec![3, 4], &data).unwrap();
    serialize(names.iter().map(|name| (*name, view())), None).unwrap()
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn error(files: &[(&str, &[u8])]) -> String {
    Folder::open(folder(files).path()).unwrap_err().to_string()
}

const CONFIG: (&str, &[u8]) = ("config.json", br#"{"model_type":"llama"}"#);
const INDEX: &str = "model.safetensors.index.json";

#[test]
fn opens_a_single_file() {
    for name in ["model.safetensors", "other.safetensors"] {
        let place = folder(&[
            CONFIG,
            (name, &weights(&["b", "a"])),
            ("tokenizer.json", b"{}"),
            ("generation_config.json", b"{\"x\":1}"),
        ]);
        let model = Folder::open(place.path()).unwrap();
        assert_eq!(model.config()["model_type"], "llama");
        assert_eq!(model.generation_config().unwrap()["x"], 1);
        assert_eq!(model.names().collect::<Vec<_>>(), ["a", "b"]);
        let view = model.tensor("b").unwrap();
        assert_eq!((view.dtype(), view.shape()), (SafetensorsType::BF16, [3, 4].as_slice()));
        assert_eq!(view.bytes(), (0..24).collect::<Vec<u8>>());
        assert_eq!((*view.owner()).as_ref()[view.range()], *view.bytes());
        assert!(model.tensor("c").is_none());
        assert_eq!(model.file("tokenizer.json"), Some(place.path().join("tokenizer.json")));
        assert_eq!(model.file("absent.json"), None);
        for hostile in ["../secret", "/etc/passwd", ".", "..", "", "a/b", "a\\b", "c:x", "tokenizer.json/"] {
            assert_eq!(model.file(hostile), None, "{hostile}");
        }
    }
}

#[test]
fn opens_shards() {
    let index = br#"{"weight_map":{"a":"one.safetensors","b":"two.safetensors","c":"one.safetensors"}}"#;
    let files = [
        CONFIG,
        (INDEX, index),
        ("one.safetensors", &weights(&["a", "c"])),
        ("two.safetensors", &weights(&["b"])),
    ];
    let place = folder(&files);
    let model = Folder::open(place.path()).unwrap();
    assert_eq!(model.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(model.names().all(|name| model.tensor(name).unwrap().name() == name));

    assert!(error(&files[..3]).contains("two.safetensors is missing"));
    let swapped = [CONFIG, (INDEX, index), ("one.safetensors", &weights(&["b"])), files[3]];
    assert!(error(&swapped).contains("the tensor \"a\""));
}

#[test]
fn an_index_cannot_leave_the_folder() {
    let outside = folder(&[("secret.safetensors", &weights(&["a"]))]);
    let absolute = outside.path().join("secret.safetensors").to_str().unwrap().to_owned();
    for name in ["../secret.safetensors", &absolute, "sub/x.safetensors", "..", "", ".", "..\\\\x"] {
        let index = format!("{{\"weight_map\":{{\"a\":\"{name}\"}}}}");
        let error = error(&[CONFIG, (INDEX, index.as_bytes())]);
        assert!(error.contains("no plain file name"), "{name}: {error}");
    }
}

#[test]
fn names_what_is_wrong() {
    let good = weights(&["a"]);
    assert!(matches!(Folder::open(Path::new("absent")), Err(FolderError::NotAFolder { .. })));
    assert!(error(&[("model.safetensors", &good)]).contains("config.json is missing"));
    assert!(error(&[("config.json", b"[1]"), ("model.safetensors", &good)]).contains("object"));
    assert!(error(&[("config.json", b"{\"a\": tru"), ("model.safetensors", &good)]).contains("line 1"));
    assert!(
        error(&[("config.json", &b"[".repeat(100_000)), ("model.safetensors", &good)]).contains("recursion")
    );
    assert!(
        error(&[("config.json", &vec![b' '; 5 << 20]), ("model.safetensors", &good)]).contains("larger than")
    );
    assert!(error(&[CONFIG]).contains("holds 0 safetensors files"));
    assert!(
        error(&[CONFIG, ("a.safetensors", &good), ("b.safetensors", &good)])
            .contains("holds 2 safetensors files")
    );
    assert!(error(&[CONFIG, (INDEX, b"{}")]).contains("weight_map"));
    assert!(error(&[CONFIG, (INDEX, br#"{"weight_map":{"a":"x","a":"y"}}"#)]).contains("twice"));
}

#[test]
fn names_what_is_wrong_in_weights() {
    let file = |json: &str, data: usize| {
        [&(json.len() as u64).to_le_bytes(), json.as_bytes(), &vec![0; data]].concat()
    };
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!("{{\"w\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}")
    };
    let cases = [
        (file(&tensor("F32", "[2,2]", "[0,8]"), 8), "need 16 bytes"),
        (file(&tensor("F32", "[18446744073709551615,2]", "[0,8]"), 8), "more bytes than can be counted"),
        (file(&tensor("Q4", "[2]", "[0,8]"), 8), "unknown dtype \"Q4\""),
        (file(&tensor("F32", "[2]", "[0,8]"), 7), "truncated"),
        (file(&tensor("F32", "[2]", "[0,8]"), 9), "truncated"),
        (file(&tensor("F32", "[2]", "[8,0]"), 8), "data_offsets 8..0"),
        (file(&tensor("F32", "[2]", "[4,12]"), 12), "the tensor before it ends at 0"),
        (
            file(&tensor("U8", "[18446744073709551615]", "[0,18446744073709551615]"), 8),
            "more bytes than can be counted",
        ),
        (file(&tensor("U8", "[2305843009213693951]", "[0,2305843009213693951]"), 8), "truncated"),
        (u64::MAX.to_le_bytes().to_vec(), "18446744073709551615 bytes"),
        (vec![1, 2, 3], "truncated"),
        (file("[]", 0), "header is not valid"),
        (file("{\"w\":1}", 0), "header is not valid"),
    ];
    for (bytes, expected) in cases {
        let error = error(&[CONFIG, ("model.safetensors", &bytes)]);
        assert!(error.contains("model.safetensors") && error.contains(expected), "{expected}: {error}");
    }
    let twice = "{\"w\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"w\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    assert!(error(&[CONFIG, ("model.safetensors", &file(twice, 0))]).contains("stands twice"));
}
