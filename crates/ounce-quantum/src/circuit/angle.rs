//! Angles of gates: linear in the parameters and inputs of a circuit.

/// What an angle may depend on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Symbol {
    /// A parameter of the circuit, by its number: trained, the same for all samples.
    Parameter(usize),
    /// An input of the circuit, by its number: another value for each sample of a batch.
    Input(usize),
}

/// `offset + sum of factor * symbol`, in radians. Each symbol stands at most once, in ascending order, with a factor that is not 0.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Angle {
    offset: f64,
    terms: Vec<(Symbol, f64)>,
}

impl From<f64> for Angle {
    fn from(offset: f64) -> Self {
        Self { offset, terms: Vec::new() }
    }
}

impl From<Symbol> for Angle {
    fn from(symbol: Symbol) -> Self {
        Self { offset: 0.0, terms: vec![(symbol, 1.0)] }
    }
}

impl Angle {
    /// The part that depends on nothing.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    /// The symbols it depends on, with their factors.
    pub fn terms(&self) -> &[(Symbol, f64)] {
        &self.terms
    }

    /// Its value, if it depends on nothing.
    pub fn constant(&self) -> Option<f64> {
        self.terms.is_empty().then_some(self.offset)
    }

    /// Whether it depends on an input, so that it differs between the samples of a batch.
    pub fn depends_on_inputs(&self) -> bool {
        self.terms.iter().any(|(symbol, _)| matches!(symbol, Symbol::Input(_)))
    }

    /// The angle multiplied by a number.
    pub fn scaled(&self, factor: f64) -> Self {
        let terms = self.terms.iter().map(|&(symbol, own)| (symbol, own * factor));
        Self { offset: self.offset * factor, terms: terms.filter(|&(_, factor)| factor != 0.0).collect() }
    }

    /// The angle with the other sign.
    pub fn negated(&self) -> Self {
        self.scaled(-1.0)
    }

    /// The angle with a number added.
    pub fn plus(&self, offset: f64) -> Self {
        Self { offset: self.offset + offset, terms: self.terms.clone() }
    }

    /// The sum of two angles.
    pub fn sum(&self, other: &Self) -> Self {
        let mut terms = self.terms.clone();
        for &(symbol, factor) in &other.terms {
            match terms.binary_search_by_key(&symbol, |&(own, _)| own) {
                Ok(at) => terms[at].1 += factor,
                Err(at) => terms.insert(at, (symbol, factor)),
            }
        }
        terms.retain(|&(_, factor)| factor != 0.0);
        Self { offset: self.offset + other.offset, terms }
    }

    /// Its value for given parameters and inputs.
    ///
    /// # Panics
    /// If a symbol's number is not below the length of its slice; [`super::Circuit`] admits no such angle.
    pub fn value(&self, parameters: &[f64], inputs: &[f64]) -> f64 {
        self.terms.iter().fold(self.offset, |sum, &(symbol, factor)| {
            sum + factor
                * match symbol {
                    Symbol::Parameter(index) => parameters[index],
                    Symbol::Input(index) => inputs[index],
                }
        })
    }

    /// Whether all numbers in it are finite.
    pub fn is_finite(&self) -> bool {
        self.offset.is_finite() && self.terms.iter().all(|(_, factor)| factor.is_finite())
    }

    /// The angle with `parameters` added to the numbers of parameters, and `inputs` to those of inputs.
    pub(super) fn renumbered(&self, parameters: usize, inputs: usize) -> Self {
        let renumber = |symbol| match symbol {
            Symbol::Parameter(index) => Symbol::Parameter(index + parameters),
            Symbol::Input(index) => Symbol::Input(index + inputs),
        };
        let terms = self.terms.iter().map(|&(symbol, factor)| (renumber(symbol), factor));
        Self { offset: self.offset, terms: terms.collect() }
    }
}
