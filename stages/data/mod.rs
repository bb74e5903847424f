//! Reading, packing, splitting and augmenting images.
