//! The pass that estimates the statistics of the generator's `batch_norm` layers.

use contract::{Context, Failure};
use ops::{Backend, Staged};

use crate::nets::{Network, estimate_statistics, latent};

/// Sets the running statistics of `generator` to those of `batches` batches of generated images, whose noise depends
/// only on the context's seed. Without it, they would be means over the last batches of the training, each generated
/// with weights of its own.
pub(crate) fn estimate<B: Backend>(
    generator: &mut Network<B>,
    batches: usize,
    batch_size: usize,
    context: &Context<'_>,
) -> Result<(), Failure> {
    let features = generator.architecture().input.channels;
    estimate_statistics(generator, 0..batches as u64, |generator, batch| {
        context.check_cancelled()?;
        let mut noise = Staged::new(generator.device(), (batch_size, features, 1, 1));
        let drawn = latent(
            batch_size,
            features,
            context.seed,
            "gan statistics",
            [batch, 0],
        );
        noise.copy_from_slice(&drawn);
        Ok(noise.upload())
    })
}
