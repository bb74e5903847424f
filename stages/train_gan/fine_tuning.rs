//! Trains a GAN from other weights, and only some of its layers.

use std::collections::BTreeMap;
use std::path::Path;

use contract::{Context, Failure, ImageShape, Invalid, Signature, Source, json};
use ops::Backend;

use super::TrainGan;
use crate::initial::{self, INITIAL, Initial, LOADED_FILE, Loaded, Start};
use crate::nets::{Architecture, Feature, Network, check_frozen, check_rates, rate_factor};

/// Role of the input with the weights from which the discriminator starts, and name of the parameter about them.
pub(super) const INITIAL_DISCRIMINATOR: &str = "initial_discriminator";

/// The tensors of both networks that were taken from other weights.
pub(super) struct BothLoaded {
    generator: Option<Loaded>,
    discriminator: Option<Loaded>,
}

impl BothLoaded {
    /// Writes `initial.json`, if any weights were loaded.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let both = [
            ("generator", &self.generator),
            ("discriminator", &self.discriminator),
        ];
        let loaded: BTreeMap<&str, &Loaded> = both
            .into_iter()
            .filter_map(|(name, loaded)| Some((name, loaded.as_ref()?)))
            .collect();
        match loaded.is_empty() {
            true => Ok(()),
            false => json::write(&folder.join(LOADED_FILE), &loaded),
        }
    }
}

impl TrainGan {
    fn both(&self) -> [(&'static str, Option<&Initial>); 2] {
        [
            (INITIAL, self.initial.as_ref()),
            (INITIAL_DISCRIMINATOR, self.initial_discriminator.as_ref()),
        ]
    }

    /// Checks the parameters about layers and about other weights. The networks are known to be valid for images of the
    /// shape `image`.
    pub(super) fn check_fine_tuning(
        &self,
        image: ImageShape,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<(), Invalid> {
        let [generator, discriminator] = [
            Architecture::new(Feature::new(self.latent, 1, 1), self.generator.clone())?,
            Architecture::new(image.into(), self.discriminator.clone())?,
        ];
        let under = |name: &'static str| move |error: Invalid| error.under(name);
        check_frozen(&self.freeze, &generator).map_err(under("freeze"))?;
        check_frozen(&self.freeze_discriminator, &discriminator)
            .map_err(under("freeze_discriminator"))?;
        check_rates(&self.layer_rates, &generator).map_err(under("layer_rates"))?;
        check_rates(&self.layer_rates_discriminator, &discriminator)
            .map_err(under("layer_rates_discriminator"))?;

        let input = |role: &str| inputs.get(role).and_then(|signatures| signatures.first());
        for ((name, params), network) in self.both().into_iter().zip([generator, discriminator]) {
            if let Some(params) = params {
                params.check(name, network.layers.len(), input(name).is_some())?;
            }
        }
        match input(INITIAL) {
            Some(Signature::Generator { image: other }) if *other != image => Err(Invalid::new(
                format!("input `{INITIAL}` makes images of {other}, but the images are {image}"),
            )
            .hint("give both the same `image_size` and number of channels")),
            _ => Ok(()),
        }
    }

    /// Returns the files or folders of weights that the parameters name.
    pub(super) fn weights_to_start_from(&self) -> Vec<Source> {
        let both = self.both().into_iter();
        both.filter_map(|(name, params)| params?.source(name))
            .collect()
    }

    /// Freezes layers of both networks, and sets the factors on the learning rates of the others.
    pub(super) fn set_rate_factors<B: Backend>(
        &self,
        generator: &mut Network<B>,
        discriminator: &mut Network<B>,
    ) {
        generator.set_rate_factors(|layer| rate_factor(&self.freeze, &self.layer_rates, layer));
        let (freeze, rates) = (&self.freeze_discriminator, &self.layer_rates_discriminator);
        discriminator.set_rate_factors(|layer| rate_factor(freeze, rates, layer));
    }

    /// Fills both networks with other weights, as far as there are any.
    pub(super) fn load<B: Backend>(
        &self,
        generator: &mut Network<B>,
        discriminator: &mut Network<B>,
        context: &Context<'_>,
    ) -> Result<BothLoaded, Failure> {
        let load = |network, (name, params)| {
            let start = Start {
                name,
                params,
                classes: None,
            };
            initial::load(network, &start, context)
        };
        let [of_generator, of_discriminator] = self.both();
        Ok(BothLoaded {
            generator: load(generator, of_generator)?,
            discriminator: load(discriminator, of_discriminator)?,
        })
    }
}
