//! One seed for all randomness, divided into independent streams.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The seed of a run. It is passed down; nothing in this workspace draws from a global generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The generator for one purpose, named by `path` (for instance `[purpose, step, sample]`).
    ///
    /// Streams of different paths are independent and need no state, so that whatever is drawn for step 1000 does not
    /// depend on steps 0 to 999 having been drawn before, nor on which thread draws it.
    pub fn stream(&self, path: &[u64]) -> ChaCha8Rng {
        let mut digest = Sha256::new();
        digest.update(self.0.to_le_bytes());
        for part in path {
            digest.update(part.to_le_bytes());
        }
        ChaCha8Rng::from_seed(digest.finalize().into())
    }

    /// A seed of its own for one purpose, as [`Seed::stream`] is a generator of its own.
    pub fn derived(&self, path: &[u64]) -> Self {
        Self(self.stream(path).next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn streams_are_repeatable_and_differ_by_seed_and_path() {
        let draw = |seed: u64, path: &[u64]| Seed(seed).stream(path).random::<u64>();
        assert_eq!(draw(1, &[2, 3]), draw(1, &[2, 3]));
        assert_ne!(draw(1, &[2, 3]), draw(1, &[3, 2]));
        assert_ne!(draw(1, &[2]), draw(2, &[2]));
        assert_ne!(draw(1, &[]), draw(1, &[0]));
        assert_eq!(Seed(1).derived(&[2]), Seed(1).derived(&[2]));
        assert_ne!(Seed(1).derived(&[2]), Seed(1).derived(&[3]));
    }
}
