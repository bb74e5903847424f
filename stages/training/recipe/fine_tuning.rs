//! Parameters for training only some layers of a network, or some more slowly than others.

use contract::{
    Invalid,
    ranges::{above_zero, whole},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Recipe;
use crate::nets::{Architecture, LayerNumbers, LayerRate, check_frozen, check_rates, rate_factor};

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
        rate_factor(self.freeze, self.layer_rates, index)
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
        check_frozen(&self.freeze, network).map_err(|error| error.under("freeze"))?;
        check_rates(&self.layer_rates, network).map_err(|error| error.under("layer_rates"))?;
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
                check_frozen(freeze, network).map_err(|error| at(error.under("freeze")))?;
            }
            let rates = layer_rates.as_deref().unwrap_or_default();
            check_rates(rates, network).map_err(|error| at(error.under("layer_rates")))?;
        }
        Ok(())
    }
}
