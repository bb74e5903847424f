//! Layers of a network that are trained, and the rates at which they are.

use contract::{Invalid, ranges::above_zero};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Architecture, LayerNumbers};

/// A factor on the learning rate of some layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerRate {
    /// The layers.
    pub layers: LayerNumbers,
    /// The factor.
    #[schemars(range(max = 1000), extend("exclusiveMinimum" = 0))]
    pub factor: f64,
}

/// Returns the factor on the learning rate of the layer at `index`; `None` if it is in `frozen`. If several of `rates`
/// have the layer, the first one counts.
pub fn rate_factor(frozen: &LayerNumbers, rates: &[LayerRate], index: usize) -> Option<f32> {
    if frozen.has(index) {
        return None;
    }
    let rate = rates.iter().find(|rate| rate.layers.has(index));
    Some(rate.map_or(1.0, |rate| rate.factor as f32))
}

/// Checks that a network has the layers in `frozen`, and others to train.
pub fn check_frozen(frozen: &LayerNumbers, network: &Architecture) -> Result<(), Invalid> {
    frozen.check(network.layers.len())?;
    let mut trained = network.trained_layers();
    match frozen.is_empty() || trained.any(|index| !frozen.has(index)) {
        true => Ok(()),
        false => Err(Invalid::new(
            "all layers with weights are frozen, so there is nothing to train",
        )
        .hint("leave out the last layers")),
    }
}

/// Checks factors, and that a network has the layers.
pub fn check_rates(rates: &[LayerRate], network: &Architecture) -> Result<(), Invalid> {
    for (index, rate) in rates.iter().enumerate() {
        above_zero("factor", rate.factor, 1000.0)
            .and_then(|()| {
                let checked = rate.layers.check(network.layers.len());
                checked.map_err(|error| error.under("layers"))
            })
            .map_err(|error| error.at(index))?;
    }
    Ok(())
}
