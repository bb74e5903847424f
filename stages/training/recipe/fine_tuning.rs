//! Parameters for training only some layers of a network, or some more slowly than others.

use contract::{
    Invalid,
    ranges::{above_zero, whole},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::nets::{Architecture, LayerNumbers};

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

/// Changes of parameters after some epochs. A parameter that is left out stays as it is. The optimizer starts anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Later {
    /// Number of epochs before the change.
    #[schemars(range(min = 1, max = 100_000), extend("x-unit" = "epochs"))]
    pub after: usize,
    /// Learning rate from then on, which `schedule` changes further.
    #[serde(default)]
    #[schemars(range(max = 10), extend("exclusiveMinimum" = 0))]
    pub learning_rate: Option<f64>,
    /// Layers that are frozen from then on; `[]` for none.
    #[serde(default)]
    pub freeze: Option<LayerNumbers>,
    /// Factors on the learning rate from then on.
    #[serde(default)]
    pub layer_rates: Option<Vec<LayerRate>>,
}

/// The parameters of an epoch that [`Later`] can change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::training) struct Phase<'a> {
    /// Number of changes so far.
    pub number: usize,
    pub learning_rate: f64,
    freeze: &'a LayerNumbers,
    layer_rates: &'a [LayerRate],
}

impl Phase<'_> {
    /// Returns the factor on the learning rate of the layer at `index`; `None` if it is frozen.
    pub(in crate::training) fn factor(&self, index: usize) -> Option<f32> {
        if self.freeze.has(index) {
            return None;
        }
        let mut rates = self.layer_rates.iter();
        let rate = rates.find(|rate| rate.layers.has(index));
        Some(rate.map_or(1.0, |rate| rate.factor as f32))
    }
}

impl Recipe {
    /// Returns the parameters of epoch `epoch`, from 0.
    pub(in crate::training) fn phase(&self, epoch: usize) -> Phase<'_> {
        let first = Phase {
            number: 0,
            learning_rate: self.learning_rate,
            freeze: &self.freeze,
            layer_rates: &self.layer_rates,
        };
        let changes = self.later.iter().filter(|later| later.after <= epoch);
        changes.fold(first, |phase, later| Phase {
            number: phase.number + 1,
            learning_rate: later.learning_rate.unwrap_or(phase.learning_rate),
            freeze: later.freeze.as_ref().unwrap_or(phase.freeze),
            layer_rates: later.layer_rates.as_deref().unwrap_or(phase.layer_rates),
        })
    }

    /// Checks the parameters about layers against those of the network.
    pub(super) fn check_fine_tuning(&self, network: &Architecture) -> Result<(), Invalid> {
        check_layers("freeze", &self.freeze, network)?;
        check_rates(&self.layer_rates, network)?;
        let mut before = 0;
        for (index, later) in self.later.iter().enumerate() {
            let at = |error: Invalid| error.at(index).under("later");
            let Later {
                after,
                learning_rate,
                freeze,
                layer_rates,
            } = later;
            whole("after", *after, 1, 100_000).map_err(at)?;
            if *after <= before {
                let message = format!("`after: {after}` is not later than the change before it");
                return Err(at(Invalid::new(message).under("after")));
            }
            if *after >= self.epochs {
                let message = format!(
                    "`after: {after}` is not before the end: `epochs` is {}",
                    self.epochs
                );
                return Err(at(Invalid::new(message).under("after")));
            }
            before = *after;
            let rate = learning_rate.map_or(Ok(()), |rate| above_zero("learning_rate", rate, 10.0));
            rate.map_err(at)?;
            if let Some(freeze) = freeze {
                check_layers("freeze", freeze, network).map_err(at)?;
            }
            check_rates(layer_rates.as_deref().unwrap_or_default(), network).map_err(at)?;
        }
        Ok(())
    }
}

fn check_layers(name: &str, frozen: &LayerNumbers, network: &Architecture) -> Result<(), Invalid> {
    let checked = frozen.check(network.layers.len());
    checked.map_err(|error| error.under(name))?;
    let mut trained = network.trained_layers();
    match frozen.is_empty() || trained.any(|index| !frozen.has(index)) {
        true => Ok(()),
        false => Err(Invalid::new(
            "all layers with weights are frozen, so there is nothing to train",
        )
        .hint("leave out the last layers")
        .under(name)),
    }
}

fn check_rates(rates: &[LayerRate], network: &Architecture) -> Result<(), Invalid> {
    for (index, rate) in rates.iter().enumerate() {
        above_zero("factor", rate.factor, 1000.0)
            .and_then(|()| {
                let checked = rate.layers.check(network.layers.len());
                checked.map_err(|error| error.under("layers"))
            })
            .map_err(|error| error.at(index).under("layer_rates"))?;
    }
    Ok(())
}
