//! What `ounce quantize` shows: a table and a figure of the errors of layers.

pub(crate) mod applies;
pub(crate) mod figure;
pub(crate) mod table;
