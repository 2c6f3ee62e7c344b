//! The JSON files of IBM's devices: `QasmBackendConfiguration` and `BackendProperties` of Qiskit's schemas. Fields that nothing here needs are
//! passed over, whatever is in them; what is needed is checked.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{CalibratedGate, Device, DeviceError, MAX_ENTRIES, MAX_FILE_BYTES, MAX_QUBITS, Qubit, units};

#[derive(Deserialize)]
struct Configuration {
    backend_name: String,
    #[serde(default)]
    backend_version: String,
    n_qubits: usize,
    basis_gates: Vec<String>,
    coupling_map: Option<Vec<Vec<usize>>>,
    processor_type: Option<Value>,
    quantum_volume: Option<u64>,
    max_shots: Option<u64>,
    max_experiments: Option<u64>,
}

#[derive(Deserialize)]
struct Properties {
    last_update_date: Option<String>,
    qubits: Vec<Vec<Parameter>>,
    gates: Vec<GateEntry>,
}

#[derive(Deserialize)]
struct GateEntry {
    gate: String,
    qubits: Vec<usize>,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

/// A named value with its unit; the date of its measurement is not needed.
#[derive(Deserialize)]
struct Parameter {
    name: String,
    #[serde(default)]
    unit: String,
    value: Option<f64>,
}

/// The text of a file that is not too large.
pub(super) fn read(path: &Path) -> Result<String, DeviceError> {
    let io = |source| DeviceError::Io { path: path.into(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(io)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(DeviceError::TooLarge { path: path.into(), limit: MAX_FILE_BYTES });
    }
    Ok(text)
}

/// The device of both texts.
pub(super) fn device(
    (conf, conf_path): (&str, &Path),
    (props, props_path): (&str, &Path),
) -> Result<Device, DeviceError> {
    let conf: Configuration = parse(conf, conf_path, "configuration (conf_NAME.json)")?;
    let props: Properties = parse(props, props_path, "calibration (props_NAME.json)")?;
    let in_conf = Checked { path: conf_path };
    let in_props = Checked { path: props_path };

    in_conf.range("n_qubits", conf.n_qubits as f64, (1.0, MAX_QUBITS as f64))?;
    let qubits = conf.n_qubits;
    in_conf.count("basis_gates", conf.basis_gates.len(), MAX_ENTRIES)?;
    let coupling = conf.coupling_map.map(|pairs| in_conf.coupling(&pairs, qubits)).transpose()?;

    if props.qubits.len() != qubits {
        let expected = format!("a list of {qubits}, as n_qubits of {} says", conf_path.display());
        return Err(in_props.field("qubits", format!("a list of {}", props.qubits.len()), expected));
    }
    in_props.count("gates", props.gates.len(), MAX_ENTRIES)?;
    let calibrated =
        props.qubits.iter().enumerate().map(|(index, parameters)| in_props.qubit(index, parameters));
    let calibrated = calibrated.collect::<Result<_, _>>()?;
    let mut known = HashSet::new();
    let mut gates = Vec::with_capacity(props.gates.len());
    for (index, entry) in props.gates.into_iter().enumerate() {
        let gate = in_props.gate(index, entry, qubits)?;
        if !known.insert((gate.name.clone(), gate.qubits.clone())) {
            let found = format!("{} on {:?} again", gate.name, gate.qubits);
            return Err(in_props.field(format!("gates[{index}]"), found, "another gate or other qubits"));
        }
        gates.push(gate);
    }
    Ok(Device {
        name: conf.backend_name,
        version: conf.backend_version,
        date: props.last_update_date,
        processor: conf.processor_type.as_ref().and_then(processor),
        quantum_volume: conf.quantum_volume,
        max_shots: conf.max_shots,
        max_circuits: conf.max_experiments,
        qubits: calibrated,
        gates,
        basis: conf.basis_gates,
        coupling,
    })
}

fn parse<'a, T: Deserialize<'a>>(
    text: &'a str,
    path: &Path,
    expected: &'static str,
) -> Result<T, DeviceError> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // The library's message ends with the place, which stands before it here.
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
        DeviceError::Json { path: path.into(), line, column, message, expected }
    })
}

/// Family and revision, which are text or numbers.
fn processor(value: &Value) -> Option<String> {
    let text = |key: &str| match value.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let family = text("family")?;
    Some(match text("revision") {
        Some(revision) => format!("{family} {revision}"),
        None => family,
    })
}

/// Checks of what a file says.
struct Checked<'a> {
    path: &'a Path,
}

impl Checked<'_> {
    fn field(
        &self,
        field: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> DeviceError {
        let (field, found, expected) = (field.into(), found.into(), expected.into());
        DeviceError::Field { path: self.path.into(), field, found, expected }
    }

    fn count(&self, field: &str, found: usize, limit: usize) -> Result<(), DeviceError> {
        if found > limit {
            return Err(self.field(
                field,
                format!("a list of {found}"),
                format!("a list of at most {limit}"),
            ));
        }
        Ok(())
    }

    fn range(&self, field: &str, value: f64, (from, to): (f64, f64)) -> Result<f64, DeviceError> {
        if !(from..=to).contains(&value) {
            return Err(self.field(field, value.to_string(), format!("from {from} to {to}")));
        }
        Ok(value)
    }

    fn coupling(&self, pairs: &[Vec<usize>], qubits: usize) -> Result<Vec<(usize, usize)>, DeviceError> {
        self.count("coupling_map", pairs.len(), MAX_ENTRIES)?;
        let pair = |(index, pair): (usize, &Vec<usize>)| match pair[..] {
            [first, second] if first < qubits && second < qubits && first != second => Ok((first, second)),
            _ => {
                let expected = format!("two different qubits below {qubits}");
                Err(self.field(format!("coupling_map[{index}]"), format!("{pair:?}"), expected))
            }
        };
        let mut pairs = pairs.iter().enumerate().map(pair).collect::<Result<Vec<_>, _>>()?;
        pairs.sort_unstable();
        pairs.dedup();
        Ok(pairs)
    }

    /// The value of a parameter in the base unit, within bounds. Several of one name: the first counts, as in Qiskit.
    fn value(
        &self,
        place: &str,
        parameters: &[Parameter],
        name: &str,
        scale: Option<fn(&str) -> Option<f64>>,
        bounds: (f64, f64),
    ) -> Result<Option<f64>, DeviceError> {
        let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else {
            return Ok(None);
        };
        let Some(value) = parameter.value else { return Ok(None) };
        let field = format!("{place}.{name}");
        let factor = match scale {
            None => 1.0,
            Some(scale) => scale(&parameter.unit).ok_or_else(|| {
                let expected = "such as s, ms, us, ns for times and Hz, MHz, GHz for frequencies";
                self.field(format!("the unit of {field}"), format!("\"{}\"", parameter.unit), expected)
            })?,
        };
        self.range(&field, value * factor, bounds).map(Some)
    }

    fn qubit(&self, index: usize, parameters: &[Parameter]) -> Result<Qubit, DeviceError> {
        let place = format!("qubits[{index}]");
        let time = |name| self.value(&place, parameters, name, Some(units::seconds), (0.0, MAX_SECONDS));
        let probability = |name| self.value(&place, parameters, name, None, (0.0, 1.0));
        // A time that could not be measured is sometimes written as 0.
        let decay = |name| time(name).map(|value| value.filter(|&value| value > 0.0));
        Ok(Qubit {
            t1: decay("T1")?,
            t2: decay("T2")?,
            frequency: self.value(&place, parameters, "frequency", Some(units::hertz), (0.0, 1e15))?,
            readout: super::Readout {
                error: probability("readout_error")?,
                one_given_zero: probability("prob_meas1_prep0")?,
                zero_given_one: probability("prob_meas0_prep1")?,
                length: time("readout_length")?,
            },
            operational: probability("operational")? != Some(0.0),
        })
    }

    fn gate(&self, index: usize, entry: GateEntry, qubits: usize) -> Result<CalibratedGate, DeviceError> {
        let place = format!("gates[{index}]");
        let twice = |(at, qubit): (usize, &usize)| entry.qubits[..at].contains(qubit);
        let fits = entry.qubits.iter().all(|&qubit| qubit < qubits)
            && (1..=MAX_GATE_QUBITS).contains(&entry.qubits.len());
        if !fits || entry.qubits.iter().enumerate().any(twice) {
            let expected = format!("one to {MAX_GATE_QUBITS} different qubits below {qubits}");
            return Err(self.field(format!("{place}.qubits"), format!("{:?}", entry.qubits), expected));
        }
        let seconds: fn(&str) -> Option<f64> = units::seconds;
        let value = |name, scale, limit| self.value(&place, &entry.parameters, name, scale, (0.0, limit));
        let (error, length) =
            (value("gate_error", None, 1.0)?, value("gate_length", Some(seconds), MAX_SECONDS)?);
        let operational = value("operational", None, 1.0)? != Some(0.0);
        Ok(CalibratedGate { name: entry.gate, qubits: entry.qubits, error, length, operational })
    }
}

/// The longest time of a qubit or gate.
const MAX_SECONDS: f64 = 1e6;
/// The most qubits of a calibrated gate.
const MAX_GATE_QUBITS: usize = 4;
