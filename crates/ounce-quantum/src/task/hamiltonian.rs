//! The `[hamiltonian]` part of a task as it is read: all fields of all kinds in one table, so that errors have their place in the file.

use std::path::PathBuf;

use super::spec::HamiltonianSpec;
use serde::Deserialize;

/// The kinds, by their names in tasks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    H2,
    Ising,
    MaxCut,
    File,
}

/// What a task says of its Hamiltonian.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Fields {
    kind: Kind,
    qubits: Option<usize>,
    coupling: Option<f64>,
    field: Option<f64>,
    periodic: Option<bool>,
    vertices: Option<usize>,
    edges: Option<Vec<(usize, usize, f64)>>,
    path: Option<PathBuf>,
}

/// Fields that do not go with the kind.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum FieldsError {
    /// One that it needs.
    #[error("kind {kind:?} needs `{field}`")]
    Missing { kind: &'static str, field: &'static str },
    /// One that it has not.
    #[error("kind {kind:?} has no `{field}`; it has {known}")]
    Surplus { kind: &'static str, field: &'static str, known: &'static str },
}

impl Kind {
    /// Its name, and its fields.
    fn names(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::H2 => ("h2", &[], "no others"),
            Self::Ising => (
                "ising",
                &["qubits", "coupling", "field", "periodic"],
                "`qubits`, `coupling`, `field` and `periodic`",
            ),
            Self::MaxCut => ("max-cut", &["vertices", "edges"], "`vertices` and `edges`"),
            Self::File => ("file", &["path"], "`path`"),
        }
    }
}

impl Fields {
    /// The names of the fields that are given.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("qubits", self.qubits.is_some()),
            ("coupling", self.coupling.is_some()),
            ("field", self.field.is_some()),
            ("periodic", self.periodic.is_some()),
            ("vertices", self.vertices.is_some()),
            ("edges", self.edges.is_some()),
            ("path", self.path.is_some()),
        ];
        given.into_iter().filter_map(|(name, given)| given.then_some(name))
    }
}

impl TryFrom<Fields> for HamiltonianSpec {
    type Error = FieldsError;

    fn try_from(fields: Fields) -> Result<Self, FieldsError> {
        let (kind, own, known) = fields.kind.names();
        if let Some(field) = fields.given().find(|field| !own.contains(field)) {
            return Err(FieldsError::Surplus { kind, field, known });
        }
        let missing = |field| FieldsError::Missing { kind, field };
        Ok(match fields.kind {
            Kind::H2 => Self::H2,
            Kind::Ising => Self::Ising {
                qubits: fields.qubits.ok_or(missing("qubits"))?,
                coupling: fields.coupling.ok_or(missing("coupling"))?,
                field: fields.field.ok_or(missing("field"))?,
                periodic: fields.periodic.unwrap_or(false),
            },
            Kind::MaxCut => Self::MaxCut {
                vertices: fields.vertices.ok_or(missing("vertices"))?,
                edges: fields.edges.ok_or(missing("edges"))?,
            },
            Kind::File => Self::File { path: fields.path.ok_or(missing("path"))? },
        })
    }
}
