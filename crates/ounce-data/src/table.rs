//! Tables of numbers: comma-separated values and the like.

use std::path::Path;

use thiserror::Error;

use crate::{DataError, Fault};

/// How a table is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOptions {
    /// What stands between columns: a comma, a semicolon, a tab.
    pub delimiter: u8,
    /// Whether the first line has the names of the columns.
    pub header: bool,
    /// The column with the class of each row, counted from 0.
    pub label: Option<usize>,
    /// Columns to leave out, counted from 0.
    pub skip: Vec<usize>,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { delimiter: b',', header: false, label: None, skip: Vec::new() }
    }
}

/// Rows of numbers, each with a class if the table has a column for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Names of the columns of numbers; empty without a header.
    pub names: Vec<String>,
    /// How many columns of numbers there are.
    pub columns: usize,
    /// The numbers, row by row.
    pub values: Vec<f64>,
    /// Names of the classes: in the order of numbers if all are numbers, else of texts.
    pub classes: Vec<String>,
    /// Number of the class of each row; empty without a column for it.
    pub labels: Vec<usize>,
}

/// A table that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TableError {
    /// A line has another number of columns than the first, or is no text.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// A value is no number.
    #[error(
        "line {line}, column {column}: {found:?} is no number; leave the column out (skip) or name it as the label"
    )]
    Number {
        /// Line of the file, counted from 1.
        line: u64,
        /// Column, counted from 0.
        column: usize,
        /// What stands there.
        found: String,
    },
    /// The column of the label does not exist.
    #[error("there is no column {label} for the label, the table has {columns} (counted from 0)")]
    Label {
        /// The column asked for.
        label: usize,
        /// How many there are.
        columns: usize,
    },
    /// Nothing in the table.
    #[error("the table has no rows")]
    Empty,
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// [`DataError`], which names the file.
    pub fn open(path: &Path, options: &TableOptions) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(|error| Fault::Io(error).at(path))?;
        Self::parse(&bytes, options).map_err(|error| Fault::Table(error).at(path))
    }

    /// Reads a table in memory. Spaces around values do not count, and neither do empty lines.
    ///
    /// # Errors
    /// [`TableError`], with the line.
    pub fn parse(bytes: &[u8], options: &TableOptions) -> Result<Self, TableError> {
        let mut reader = csv::ReaderBuilder::new();
        reader.delimiter(options.delimiter).has_headers(options.header).trim(csv::Trim::All);
        let mut reader = reader.from_reader(bytes);
        let kept = |column: &usize| Some(*column) != options.label && !options.skip.contains(column);
        let mut table = Self::default();
        if options.header {
            let names = reader.headers()?.iter().enumerate().filter(|(column, _)| kept(column));
            table.names = names.map(|(_, name)| name.to_owned()).collect();
        }
        let mut labels = Vec::new();
        let mut record = csv::StringRecord::new();
        let mut rows = 0usize;
        while reader.read_record(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            if let Some(label) = options.label {
                let found = record.get(label);
                labels.push(found.ok_or(TableError::Label { label, columns: record.len() })?.to_owned());
            }
            for (column, text) in record.iter().enumerate().filter(|(column, _)| kept(column)) {
                let found = || text.chars().take(40).collect();
                let number = text.parse().map_err(|_| TableError::Number { line, column, found: found() })?;
                table.values.push(number);
            }
            rows += 1;
        }
        if rows == 0 {
            return Err(TableError::Empty);
        }
        table.columns = table.values.len() / rows;
        table.classes = classes(&labels);
        let number = |label: &String| table.classes.iter().position(|class| class == label);
        table.labels = labels.iter().filter_map(number).collect();
        Ok(table)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(self.labels.len())
    }

    /// The numbers of a row; `None` if there is none of this number.
    pub fn row(&self, index: usize) -> Option<&[f64]> {
        let start = index.checked_mul(self.columns)?;
        self.values.get(start..start.checked_add(self.columns)?)
    }
}

/// The different labels in order.
fn classes(labels: &[String]) -> Vec<String> {
    let mut classes = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let numbers: Option<Vec<f64>> = classes.iter().map(|class| class.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let mut paired: Vec<_> = numbers.into_iter().zip(classes).collect();
        paired.sort_by(|a, b| a.0.total_cmp(&b.0));
        classes = paired.into_iter().map(|(_, class)| class).collect();
    }
    classes
}
