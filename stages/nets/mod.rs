//! Networks from lists of layers.
