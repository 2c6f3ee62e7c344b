use super::*;

const CONF: &str = r#"{"backend_name": "two", "backend_version": "1.2", "n_qubits": 2, "basis_gates": ["id", "rz", "sx", "x", "cx"],
    "coupling_map": [[1, 0], [1, 0]], "processor_type": {"family": "Falcon", "revision": 5.11}, "clops_h": "None", "max_shots": 4000}"#;
const PROPS: &str = r#"{"last_update_date": "2026-01-01", "qubits": [
    [{"name": "T1", "unit": "us", "value": 50}, {"name": "T2", "unit": "ms", "value": 0.04}, {"name": "frequency", "unit": "GHz", "value": 5},
     {"name": "readout_error", "unit": "", "value": 0.02}, {"name": "readout_length", "unit": "ns", "value": 900}],
    [{"name": "T1", "unit": "µs", "value": null}, {"name": "T2", "unit": "us", "value": 0}]],
    "gates": [{"gate": "sx", "qubits": [0], "parameters": [{"name": "gate_error", "unit": "", "value": 0.001}, {"name": "gate_length", "unit": "ns", "value": 35}]},
     {"gate": "rz", "qubits": [0], "parameters": [{"name": "gate_error", "unit": "", "value": 0}, {"name": "gate_length", "unit": "ns", "value": 0}]},
     {"gate": "cx", "qubits": [1, 0], "parameters": [{"name": "gate_error", "unit": "", "value": 0.01}]}],
    "general": [], "general_qlists": [{"name": "lf_2", "qubits": [0, 1]}]}"#;

fn read(conf: &str, props: &str) -> Result<Device, DeviceError> {
    Device::from_json((conf, Path::new("conf_two.json")), (props, Path::new("props_two.json")))
}

#[test]
fn a_device_is_what_its_files_say() {
    let device = read(CONF, PROPS).unwrap();
    assert_eq!((device.name(), device.qubits().len(), device.processor()), ("two", 2, Some("Falcon 5.11")));
    let qubit = device.qubits()[0];
    let close = |a: Option<f64>, b: f64| a.is_some_and(|a| (a / b - 1.0).abs() < 1e-12);
    assert!(close(qubit.t1, 50e-6) && close(qubit.t2, 40e-6) && close(qubit.frequency, 5e9));
    assert!(close(qubit.readout.length, 900e-9) && qubit.readout.one_given_zero.is_none());
    assert_eq!((device.qubits()[1].t1, device.qubits()[1].t2), (None, None));
    assert_eq!(device.coupling(), Some(&[(1, 0)][..]));
    assert!(device.couples(1, 0) && !device.couples(0, 1) && !device.couples(1, 1) && !device.couples(1, 9));
    let summary = device.summary();
    assert_eq!((summary.single_gate.as_deref(), summary.double_gate.as_deref()), (Some("sx"), Some("cx")));
    assert_eq!(
        (summary.single_error, summary.readout_error, summary.couplings),
        (Some(0.001), Some(0.02), 1)
    );
}

#[test]
fn operations_that_a_device_lacks_are_objected_to() {
    use crate::gate::Standard;
    let device = read(CONF, PROPS).unwrap();
    let operation =
        |gate: Gate, qubits: &[usize]| Operation { gate, qubits: qubits.to_vec(), angles: Vec::new() };
    let cx = || Gate::from(Standard::X).controlled(1);
    assert_eq!(device.objection(&operation(cx(), &[1, 0])), None);
    assert_eq!(
        device.objection(&operation(cx(), &[0, 1])),
        Some(Objection::Coupling { first: 0, second: 1 })
    );
    assert_eq!(device.objection(&operation(Standard::H.into(), &[0])), Some(Objection::Basis));
    assert_eq!(
        device.objection(&operation(Standard::Sx.into(), &[2])),
        Some(Objection::Qubit { qubit: 2, qubits: 2 })
    );
}

#[test]
fn errors_say_where_and_what_to_do() {
    let cases = [
        (
            CONF.replace("\"n_qubits\": 2", "\"n_qubits\": \"2\""),
            PROPS.into(),
            "conf_two.json:1:65: invalid type: string \"2\", expected usize; give",
        ),
        (
            CONF.replace("\"n_qubits\": 2", "\"n_qubits\": 3"),
            PROPS.into(),
            "props_two.json: qubits is a list of 2, but must be a list of 3",
        ),
        (
            CONF.replace("\"n_qubits\": 2", "\"n_qubits\": 99999999"),
            PROPS.into(),
            "n_qubits is 99999999, but must be from 1 to 10000",
        ),
        (
            CONF.replace("[[1, 0]", "[[1, 2]"),
            PROPS.into(),
            "coupling_map[0] is [1, 2], but must be two different qubits below 2",
        ),
        (
            CONF.into(),
            PROPS.replace("\"us\", \"value\": 50", "\"furlongs\", \"value\": 50"),
            "the unit of qubits[0].T1 is \"furlongs\"",
        ),
        (
            CONF.into(),
            PROPS.replace("0.02", "1.5"),
            "qubits[0].readout_error is 1.5, but must be from 0 to 1",
        ),
        (CONF.into(), PROPS.replace("\"value\": 35", "\"value\": -35"), "gates[0].gate_length is"),
        (CONF.into(), PROPS.replace("\"qubits\": [1, 0]", "\"qubits\": [1, 1]"), "gates[2].qubits is [1, 1]"),
        (CONF.into(), PROPS.replace("\"gate\": \"rz\"", "\"gate\": \"sx\""), "gates[1] is sx on [0] again"),
        (CONF.into(), PROPS[..PROPS.len() - 1].into(), "props_two.json:8:"),
    ];
    for (conf, props, expected) in cases {
        let error = read(&conf, &props).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\n{expected}");
    }
    let missing =
        Device::read(Path::new("/nowhere/conf_a.json"), Path::new("/nowhere/props_a.json")).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/conf_a.json"));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(find(empty.path()), Err(DeviceError::NoDevices { .. })));
}

#[test]
fn devices_are_found_below_a_folder_and_in_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("qiskit_ibm_runtime/fake_provider/backends/two");
    std::fs::create_dir_all(&place).unwrap();
    for (name, text) in [("conf_two.json", CONF), ("props_two.json", PROPS), ("conf_alone.json", CONF)] {
        std::fs::write(place.join(name), text).unwrap();
    }
    for from in [folder.path(), &folder.path().join("qiskit_ibm_runtime"), &place] {
        let found = find(from).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "two");
        assert_eq!(Device::read(&found[0].configuration, &found[0].properties).unwrap().name(), "two");
    }
}

proptest::proptest! {
    #[test]
    fn damaged_files_are_errors_not_panics(at in 0usize..PROPS.len(), byte in 0u8..128, cut: bool) {
        let mut bytes = PROPS.as_bytes().to_vec();
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(text) = String::from_utf8(bytes)
            && let Ok(device) = read(CONF, &text)
        {
            crate::noise::NoiseModel::new(&device, Default::default()).errors();
            device.summary();
        }
    }
}
